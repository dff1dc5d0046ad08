"""A hypothesis: what a decoder makes of a sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..sequences import Sequences
from ._alignment import align
from ._data import check_logits, read_logits


class Hypothesis(NamedTuple):
    """A labelling of a sample, with its times.

    Attributes
    ----------
    labels : ndarray of int32, shape (U,)
        Classes, without blanks.
    score : float
        Total log score: the natural logarithm of a probability, and whatever language
        models, bonuses and hotwords add.
    starts, ends : ndarrays of intp, shape (U,)
        Label k has the frames ``starts[k]:ends[k]``.
    confidences : ndarray of float64, shape (U,)
        Mean probability of each label's class over its frames.
    words : list, or None
        Words of the lexicon; None without one.

    Examples
    --------
    >>> import lstmc.ctc
    >>> (found,) = lstmc.ctc.best_path([9 * np.eye(3)[[0, 1, 1, 2]]])
    >>> found.labels.tolist(), found.words
    ([1, 2], None)
    """

    labels: np.ndarray
    score: float
    starts: np.ndarray
    ends: np.ndarray
    confidences: np.ndarray
    words: list[Any] | None


def read_frames(logits: Any, lengths: Any, blank: Any) -> Sequences:
    """The logits of all samples, which every decoder may read."""
    frames, _ = read_logits(logits, lengths)
    check_logits(frames)
    if not isinstance(blank, int | np.integer) or not 0 <= blank < frames.n_features:
        raise ValueError(
            f"blank: expected a class from 0 to {frames.n_features - 1}, got {blank!r}"
        )
    return frames


def path_hypotheses(frames: Sequences, blank: int, threads: int) -> list[Hypothesis]:
    """The best path of each sample."""
    n, steps = len(frames), len(frames.values) + 1
    labels, scores = np.empty(steps, np.int32), np.empty(n)
    starts, ends, counts = (np.empty(size, np.intp) for size in (steps, steps, n))
    confidences = np.empty(steps)
    _core.best_path(
        *(frames.values, frames.offsets, blank, threads),
        *(labels, starts, ends, confidences, counts, scores),
    )
    found = []
    for k, first in enumerate(frames.offsets[:-1]):
        own = slice(first, first + counts[k])
        found.append(
            Hypothesis(
                labels[own].copy(),
                float(scores[k]),
                starts[own].copy(),
                ends[own].copy(),
                confidences[own].copy(),
                None,
            )
        )
    return found


def untimed(labels: np.ndarray, score: float, words: list[Any] | None) -> Hypothesis:
    """A hypothesis whose times are not known yet."""
    none = np.empty(0, np.intp)
    return Hypothesis(labels, float(score), none, none, np.empty(0), words)


def timed(
    frames: Sequences, rows: list[list[Hypothesis]], blank: int, threads: int
) -> list[list[Hypothesis]]:
    """The hypotheses of each sample, with the times of their likeliest paths."""
    done: list[list[Hypothesis]] = [[] for _ in rows]
    for rank in range(max(map(len, rows), default=0)):
        own = [k for k, row in enumerate(rows) if len(row) > rank]
        chosen = frames if len(own) == len(frames) else frames[own]
        labels = [rows[k][rank].labels for k in own]
        paths = align(chosen, labels, blank=blank, threads=threads)
        for k, path in zip(own, paths):
            done[k].append(
                rows[k][rank]._replace(
                    starts=path.starts, ends=path.ends, confidences=path.confidences
                )
            )
    return done
