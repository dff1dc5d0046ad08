"""BatchNorm: channels brought to mean 0 and variance 1, over all steps of a batch."""

from __future__ import annotations

import math

import numpy as np

from .. import _core
from .layer import aligned, checked_dtype, fresh
from .steps import StepLayer

ACTIVATIONS = ("identity", "relu")


class BatchNorm(StepLayer):
    """Batch normalization [1]_ of the features, with ReLU behind it if wanted.

    In training (`forward`) mean and variance are those of all steps of all sequences of
    the batch, each step counted once, whatever the lengths: there is no padding that
    they could see. Outside training they are running averages of these, and a sequence
    has the same result in any company.

    Parameters
    ----------
    input_size : int
        Features of a step.
    activation : {"identity", "relu"}, default="identity"
        What follows, in the same sweep over memory.
    momentum : float, default=0.99
        Share of the running averages that a batch leaves, in [0, 1), once there were
        ``1 / (1 - momentum)`` batches; before, they are the plain means over all
        batches. So they start without the bias towards 0 and 1 that Keras' have.
    epsilon : float, default=1e-3
        Added to the variance, as in Keras.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.

    Attributes
    ----------
    output_size : int
        Features of an output step: input_size.
    parameters : dict of str to ndarray
        By PyTorch's names: ``weight``, ``bias``, ``running_mean``, ``running_var``
        (input_size,) and ``num_batches_tracked`` (1,). The last three are no weights:
        their gradients are zero, and `forward` moves them.

    References
    ----------
    .. [1] Ioffe, Szegedy: Batch Normalization: Accelerating Deep Network Training by
       Reducing Internal Covariate Shift. ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import BatchNorm
    >>> norm = BatchNorm(2, dtype="float64")
    >>> Y, tape = norm.forward([np.array([[1.0, 0.0], [3.0, 0.0]]), np.ones((1, 2))])
    >>> [y[:, 0].round(2).tolist() for y in Y]
    [[-0.71, 1.41], [-0.71]]
    """

    about = {
        "name": "batch_norm",
        "title": "Batch normalization over all steps of a batch",
        "equations": (
            "m, v = mean, variance of x over the steps of all sequences\n"
            "y = w (x - m) / sqrt(v + epsilon) + b"
        ),
        "source": "Ioffe, Szegedy: Batch Normalization. ICML 2015.",
    }

    def __init__(
        self, input_size, *, activation="identity", momentum=0.99, epsilon=1e-3,
        dtype="float32",
    ):  # fmt: skip
        if input_size < 1:
            raise ValueError(f"input_size: expected at least 1, got {input_size}")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation: expected one of {ACTIVATIONS}, got {activation!r}"
            )
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum: expected 0 <= momentum < 1, got {momentum}")
        if not 0 < epsilon < math.inf:
            raise ValueError(f"epsilon: expected 0 < epsilon < inf, got {epsilon}")
        self.input_size = self.output_size = int(input_size)
        self.activation = activation
        self.momentum, self.epsilon = float(momentum), float(epsilon)
        self.dtype = checked_dtype(dtype)
        names = ("weight", "bias", "running_mean", "running_var")
        self.shapes = dict.fromkeys(names, (self.input_size,))
        self.shapes["num_batches_tracked"] = (1,)
        self.n_weights = 4 * self.input_size + 1
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        for name in ("weight", "running_var"):
            self._part(name)[:] = 1

    def _part(self, name):
        """View of a parameter."""
        first = [*self.shapes].index(name) * self.input_size
        return self.weights[first : first + self.shapes[name][0]]

    @property
    def penalised(self):
        """Nothing: a scale in front of the next layer's weights is no complexity."""
        return []

    def _read(self):
        return {name: self._part(name).copy() for name in self.shapes}

    def _write(self, parameters):
        for name in ("running_var", "num_batches_tracked"):
            if (parameters[name] < 0).any():
                raise ValueError(
                    f"{name}: expected at least 0, got {parameters[name].min()}"
                )
        for name, array in parameters.items():
            self._part(name)[:] = array

    def _affine(self, mean, variance):
        """Mean, scale and bias as the kernels want them, and 1 / (v + epsilon)."""
        precision = 1 / (variance + self.epsilon)
        scale = self._part("weight") * np.sqrt(precision)
        bias = np.ascontiguousarray(self._part("bias"))
        return mean.astype(self.dtype), scale.astype(self.dtype), bias, precision

    def apply(self, x, *, threads=0):
        """Return the outputs of Sequences with the running averages; see the class."""
        mean = self._part("running_mean").astype(np.float64)
        variance = self._part("running_var").astype(np.float64)
        return self._normalize(x, self._affine(mean, variance), threads)

    def record(self, x, *, threads=0):
        """Return the outputs with the batch's own moments, and a tape for `pull`.

        The running averages move.
        """
        mean, variance = np.empty((2, self.input_size))
        _core.moments(x.values, mean, variance, threads)
        self._track(mean, variance, len(x.values))
        affine = self._affine(mean, variance)
        return self._normalize(x, affine, threads), (x.values, affine)

    def _normalize(self, x, affine, threads):
        mean, scale, bias, _ = affine
        y = fresh(x.values.shape, self.dtype)
        relu = self.activation == "relu"
        _core.batch_normalize(x.values, mean, scale, bias, relu, y, threads)
        return y

    def _track(self, mean, variance, rows):
        """Move the running averages; the variance loses its bias, as in PyTorch."""
        if not rows:
            return
        count = self._part("num_batches_tracked")
        keep = min(self.momentum, float(count[0] / (count[0] + 1)))
        count += 1
        unbiased = variance * (rows / max(1, rows - 1))
        for name, new in (("running_mean", mean), ("running_var", unbiased)):
            part = self._part(name)
            part[:] = keep * part + (1 - keep) * new

    def pull(self, tape, dy, gradient, *, input_gradient=True, into=None, threads=0):
        """Overwrite ``gradient`` with that of the weights; return ``dx`` or None.

        Parameters
        ----------
        tape : tuple
            What `record` returned.
        dy : ndarray of shape (sum T, input_size)
            Gradient of the loss with respect to the outputs.
        gradient : ndarray of shape (n_weights,)
            Overwritten, laid out like ``weights``.
        input_gradient : bool, default=True
            Whether ``dx`` is wanted.
        into : ndarray of shape (sum T, input_size), default=None
            Where to write ``dx``; may be ``dy``.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        x, (mean, scale, bias, precision) = tape
        n = self.input_size
        d_scale, d_bias = np.empty((2, n))
        dx = None
        if input_gradient:
            dx = fresh(dy.shape, dy.dtype) if into is None else into
        relu = self.activation == "relu"
        _core.batch_normalize_back(
            x, mean, scale, bias, relu, precision, dy, dx, d_scale, d_bias, threads
        )
        gradient[:n] = d_scale * np.sqrt(precision)
        gradient[n : 2 * n] = d_bias
        gradient[2 * n :] = 0
        return dx
