"""Losses: what a fit minimises, its gradient, and the score that goes with it.

Every loss takes logits (n, outputs), targets and sample weights (n,), and returns
the mean over the n samples of weight times loss with its gradient by the logits.
The arithmetic is float64; the gradient comes back in the type of the logits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


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
    n, n_classes = logits.shape
    right = np.arange(0, n * n_classes, n_classes) + target  # in the flat array
    d = logits.astype(np.float64)
    d -= d.max(axis=1, keepdims=True)
    own = d.ravel()[right]
    np.exp(d, out=d)
    total = d.sum(axis=1, keepdims=True)
    scale = weight / n
    loss = float(scale @ (np.log(total).ravel() - own))
    d *= scale[:, None] / total
    d.ravel()[right] = 0
    d.ravel()[right] = -d.sum(axis=1)  # p - 1 without cancellation
    return loss, d.astype(logits.dtype)


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
