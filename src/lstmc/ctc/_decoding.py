"""Decoding: from frames of logits to the labels that they most probably mean."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from .. import _core
from ._hypothesis import Hypothesis, path_hypotheses, read_frames, timed

NO_TIMES = (np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


def best_path(
    logits: Any, *, blank: int = 0, lengths: Any = None, threads: int = 0
) -> list[Hypothesis]:
    """The likeliest class of each frame; repeats collapsed, blanks dropped.

    The fastest decoder. It finds the likeliest path, which need not be one of the
    likeliest labelling: that has many paths.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        Unnormalised log probabilities of the classes at each frame.
    blank : int, default=0
        The class that means no label.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array.
    threads : int, default=0
        Threads to use; 0: the default of `lstmc.set_num_threads`.

    Returns
    -------
    list of n Hypothesis
        Their score is the log probability of the path.

    Raises
    ------
    ValueError
        Logits hold NaN, or the blank is not one of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> logits = 5 * np.eye(3)[[0, 1, 1, 0, 1, 2]]
    >>> [found] = best_path([logits])
    >>> found.labels.tolist(), found.starts.tolist(), found.ends.tolist()
    ([1, 1, 2], [1, 4, 5], [3, 5, 6])
    """
    return path_hypotheses(read_frames(logits, lengths, blank), int(blank), threads)


def prefix_beam(
    logits: Any,
    *,
    beam_size: int = 100,
    n_best: int = 1,
    blank: int = 0,
    label_threshold: float | None = None,
    beam_threshold: float | None = None,
    lengths: Any = None,
    threads: int = 0,
) -> list[list[Hypothesis]]:
    """The likeliest labellings, by prefix beam search."""
    frames = read_frames(logits, lengths, blank)
    beam_size = at_least_one(beam_size, "beam_size")
    n_best = at_least_one(n_best, "n_best")
    if n_best > beam_size:
        raise ValueError(
            f"n_best: expected at most beam_size {beam_size}, got {n_best}"
        )
    n, steps = len(frames), len(frames.values)
    labels, words = np.empty((2, n_best * steps + 1), np.int32)
    counts, scores = np.empty((n, n_best, 2), np.intp), np.empty((n, n_best))
    _core.prefix_beam(
        *(frames.values, frames.offsets, blank, threads, beam_size, n_best),
        -np.inf if label_threshold is None else label_threshold,
        np.inf if beam_threshold is None else beam_threshold,
        *(1.0, 0.0, None, None, None, None, labels, words, counts, scores),
    )
    rows: list[list[Hypothesis]] = []
    for k, (first, length) in enumerate(zip(frames.offsets, frames.lengths)):
        rows.append([])
        for rank in range(n_best):
            at = n_best * first + rank * length
            if counts[k, rank, 0] >= 0:
                own = labels[at : at + counts[k, rank, 0]].copy()
                score = float(scores[k, rank])
                rows[k].append(Hypothesis(own, score, *NO_TIMES, None))
    return timed(frames, rows, int(blank), threads)


def at_least_one(value: Any, name: str) -> int:
    """An option that counts something."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)
