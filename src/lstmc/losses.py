"""Losses: what a fit minimises, its gradient, and the score that goes with it.

Every loss takes logits (n, outputs), targets and sample weights (n,), and returns
the mean over the n samples of weight times loss with its gradient by the logits.
The arithmetic is float64; the gradient comes back in the type of the logits. Logits of
each step come as Sequences, those of levels as a list of them.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from . import _core
from .labels import Labels, best_labels
from .metrics import label_edits


def cross_entropy(logits, target, weight):
    """Softmax cross-entropy for integer targets.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
        Unnormalised log-probabilities.
    target : ndarray of int, shape (n,)
        Index of the right class.
    weight : ndarray of shape (n,)
        Weight of each sample.

    Returns
    -------
    loss : float
        ``mean(weight * -log softmax(logits)[target])``.
    d_logits : ndarray of shape (n, n_classes)
        Its gradient, in the type of ``logits``.

    Examples
    --------
    >>> import numpy as np
    >>> loss, d = cross_entropy(np.zeros((1, 2)), np.array([0]), np.ones(1))
    >>> round(loss, 4), d.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    d = np.empty_like(logits, order="C")
    loss = _core.softmax_loss(
        np.ascontiguousarray(logits), np.ascontiguousarray(target, np.intp),
        np.ascontiguousarray(weight, np.float64), np.empty(logits.shape[1]), d,
    )  # fmt: skip
    return loss, d


def binary_cross_entropy(logits, target, weight):
    """Logistic cross-entropy for 0/1 targets, summed over independent outputs.

    Parameters
    ----------
    logits : ndarray of shape (n, n_outputs)
        Log-odds; one column for two classes, one per label otherwise.
    target : ndarray of shape (n, n_outputs)
        Zeros and ones.
    weight : ndarray of shape (n,)
        Weight of each sample.

    Returns
    -------
    loss : float
        ``mean(weight * sum(-log likelihood of the targets))``.
    d_logits : ndarray of shape (n, n_outputs)
        Its gradient, in the type of ``logits``.

    Examples
    --------
    >>> import numpy as np
    >>> loss, d = binary_cross_entropy(np.zeros((1, 1)), np.ones((1, 1)), np.ones(1))
    >>> round(loss, 4), d.tolist()
    (0.6931, [[-0.5]])
    """
    sign = 1.0 - 2.0 * target
    wrong = sign * logits  # log-odds of the wrong answer, so nothing cancels
    losses = np.logaddexp(0, wrong)
    scale = (weight / len(logits))[:, None]
    d = sign * np.exp(wrong - losses) * scale
    return float((scale * losses).sum()), d.astype(logits.dtype)


def squared_error(logits, target, weight):
    """Half the squared error, averaged over outputs.

    Parameters
    ----------
    logits : ndarray of shape (n, n_outputs)
        Predictions.
    target : ndarray of shape (n, n_outputs)
        True values.
    weight : ndarray of shape (n,)
        Weight of each sample.

    Returns
    -------
    loss : float
        ``mean(weight * mean((logits - target)**2) / 2)``.
    d_logits : ndarray of shape (n, n_outputs)
        Its gradient, in the type of ``logits``.

    Examples
    --------
    >>> import numpy as np
    >>> loss, d = squared_error(np.full((1, 1), 3.0), np.ones((1, 1)), np.ones(1))
    >>> loss, d.tolist()
    (2.0, [[2.0]])
    """
    error = logits - target.astype(np.float64)
    scale = (weight / error.size)[:, None]
    d = scale * error
    return float(0.5 * (d * error).sum()), d.astype(logits.dtype)


def ctc(logits, target, weight, *, smoothing=0.0, threads=0):
    """Connectionist temporal classification, summed over levels; see `lstmc.ctc.loss`.

    Parameters
    ----------
    logits : Sequences, or list of Sequences
        Logits of the blank, which is class 0, and the labels, at each step.
    target : Labels
        The labels of each level.
    weight : ndarray of shape (n,)
        Weight of each sample. One that is too short for its labels counts as none.
    smoothing : float, default=0.0
        Share of the loss that wants all classes alike.
    threads : int, default=0
        Number of threads; 0 leaves the choice to the library.

    Returns
    -------
    loss : float
        ``mean(weight * -log p(labels))``; NaN if a logit is not finite.
    d_logits : ndarray of shape (sum T, n_classes), or list of them
        Its gradient, in the type of ``logits``.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import Sequences
    >>> from lstmc.labels import Labels
    >>> logits = Sequences.from_flat(np.zeros((2, 2)), [2])  # "-a", "a-" and "aa"
    >>> loss, d = ctc(logits, Labels.from_lists([[1]]), np.ones(1))
    >>> round(float(np.exp(-loss)), 4)
    0.75
    """
    if isinstance(logits, list):
        found = [
            ctc(level, Labels(pair), weight, smoothing=smoothing, threads=threads)
            for level, pair in zip(logits, target.levels)
        ]
        return sum(loss for loss, _ in found), [d for _, d in found]
    scale = np.ascontiguousarray(weight / len(logits), np.float64)
    losses, d = np.empty(len(logits)), np.zeros_like(logits.values)
    [(flat, offsets)] = target.levels
    finite = _core.ctc_loss(
        logits.values, logits.offsets, flat, offsets, 0, smoothing, scale, losses, d,
        threads,
    )  # fmt: skip
    losses[np.isinf(losses)] = 0
    return float(scale @ losses) if finite else np.nan, d


def label_accuracy(logits, target, weight):
    """1 less the weighted label error rate of the likeliest paths, at the top level."""
    top = logits[-1] if isinstance(logits, list) else logits
    predicted, _ = best_labels(top)
    return 1.0 - label_edits(Labels(target.levels[-1]), predicted).rate(weight)


def accuracy(logits, target, weight):
    """Weighted share of samples whose largest logit is the target's."""
    return float(np.average(logits.argmax(axis=1) == target, weights=weight))


def subset_accuracy(logits, target, weight):
    """Weighted share of samples with every label right."""
    return float(np.average(((logits > 0) == target).all(axis=1), weights=weight))


def r2(logits, target, weight):
    """Weighted R squared, averaged over outputs; 1 or 0 for a constant target."""
    residual = np.average((target - logits.astype(np.float64)) ** 2, 0, weight)
    spread = np.average((target - np.average(target, 0, weight)) ** 2, 0, weight)
    constant = spread == 0
    ratio = residual / np.where(constant, 1, spread)
    return float(np.where(constant, residual == 0, 1 - ratio).mean())


class Loss(NamedTuple):
    """A loss with its gradient, and the score by which early stopping judges."""

    gradient: Callable
    score: Callable


LOSSES = {
    "cross_entropy": Loss(cross_entropy, accuracy),
    "binary_cross_entropy": Loss(binary_cross_entropy, subset_accuracy),
    "squared_error": Loss(squared_error, r2),
}


def make_ctc(smoothing, threads):
    """`ctc` with its options, which a fit knows."""
    return Loss(partial(ctc, smoothing=smoothing, threads=threads), label_accuracy)
