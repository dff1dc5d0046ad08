"""CTC's loss with its gradient, over samples of any lengths."""

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

REDUCTIONS = ("none", "sum", "mean")


class CTCLoss(NamedTuple):
    """What `loss` returns.

    Attributes
    ----------
    loss : float, or ndarray of shape (n,)
        The loss; of each sample with ``reduction="none"``.
    gradient : Sequences, ndarray or None
        Its gradient with respect to the logits, in their form and dtype.
    skipped : ndarray of int
        Samples that do not count, since their labels cannot be.

    Examples
    --------
    >>> import lstmc.ctc
    >>> lstmc.ctc.CTCLoss._fields
    ('loss', 'gradient', 'skipped')
    """

    loss: Any
    gradient: Any
    skipped: np.ndarray


def loss(
    logits: Any,
    labels: Any,
    *,
    blank: int = 0,
    reduction: str = "mean",
    lengths: Any = None,
    on_infeasible: str = "raise",
    sample_weight: Any = None,
    label_weight: Any = None,
    label_smoothing: float = 0.0,
    gradient: bool = True,
    threads: int = 0,
) -> CTCLoss:
    """Loss and gradient of connectionist temporal classification.

    The loss of a sample is ``-log p``, where p is the probability of all alignments of
    its labels with its frames: a label at one or more frames, blanks between labels
    anywhere, and at least one blank between two equal labels. The softmax is inside.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        Scores of C classes at each frame, float32 or float64. -inf says that a class
        cannot be; NaN, inf and frames of -inf alone are errors.
    labels : list of n sequences of int
        Classes from 0 to C - 1 other than the blank. A sequence may be empty.
    blank : int, default=0
        The class that is no label.
    reduction : {"mean", "sum", "none"}, default="mean"
        "mean": over the samples that count, by their `sample_weight`; "none": the loss
        of each sample, 0 for the skipped, with the gradient of their sum.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array; None: all.
    on_infeasible : {"raise", "skip"}, default="raise"
        What to do with samples whose labels cannot be: fewer frames than labels and
        equal neighbours together, or labels that logits of -inf rule out. "skip" leaves
        them out of the loss; their gradient is exactly 0.
    sample_weight : array-like of shape (n,), default=None
        Factors of the losses.
    label_weight : array-like of shape (C,), default=None
        A sample's loss is also multiplied by the mean weight of its labels.
    label_smoothing : float, default=0.0
        Share e of 0 <= e < 1: the loss is ``(1 - e) ctc + e s``, where s is the mean
        over the classes of ``-log softmax``, summed over the frames.
    gradient : bool, default=True
        Whether the gradient is wanted.
    threads : int, default=0
        0: the default of `set_num_threads`. Results do not depend on it.

    Returns
    -------
    CTCLoss
        ``(loss, gradient, skipped)``.

    Raises
    ------
    ValueError
        For samples whose labels cannot be, all listed; for wrong labels or logits,
        named by sample and place.
    TypeError
        If logits or labels hold no numbers.

    Notes
    -----
    Sums over alignments are in float64 numbers with an exponent of their own, so that
    nothing underflows for any length or score; a logit more than 7e14 below the
    softmax's norm counts as that far below. Memory beyond the gradient grows like the
    square root of the frames times the labels. Rows of the gradient sum to zero but for
    roundings of probabilities in the dtype.

    References
    ----------
    Graves, Fernandez, Gomez, Schmidhuber: Connectionist temporal classification.
    ICML 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import lstmc.ctc
    >>> logits = [np.zeros((3, 2)), np.zeros((2, 2))]
    >>> out = lstmc.ctc.loss(logits, [[1], []], reduction="none")
    >>> np.exp(-out.loss).round(3).tolist()  # 6 of 8 alignments, 1 of 4
    [0.75, 0.25]
    >>> out.gradient[1].tolist()
    [[-0.5, 0.5], [-0.5, 0.5]]
    """
    check_options(reduction, on_infeasible, label_smoothing)
    sequences, restore = read_logits(logits, lengths)
    n, classes = len(sequences), sequences.n_features
    flat, offsets = read_labels(labels, n, classes, blank)
    own = read_weights("sample_weight", sample_weight, n)
    factor = own * label_factors(label_weight, classes, flat, offsets)
    if label_smoothing > 0:
        check_logits(sequences, finite=True)
    needed = count_needed(flat, offsets)
    counted = sequences.lengths >= needed
    if not counted.all() and on_infeasible == "raise":
        raise ValueError(list_infeasible(sequences, needed, ~counted))

    scale = scale_of(reduction, own, counted)
    losses = np.empty(n)
    d = np.empty_like(sequences.values) if gradient else None
    finite = _core.ctc_loss(
        sequences.values, sequences.offsets, flat, offsets, int(blank),
        label_smoothing, factor * scale, losses, d, threads,
    )  # fmt: skip
    if not finite:
        check_logits(sequences)
    feasible = np.isfinite(losses)
    if (feasible != counted).any():
        if on_infeasible == "raise":
            raise ValueError(list_infeasible(sequences, needed, ~feasible))
        fewer = scale_of(reduction, own, feasible)
        if d is not None and fewer != scale:
            d *= fewer / scale
        scale = fewer
    losses[~feasible] = 0
    losses *= factor * scale
    return CTCLoss(
        losses if reduction == "none" else float(losses.sum()),
        None if d is None else restore(d),
        np.flatnonzero(~feasible),
    )


def check_options(reduction: str, on_infeasible: str, smoothing: float) -> None:
    """Raise ValueError for a value that is none."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f'reduction: expected "mean", "sum" or "none", got {reduction!r}'
        )
    if on_infeasible not in ("raise", "skip"):
        raise ValueError(
            f'on_infeasible: expected "raise" or "skip", got {on_infeasible!r}'
        )
    if not 0 <= smoothing < 1:
        raise ValueError(f"label_smoothing: expected 0 <= share < 1, got {smoothing!r}")


def read_weights(name: str, weights: Any, n: int) -> np.ndarray:
    """Weights as float64, shape (n,), each finite and at least 0; ones for None."""
    if weights is None:
        return np.ones(n)
    array = np.asarray(weights, np.float64)
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), got {array.shape}")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(
            f"{name}: entry {k}: expected a finite number of at least 0, got {array[k]}"
        )
    return array


def label_factors(
    weights: Any, classes: int, flat: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """The mean weight of the labels of each sample; 1 without labels."""
    if weights is None:
        return np.ones(len(offsets) - 1)
    each = read_weights("label_weight", weights, classes)[flat]
    counts = np.diff(offsets)
    sums = np.bincount(np.repeat(np.arange(len(counts)), counts), each, len(counts))
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)


def scale_of(reduction: str, weights: np.ndarray, counted: np.ndarray) -> float:
    """What the weighted losses are multiplied by; 0 where no sample counts."""
    if reduction != "mean":
        return 1.0
    total = weights[counted].sum()
    return 1 / total if total > 0 else 0.0
