"""The likeliest path of given labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core
from ._data import read_logits


class Alignment(NamedTuple):
    labels: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    path: np.ndarray
    score: float
    confidences: np.ndarray


def align(logits, labels, *, blank=0, lengths=None, threads=0):
    frames, _ = read_logits(logits, lengths)
    return [_align(x, np.asarray(own), blank) for x, own in zip(frames, labels)]


def _align(x, labels, blank):
    y = np.empty(x.shape)
    _core.softmax(np.ascontiguousarray(x), y, True)
    path_labels = np.full(2 * len(labels) + 1, blank)
    path_labels[1::2] = labels
    S = len(path_labels)
    skip = np.zeros(S, bool)
    skip[3::2] = path_labels[3::2] != path_labels[1:-2:2]
    score = np.full(S, -np.inf)
    back = np.zeros((len(x), S), int)
    for t, row in enumerate(y):
        if t == 0:
            score[:2] = row[path_labels[:2]]
            continue
        ways = np.full((3, S), -np.inf)
        ways[0] = score
        ways[1, 1:] = score[:-1]
        ways[2, 2:] = np.where(skip[2:], score[:-2], -np.inf)
        back[t] = ways.argmax(0)
        score = ways.max(0) + row[path_labels]
    if not len(x):
        empty = np.zeros(0, int)
        return Alignment(labels, empty, empty, empty, 0.0, np.zeros(0))
    s = S - 1 if S == 1 or score[-1] >= score[-2] else S - 2
    best, states = score[s], np.zeros(len(x), int)
    for t in range(len(x) - 1, -1, -1):
        states[t] = s
        s -= back[t, s]
    frames_of = [np.flatnonzero(states == 2 * k + 1) for k in range(len(labels))]
    return Alignment(
        labels, np.array([f[0] for f in frames_of], int),
        np.array([f[-1] + 1 for f in frames_of], int), path_labels[states], best,
        np.array([np.exp(y[f, k]).mean() for f, k in zip(frames_of, labels)]),
    )  # fmt: skip
