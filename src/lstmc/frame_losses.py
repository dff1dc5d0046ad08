"""Losses of forecast frames: the mean over the pixels of each sequence, and its score.

Logits and targets are Sequences of flattened frames, equally long.
"""

import numpy as np

from .losses import Loss


def _scale(logits, weight):
    """The weight of a pixel of each frame, (frames, 1)."""
    pixels = np.maximum(1, logits.lengths) * logits.n_features * len(logits)
    return np.repeat(weight / pixels, logits.lengths)[:, None]


def squared(logits, target, weight):
    """Half the squared error, and its gradient at the logits.

    Examples
    --------
    >>> from lstmc import Sequences
    >>> logits = Sequences.from_flat([[1.0, 3.0]], [1])
    >>> loss, d = squared(logits, logits.with_values(logits.values * 0), np.ones(1))
    >>> loss, d.tolist()
    (2.5, [[0.5, 1.5]])
    """
    error = logits.values - target.values.astype(np.float64)
    scale = _scale(logits, weight)
    loss = 0.5 * float((scale * error**2).sum())
    return loss, (scale * error).astype(logits.dtype)


def cross_entropy(logits, target, weight):
    """Logistic cross-entropy of pixels in 0 to 1, and its gradient at the logits."""
    z = logits.values.astype(np.float64)
    scale = _scale(logits, weight)
    loss = float((scale * (np.logaddexp(0, z) - target.values * z)).sum())
    d = scale * (np.exp(-np.logaddexp(0, -z)) - target.values)
    return loss, d.astype(logits.dtype)


def _r2(predicted, target, weight):
    """Weighted share of the variance of all pixels that forecasts explain."""
    scale = _scale(target, weight)
    true = target.values.astype(np.float64)
    mean = (scale * true).sum() / (scale.sum() * target.n_features)
    residual = (scale * (true - predicted) ** 2).sum()
    spread = (scale * (true - mean) ** 2).sum()
    return float(1 - residual / spread) if spread else float(residual == 0)


def squared_score(logits, target, weight):
    """R squared of all pixels."""
    return _r2(logits.values.astype(np.float64), target, weight)


def cross_entropy_score(logits, target, weight):
    """The same of the probabilities."""
    z = logits.values.astype(np.float64)
    return _r2(np.exp(-np.logaddexp(0, -z)), target, weight)


FRAME_LOSSES = {
    "squared": Loss(squared, squared_score),
    "cross_entropy": Loss(cross_entropy, cross_entropy_score),
}
