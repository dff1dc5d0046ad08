"""The door of CTC: logits become Sequences, labels one flat array with offsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _array_door as door
from ..sequences import Sequences


def read_logits(
    logits: Any, lengths: Any = None
) -> tuple[Sequences, Callable[[np.ndarray], Any]]:
    """Logits as Sequences, and what gives an array like its values the form of logits.

    float32 and float64 stay what they are; NaN and infinities are let through.
    """
    if isinstance(logits, Sequences | list | tuple):
        if lengths is not None:
            raise ValueError(
                "lengths: expected None, since only a padded array has lengths of its "
                f"own, got {type(lengths).__name__}"
            )
        if isinstance(logits, Sequences):
            sequences = logits
        else:
            sequences = Sequences(*door.pack(logits, None, "logits"))
        check_samples(sequences)
        return sequences, sequences.with_values
    array = door.real_array(logits, "logits")
    if array.ndim != 3:
        raise ValueError(
            "logits: expected Sequences, a list of arrays (frames, classes) or a padded"
            f" array (samples, frames, classes), got shape {array.shape}"
        )
    sequences = Sequences.from_padded(array, lengths)
    check_samples(sequences)

    def restore(values):
        if len(values) == array.shape[0] * array.shape[1]:
            return values.reshape(*array.shape[:2], values.shape[1])
        padded = np.zeros((*array.shape[:2], values.shape[1]), values.dtype)
        padded[np.arange(array.shape[1]) < sequences.lengths[:, None]] = values
        return padded

    return sequences, restore


def check_samples(sequences: Sequences) -> None:
    """Raise if there is no sample."""
    if not len(sequences):
        raise ValueError("logits: expected at least 1 sample, got an empty batch")


def read_labels(
    labels: Any, n: int, n_classes: int, blank: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of n samples as flat int32, and offsets (n + 1,) intp."""
    if not isinstance(blank, int | np.integer) or not 0 <= blank < n_classes:
        raise ValueError(
            f"blank: expected a class from 0 to {n_classes - 1}, got {blank!r}"
        )
    if not hasattr(labels, "__len__") or isinstance(labels, str | bytes | dict):
        raise TypeError(
            f"labels: expected a list of integer sequences, got {type(labels).__name__}"
        )
    if len(labels) != n:
        raise ValueError(
            f"labels: expected {n} sequences, one for each sample of logits, "
            f"got {len(labels)}"
        )
    items = [np.asarray(item) for item in labels]
    for k, item in enumerate(items):
        if item.ndim != 1 or (item.dtype.kind not in "iu" and item.size):
            raise TypeError(
                f"labels: sample {k}: expected a sequence of integers, "
                f"got {item.dtype} of shape {item.shape}"
            )
    offsets = door.offsets_of([len(item) for item in items])
    flat = np.concatenate(items, dtype=np.int64, casting="unsafe")
    wrong = (flat < 0) | (flat >= n_classes) | (flat == blank)
    if wrong.any():
        first = int(wrong.argmax())
        k = int(np.searchsorted(offsets, first, side="right")) - 1
        raise ValueError(
            f"labels: sample {k}, label {first - offsets[k]}: expected a class from 0 "
            f"to {n_classes - 1} other than the blank {blank}, got {flat[first]}"
        )
    return flat.astype(np.int32), offsets


def count_needed(flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Frames that labels need: one each, and a blank between equal neighbours."""
    repeats = np.zeros(len(flat) + 1, np.intp)
    np.cumsum(flat[1:] == flat[:-1], out=repeats[2:])
    repeats[1:2] = 0
    # The pair across the border of two samples is nobody's.
    inner = np.minimum(offsets[:-1] + 1, offsets[1:])
    return np.diff(offsets) + repeats[offsets[1:]] - repeats[inner]


def list_infeasible(sequences: Sequences, needed: np.ndarray, which: np.ndarray) -> str:
    """The error for samples whose labels cannot be."""
    lines = [
        f"sample {k}: {frames} frames, {wanted} needed"
        + ", but -inf rules the labels out" * bool(frames >= wanted)
        for k, frames, wanted in zip(
            np.flatnonzero(which), sequences.lengths[which], needed[which], strict=True
        )
    ]
    return (
        'labels: expected such as their frames can carry (on_infeasible="skip" leaves '
        f"others out), got {len(lines)} that cannot be: " + "; ".join(lines)
    )


def check_logits(sequences: Sequences, *, finite: bool = False) -> None:
    """Raise ValueError that names the first logit that CTC cannot take.

    NaN and inf are wrong, and frames of -inf alone; with `finite`, -inf anywhere.
    """
    values, offsets = sequences.values, sequences.offsets
    wrong = np.isnan(values) | (values == np.inf) | (finite & (values == -np.inf))
    if not finite:
        wrong[:, 0] |= (values == -np.inf).all(axis=1)
    if not wrong.any():
        return
    row, k = np.unravel_index(wrong.argmax(), wrong.shape)
    sample = int(np.searchsorted(offsets, row, side="right")) - 1
    rule = "a finite number" if finite else "a number, or -inf in some of the classes"
    raise ValueError(
        f"logits: sample {sample}, frame {row - offsets[sample]}, class {k}: "
        f"expected {rule}, got {values[row, k]}"
    )
