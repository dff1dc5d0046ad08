"""Forced alignment: at which frames given labels are most likely."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ._data import (
    check_logits,
    count_needed,
    list_infeasible,
    read_labels,
    read_logits,
)


class Alignment(NamedTuple):
    """The best alignment of one sample, as `align` returns it.

    Attributes
    ----------
    labels : ndarray of int32, shape (U,)
        The labels that were given.
    starts, ends : ndarray of intp, shape (U,)
        Label u holds at the frames ``starts[u] <= t < ends[u]``.
    path : ndarray of int32, shape (T,)
        The class at each frame, the blank among them.
    score : float
        Log of the path's probability.
    confidences : ndarray of float64, shape (U,)
        Mean probability, by the softmax, of the label's class over its frames.

    Examples
    --------
    >>> import lstmc.ctc
    >>> lstmc.ctc.Alignment._fields
    ('labels', 'starts', 'ends', 'path', 'score', 'confidences')
    """

    labels: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    path: np.ndarray
    score: float
    confidences: np.ndarray


def align(
    logits: Any, labels: Any, *, blank: int = 0, lengths: Any = None, threads: int = 0
) -> list[Alignment]:
    """Find the most probable alignment of labels with frames.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        As for `loss`.
    labels : list of n sequences of int
        Classes from 0 to C - 1 other than the blank. A sequence may be empty.
    blank : int, default=0
        The class that is no label.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array; None: all.
    threads : int, default=0
        0: the default of `set_num_threads`. Results do not depend on it.

    Returns
    -------
    list of n Alignment

    Raises
    ------
    ValueError
        For samples whose labels cannot be, all listed; for wrong labels or logits,
        named by sample and place.
    TypeError
        If logits or labels hold no numbers.

    Notes
    -----
    Where two paths are equally probable, a state goes on rather than changes.

    References
    ----------
    Viterbi: Error bounds for convolutional codes. IEEE Trans. Inf. Theory 13, 1967.

    Examples
    --------
    >>> import numpy as np
    >>> import lstmc.ctc
    >>> logits = 9 * np.eye(3)[[0, 1, 1, 0, 2]]
    >>> (found,) = lstmc.ctc.align([logits], [[1, 2]])
    >>> found.starts.tolist(), found.ends.tolist(), found.path.tolist()
    ([1, 4], [3, 5], [0, 1, 1, 0, 2])
    """
    sequences, _ = read_logits(logits, lengths)
    n = len(sequences)
    flat, offsets = read_labels(labels, n, sequences.n_features, blank)
    needed = count_needed(flat, offsets)
    short = sequences.lengths < needed
    if short.any():
        raise ValueError(list_infeasible(sequences, needed, short))
    losses, steps = np.empty(n), len(sequences.values)
    path, probability = np.empty(steps, np.int32), np.empty(steps)
    finite = _core.ctc_align(
        sequences.values, sequences.offsets, flat, offsets, int(blank),
        losses, path, probability, threads,
    )  # fmt: skip
    if not finite:
        check_logits(sequences)
    impossible = np.isinf(losses)
    if impossible.any():
        raise ValueError(list_infeasible(sequences, needed, impossible))
    cuts = sequences.offsets[1:-1]
    return [
        describe(own, frames, probabilities, blank, -score)
        for own, frames, probabilities, score in zip(
            np.split(flat, offsets[1:-1]),
            np.split(path, cuts),
            np.split(probability, cuts),
            losses.tolist(),
            strict=True,
        )
    ]


def describe(
    labels: np.ndarray,
    path: np.ndarray,
    probability: np.ndarray,
    blank: int,
    score: float,
) -> Alignment:
    """The alignment that a path is: a run of a class is a label."""
    border = np.flatnonzero(path[1:] != path[:-1]) + 1
    starts = np.concatenate([[0], border])[: len(path)].astype(np.intp)
    ends = np.concatenate([border, [len(path)]])[: len(path)].astype(np.intp)
    held = path[starts] != blank
    starts, ends = starts[held], ends[held]
    sums = np.concatenate([[0.0], np.cumsum(probability)])
    means = (sums[ends] - sums[starts]) / (ends - starts)
    return Alignment(labels, starts, ends, path, score + 0.0, means)
