"""Metrics of transcriptions: edit distance and the error rates made of it.

An error rate is a sum of edits over a sum of lengths of the truth. It may exceed 1,
since there may be more labels to take out than there are in the truth. Where the truth
of all samples is empty, the edits are divided by 1.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from . import _core
from .labels import Labels

__all__ = [
    "Edits",
    "character_error_rate",
    "count_edits",
    "edit_distance",
    "label_error_rate",
    "word_error_rate",
]


class Edits(NamedTuple):
    """What turns each predicted sequence into the true one; see `count_edits`."""

    insertions: np.ndarray  # (n,) labels predicted that are not there
    deletions: np.ndarray  # (n,) labels there that are not predicted
    substitutions: np.ndarray  # (n,) labels predicted in the place of others
    lengths: np.ndarray  # (n,) labels there

    @property
    def total(self):
        """Edits of each pair, (n,): its edit distance."""
        return self.insertions + self.deletions + self.substitutions

    def rate(self, sample_weight=None):
        """Sum of all edits over the sum of all lengths, each times its weight."""
        weight = np.ones(len(self.lengths)) if sample_weight is None else sample_weight
        length = np.dot(weight, self.lengths)
        return float(np.dot(weight, self.total) / (length if length > 0 else 1))


def edit_distance(a, b):
    """The fewest insertions, deletions and substitutions that turn a into b [1]_.

    Parameters
    ----------
    a, b : sequences of hashable labels
        Integers, words, characters of a string; lists, tuples, arrays.

    Returns
    -------
    int

    References
    ----------
    .. [1] Levenshtein: Binary codes capable of correcting deletions, insertions, and
       reversals. Soviet Physics Doklady 10, 1966.

    Examples
    --------
    >>> from lstmc.metrics import edit_distance
    >>> edit_distance("kitten", "sitting"), edit_distance([1, 2, 3], [1, 3])
    (3, 1)
    """
    return int(count_edits([a], [b]).total[0])


def count_edits(y_true, y_pred):
    """Count the edits between each true sequence and the predicted one.

    Parameters
    ----------
    y_true, y_pred : lists of n sequences of hashable labels
        As in `edit_distance`.

    Returns
    -------
    Edits
        ``insertions``, ``deletions``, ``substitutions`` and ``lengths`` of the truth,
        (n,) each; ``total`` is the sum of the first three. They are as few as can be,
        and of those that are, the ones with most substitutions.

    Raises
    ------
    TypeError
        If a label cannot be hashed, or one sequence was given in place of a list.
    ValueError
        If there are not as many predicted sequences as true ones.

    Examples
    --------
    >>> from lstmc.metrics import count_edits
    >>> edits = count_edits(["house", "cat"], ["mouse", "cats"])
    >>> edits.substitutions.tolist(), edits.insertions.tolist()
    ([1, 0], [0, 1])
    """
    for name, y in (("y_true", y_true), ("y_pred", y_pred)):
        if isinstance(y, str):
            raise TypeError(f"{name}: expected a list of sequences, got {y!r}")
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_pred: expected {len(y_true)} sequences as in y_true, got {len(y_pred)}"
        )
    number = _number_text if _all_text(y_true, y_pred) else _number_labels
    return label_edits(*number(y_true, y_pred))


def label_edits(true, predicted):
    """The same for Labels of one level."""
    [(flat, offsets)], [(other, other_offsets)] = true.levels, predicted.levels
    edits = np.zeros((len(true), 3), np.int64)
    row = np.empty(predicted.lengths(0).max(initial=0) + 1, np.int64)
    _core.count_edits(flat, offsets, other, other_offsets, row, edits)
    insertions, deletions, substitutions = edits.T
    return Edits(insertions, deletions, substitutions, true.lengths(0))


def label_error_rate(y_true, y_pred, *, sample_weight=None):
    """Edits over the labels of the truth: 0 is perfect, and 1 may be exceeded.

    Parameters
    ----------
    y_true, y_pred : lists of n sequences of hashable labels
        As in `count_edits`, with the same errors.
    sample_weight : array-like of shape (n,), default=None
        Weight of each sample, in both sums.

    Returns
    -------
    float
        Where the truth holds no label at all, the number of edits.

    Examples
    --------
    >>> from lstmc.metrics import label_error_rate
    >>> label_error_rate([[1, 2, 3], []], [[1, 3], [2]])
    0.6666666666666666
    """
    return count_edits(y_true, y_pred).rate(sample_weight)


def word_error_rate(y_true, y_pred, *, sample_weight=None):
    """`label_error_rate` of the words of strings, as white space parts them.

    Parameters
    ----------
    y_true, y_pred : lists of n strings
    sample_weight : array-like of shape (n,), default=None
        Weight of each sample, in both sums.

    Returns
    -------
    float

    Examples
    --------
    >>> from lstmc.metrics import word_error_rate
    >>> word_error_rate(["to be or not to be"], ["to be or to bee"])
    0.3333333333333333
    """
    _check_text(y_true, y_pred)
    words = [[text.split() for text in y] for y in (y_true, y_pred)]
    return label_error_rate(*words, sample_weight=sample_weight)


def character_error_rate(y_true, y_pred, *, sample_weight=None):
    """`label_error_rate` of the characters of strings.

    Parameters
    ----------
    y_true, y_pred : lists of n strings
    sample_weight : array-like of shape (n,), default=None
        Weight of each sample, in both sums.

    Returns
    -------
    float

    Examples
    --------
    >>> from lstmc.metrics import character_error_rate
    >>> character_error_rate(["abcd"], ["acd"])
    0.25
    """
    _check_text(y_true, y_pred)
    return label_error_rate(y_true, y_pred, sample_weight=sample_weight)


def _all_text(*lists):
    return all(isinstance(text, str) for text in chain(*lists))


def _check_text(y_true, y_pred):
    for name, y in (("y_true", y_true), ("y_pred", y_pred)):
        if isinstance(y, str):
            raise TypeError(f"{name}: expected a list of strings, got {y!r}")
        for k, text in enumerate(y):
            if not isinstance(text, str):
                raise TypeError(f"{name}: sample {k}: expected a string, got {text!r}")


def _number_text(*lists):
    """Labels of strings by code point: thousands of characters at a time."""
    for texts in lists:
        codes = "".join(texts).encode("utf-32-le", "surrogatepass")
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.intp)
        yield Labels((np.frombuffer(codes, "<i4").astype(np.int32), offsets))


def _number_labels(*lists):
    """Labels by the order of their first occurrence in any of the lists."""
    numbers: dict[Any, int] = {}
    for name, y in zip(("y_true", "y_pred"), lists):
        coded = []
        for k, labels in enumerate(y):
            items = labels.tolist() if isinstance(labels, np.ndarray) else labels
            try:
                coded.append([numbers.setdefault(x, len(numbers)) for x in items])
            except TypeError as error:
                raise TypeError(
                    f"{name}: sample {k}: expected a sequence of hashable labels, got "
                    f"{labels!r}"
                ) from error
        yield Labels.from_lists(coded)
