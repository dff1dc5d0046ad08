"""Rounds: a transcriber is fitted on new samples in each, at the rate of the round."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning


def fit_rounds(estimator, draw, rates, rng, *, epochs=2, noise=0.0, after=None):
    """Fit in rounds, each from the weights of the one before with a fresh solver.

    Parameters
    ----------
    estimator : LSTMTranscriber
    draw : callable
        ``draw(rng)`` returns new X, a list of arrays, and new y.
    rates : sequence of float
        Learning rate of each round.
    rng : numpy.random.Generator
    epochs : int, default=2
        Of each round.
    noise : float, default=0.0
        Deviation of what is added to X.
    after : callable, default=None
        Called with the number of each round, from 1, once it is over.
    """
    estimator.set_params(warm_start=True, max_iter=epochs)
    for k, rate in enumerate(rates, 1):
        X, y = draw(rng)
        X = [x + noise * rng.standard_normal(x.shape) for x in X] if noise else X
        estimator.set_params(learning_rate_init=rate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # that is the plan
            estimator.fit([x.astype(np.float32, copy=False) for x in X], y)
        if after is not None:
            after(k)
    return estimator
