"""Dense: the affine map that turns features into logits."""

import math

import numpy as np

from .. import _core
from .layer import Layer, aligned, checked_dtype, fresh


class Dense(Layer):
    """Affine map ``y = x W' + b`` over the rows of ``x``.

    Weights are drawn from the uniform distribution of Glorot and Bengio [1]_,
    biases start at zero. Each output is summed in one fixed order, so a row's
    result depends neither on the other rows nor on the number of threads.

    Parameters
    ----------
    input_size, output_size : int
        Lengths of the rows of ``x`` and of ``y``.
    dtype : {"float32", "float64"}, default="float32"
        Type of the weights and of everything computed.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    References
    ----------
    .. [1] Glorot, Bengio: Understanding the difficulty of training deep
       feedforward neural networks. AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Dense
    >>> dense = Dense(3, 2, random_state=0)
    >>> dense.apply(np.zeros((4, 3), np.float32)).shape
    (4, 2)
    """

    def __init__(self, input_size, output_size, *, dtype="float32", random_state=None):
        self.input_size = input_size
        self.output_size = output_size
        self.dtype = checked_dtype(dtype)
        self.shapes = {"weight": (output_size, input_size), "bias": (output_size,)}
        self.n_weights = output_size * (input_size + 1)
        self.weights = aligned(self.n_weights, self.dtype)
        bound = math.sqrt(6 / (input_size + output_size))
        rng = np.random.default_rng(random_state)
        self.weight[:] = rng.uniform(-bound, bound, self.weight.shape)
        self.bias[:] = 0

    def _parts(self, flat):
        """Views (output_size, input_size) and (output_size,) of a flat array."""
        end = self.output_size * self.input_size
        return flat[:end].reshape(self.output_size, self.input_size), flat[end:]

    @property
    def weight(self):
        """View of the weights, (output_size, input_size)."""
        return self._parts(self.weights)[0]

    @property
    def bias(self):
        """View of the biases, (output_size,)."""
        return self._parts(self.weights)[1]

    @property
    def penalised(self):
        """Parts of ``weights`` that an L2 penalty touches: all but the biases."""
        return [slice(0, self.output_size * self.input_size)]

    def _read(self):
        return {"weight": self.weight.copy(), "bias": self.bias.copy()}

    def _write(self, parameters):
        self.weight[:] = parameters["weight"]
        self.bias[:] = parameters["bias"]

    def apply(self, x, *, threads=0):
        """Return the outputs (n, output_size) of the rows ``x`` (n, input_size)."""
        weight, bias = self._parts(self.weights)
        return product(x, weight, bias, threads)

    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""
        return self.apply(x, threads=threads), x

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient`` with that of the weights; return ``dx`` or None.

        Parameters
        ----------
        tape : ndarray of shape (n, input_size)
            What `record` returned.
        dy : ndarray of shape (n, output_size)
            Gradient of the loss with respect to the outputs.
        gradient : ndarray of shape (n_weights,)
            Overwritten, laid out like ``weights``.
        input_gradient : bool, default=True
            Whether ``dx`` is wanted.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        x, dy = np.ascontiguousarray(tape), np.ascontiguousarray(dy)
        dx = fresh(x.shape, self.dtype) if input_gradient else None
        dweight, dbias = self._parts(gradient)
        _core.dense_backward(x, self.weight, dy, dx, dweight, dbias, threads)
        return dx


def product(x, weight, bias, threads=0):
    """Return ``x weight' + bias``, every sum in one fixed order."""
    out = fresh((len(x), len(weight)), x.dtype)  # (n, output_size)
    if x.shape[1] == 0:  # sums over no steps at all
        out[:] = bias
        return out
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    _core.dense(x, weight, bias, out, threads)
    return out
