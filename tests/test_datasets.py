"""The shipped data are the published figures, and loading them needs NumPy alone."""

import hashlib
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from lstmc.datasets import load_japanese_vowels


@pytest.fixture(scope="module")
def data():
    return load_japanese_vowels()


def test_counts_and_lengths_are_the_published_ones(data):
    X_train, y_train, X_test, y_test = data
    assert (len(X_train), len(X_test)) == (270, 370)
    assert np.bincount(y_train)[1:].tolist() == [30] * 9
    assert np.bincount(y_test)[1:].tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    lengths = [len(x) for x in X_train + X_test]
    assert (min(lengths), max(lengths), sum(lengths)) == (7, 29, 9961)
    assert [len(x) for x in X_train[:5]] == [20, 26, 22, 20, 21]
    for X, y in ((X_train, y_train), (X_test, y_test)):
        assert all(x.shape[1] == 12 and x.dtype == np.float64 for x in X)
        assert all(x.flags.c_contiguous and x.flags.writeable for x in X)
        assert y.dtype == np.int64


def test_first_and_last_figures_are_those_of_the_source(data):
    """Typed from JapaneseVowels_TRAIN.ts and _TEST.ts; equal to the last bit."""
    first = [1.860936, -0.207383, 0.261557, -0.214562, -0.171253, -0.118167]
    first += [-0.277557, 0.025668, 0.126701, -0.306756, -0.213076, 0.088728]
    assert data.X_train[0][0].tolist() == first
    assert data.X_train[0][:4, 0].tolist() == [1.860936, 1.891651, 1.939205, 1.717517]
    assert data.X_train[-1][:3, 1].tolist() == [-0.352572, -0.313229, -0.328534]
    assert data.X_test[0][0, :3].tolist() == [1.635533, 0.024848, 0.432087]
    assert data.X_test[-1][0, :3].tolist() == [1.421622, -0.386758, -0.187715]


def test_all_figures_are_those_of_the_source(data):
    """The sum of what float() makes of every figure in the two .ts files."""
    values = np.concatenate(data.X_train + data.X_test).astype("<f8")
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    assert digest == "ca43c43ffb87230ce889ee8b3418f39aff1aef95fdbfdb00460ac0864ab17b43"


def test_each_call_gives_data_of_its_own(data):
    again = load_japanese_vowels()
    again.X_train[0][:] = 0
    assert load_japanese_vowels().X_train[0][0, 0] == data.X_train[0][0, 0] == 1.860936


def test_source_and_licence_lie_beside_the_data():
    folder = files("lstmc.datasets") / "data"
    text = (folder / "japanese_vowels.txt").read_text(encoding="utf-8")
    assert "https://doi.org/10.24432/C5NS47" in text
    assert "CC BY 4.0" in text
    assert "Mineichi Kudo" in text
    assert len((folder / "japanese_vowels.npz").read_bytes()) < 300_000


def test_loading_imports_numpy_alone():
    script = """
import sys
from lstmc.datasets import load_japanese_vowels
load_japanese_vowels()
heavy = {"sklearn", "scipy", "matplotlib", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
