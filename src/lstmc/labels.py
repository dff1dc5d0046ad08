"""Labels: sequences of integers of unequal length, one after another.

The targets of a transcription. Sequence k of a level is ``flat[offsets[k]:
offsets[k + 1]]``, as in `Sequences`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from ._array_door import offsets_of


class Labels:
    """Label sequences of n samples, at one level or at more.

    Behaves as an immutable list whose items are arrays that tell samples apart.

    Parameters
    ----------
    *levels : pairs (flat, offsets)
        The labels (sum U,) int32 of all samples, and where each sample's start and end
        (n + 1,) intp: for each level.

    Examples
    --------
    >>> labels = Labels.from_lists([[3, 1], [], [2]])
    >>> [part.tolist() for part in labels.level(0)]
    [[3, 1], [], [2]]
    >>> len(labels[1:]), labels.lengths(0).tolist()
    (2, [2, 0, 1])
    """

    __slots__ = ("levels",)

    def __init__(self, *levels: tuple[np.ndarray, np.ndarray]):
        self.levels = levels

    @classmethod
    def from_lists(cls, lists: Iterable[Any]) -> Labels:
        """Labels of one level out of sequences of integers."""
        parts = [np.asarray(part, np.int32) for part in lists]
        flat = np.concatenate([np.empty(0, np.int32), *parts])
        return cls((flat, offsets_of([len(part) for part in parts])))

    @classmethod
    def stack(cls, levels: Iterable[Labels]) -> Labels:
        """Labels of one level each as one of many."""
        return cls(*chain.from_iterable(labels.levels for labels in levels))

    def level(self, k: int) -> list[np.ndarray]:
        """The sequences of a level one by one; views."""
        flat, offsets = self.levels[k]
        return np.split(flat, offsets[1:-1]) if len(self) else []

    def lengths(self, k: int) -> np.ndarray:
        """Labels of each sample at a level."""
        return np.diff(self.levels[k][1])

    def __len__(self) -> int:
        return len(self.levels[0][1]) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        for k in range(len(self)):
            spans = [(flat, *offsets[k : k + 2]) for flat, offsets in self.levels]
            lengths = np.array([end - start for _, start, end in spans], np.int32)
            yield np.concatenate([lengths, *(flat[a:b] for flat, a, b in spans)])

    def __getitem__(self, key: slice | np.ndarray) -> Labels:
        return Labels(*(_chosen(flat, offsets, key) for flat, offsets in self.levels))

    def __reduce__(self) -> tuple[Any, ...]:
        return Labels, self.levels


def _chosen(flat, offsets, key):
    """Flat labels and offsets of the samples at a slice or an array of positions."""
    starts, stops = offsets[:-1][key], offsets[1:][key]
    lengths = stops - starts
    chosen = offsets_of(lengths)
    rows = np.arange(chosen[-1]) + np.repeat(starts - chosen[:-1], lengths)
    return flat[rows], chosen


def best_labels(logits) -> tuple[Labels, np.ndarray]:
    """The labels of the likeliest class at each step, and the frames where they start.

    Equal classes in a row are one label, and the blank, class 0, is none.

    Examples
    --------
    >>> from lstmc import Sequences
    >>> logits = Sequences.from_flat(np.eye(3)[[0, 2, 2, 0, 2, 2, 1]], [5, 2])
    >>> labels, frames = best_labels(logits)
    >>> [part.tolist() for part in labels.level(0)], frames.tolist()
    ([[2, 2], [2, 1]], [1, 4, 0, 1])
    """
    classes, starts = logits.values.argmax(axis=1), logits.offsets[:-1]
    begins = np.ones(len(classes), bool)
    begins[1:] = classes[1:] != classes[:-1]
    begins[starts[starts < len(classes)]] = True
    kept = np.flatnonzero(begins & (classes > 0))
    offsets = np.searchsorted(kept, logits.offsets).astype(np.intp)
    frames = kept - np.repeat(starts, np.diff(offsets))
    return Labels((classes[kept].astype(np.int32), offsets)), frames
