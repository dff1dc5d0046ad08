"""Solvers: steps along one flat gradient, and how long each step is."""

import math

import numpy as np

from . import _core


class Adam:
    """Adam of Kingma and Ba [1]_ over one flat buffer of weights.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,)
        The buffer that `step` will update; gives the size and type of the moments.
    beta_1, beta_2 : float
        Decay of the first and second moment.
    epsilon : float
        Added to the root of the second moment.

    References
    ----------
    .. [1] Kingma, Ba: Adam: A method for stochastic optimization. ICLR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(16)
    >>> adam = Adam(w, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    >>> adam.step(w, np.ones(16), learning_rate=0.5)
    >>> round(float(w[0]), 4)
    -0.5
    """

    def __init__(self, weights, *, beta_1, beta_2, epsilon):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m = np.zeros_like(weights)
        self.v = np.zeros_like(weights)
        self.steps = 0

    def step(self, weights, gradient, *, learning_rate, scale=1.0):
        """Move ``weights`` in place against ``scale * gradient``."""
        self.steps += 1
        _core.adam_step(
            weights, gradient, self.m, self.v, scale=scale,
            learning_rate=learning_rate, beta_1=self.beta_1, beta_2=self.beta_2,
            epsilon=self.epsilon, step=self.steps,
        )  # fmt: skip


class SGD:
    """Stochastic gradient descent with momentum, plain or Nesterov's.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,)
        The buffer that `step` will update; gives the velocity's size and type.
    momentum : float
        Share of the velocity kept from step to step.
    nesterov : bool
        Whether to look ahead along the velocity.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(16)
    >>> SGD(w, momentum=0.0, nesterov=False).step(w, np.ones(16), learning_rate=0.5)
    >>> float(w[0])
    -0.5
    """

    def __init__(self, weights, *, momentum, nesterov):
        self.momentum, self.nesterov = momentum, nesterov
        self.velocity = np.zeros_like(weights)

    def step(self, weights, gradient, *, learning_rate, scale=1.0):
        """Move ``weights`` in place against ``scale * gradient``."""
        _core.sgd_step(
            weights, gradient, self.velocity, scale=scale,
            learning_rate=learning_rate, momentum=self.momentum,
            nesterov=self.nesterov,
        )  # fmt: skip


class Schedule:
    """Learning rate over the epochs, under MLPClassifier's names.

    Parameters
    ----------
    kind : {"constant", "invscaling", "adaptive", "plateau"}
        "constant" never changes. "invscaling" is ``initial / (t + 1) ** power_t``
        after each epoch, ``t`` the samples trained on. "adaptive" divides by 5 on
        each plateau until 1e-6. "plateau" is Keras' ReduceLROnPlateau: it multiplies by
        ``factor`` each time that ``patience`` epochs in a row did not better the loss
        by 1e-4, down to ``lowest``.
    initial : float
        Learning rate of the first epoch.
    power_t : float
        Exponent of "invscaling".
    factor, patience, lowest : float, int, float
        Of "plateau".

    Examples
    --------
    >>> schedule = Schedule("adaptive", 0.1, 0.5)
    >>> schedule.stops_at_plateau(), schedule.learning_rate
    (False, 0.02)
    """

    SMALLEST = 1e-6  # as in MLPClassifier
    BETTER = 1e-4  # of the loss, as in Keras

    def __init__(self, kind, initial, power_t, *, factor=0.5, patience=10, lowest=0.0):
        self.kind, self.initial, self.power_t = kind, initial, power_t
        self.factor, self.patience, self.lowest = factor, patience, lowest
        self.learning_rate = initial
        self.best, self.idle = math.inf, 0

    def end_epoch(self, samples, loss=math.inf):
        """Take note of ``samples`` trained on so far, and of the epoch's loss."""
        if self.kind == "invscaling":
            self.learning_rate = self.initial / (samples + 1) ** self.power_t
        if self.kind == "plateau":
            self._watch(loss)

    def _watch(self, loss):
        if loss < self.best - self.BETTER:
            self.best, self.idle = loss, 0
            return
        self.idle += 1
        if self.idle >= self.patience:
            lower = max(self.lowest, self.learning_rate * self.factor)
            self.learning_rate = min(self.learning_rate, lower)
            self.idle = 0

    def stops_at_plateau(self):
        """Answer a plateau: True to stop, False after lowering the rate."""
        if self.kind != "adaptive" or self.learning_rate <= self.SMALLEST:
            return True
        self.learning_rate /= 5
        return False


def gradient_norm(gradient):
    """Euclidean norm of a flat gradient, summed in one fixed order in float64."""
    return math.sqrt(_core.squared_norm(gradient))


def clip_scale(norm, max_norm):
    """Factor that brings a gradient of ``norm`` down to ``max_norm`` (None: never)."""
    return 1.0 if max_norm is None or norm <= max_norm else max_norm / norm
