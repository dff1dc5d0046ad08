"""Global average pooling: the mean over a sequence's own steps."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..sequences import as_sequences
from .forms import in_form_of
from .layer import Layer, aligned, checked_dtype, fresh


class GlobalAveragePooling(Layer):
    """From sequences (T_i, input_size) to their means over the steps [1]_.

    Every sequence has the mean over its own T_i steps, and zeros if it has none: there
    is no padding to be averaged in.

    Parameters
    ----------
    input_size : int
        Features of a step.
    dtype : {"float32", "float64"}, default="float32"
        Type of the arithmetic.

    References
    ----------
    .. [1] Lin, Chen, Yan: Network in Network. ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import GlobalAveragePooling
    >>> pooling = GlobalAveragePooling(1)
    >>> pooling([np.array([[1.0], [2.0]]), np.array([[5.0]])]).tolist()
    [[1.5], [5.0]]
    """

    about = {
        "name": "global_average_pooling",
        "title": "Mean over the steps of a sequence",
        "equations": "y = (x_1 + ... + x_T) / T",
        "source": "Lin, Chen, Yan: Network in Network. ICLR 2014.",
    }

    def __init__(self, input_size, *, dtype="float32"):
        if input_size < 1:
            raise ValueError(f"input_size: expected at least 1, got {input_size}")
        self.input_size = self.output_size = int(input_size)
        self.dtype = checked_dtype(dtype)
        self.shapes, self.n_weights = {}, 0
        self.weights = aligned(0, self.dtype)

    @property
    def penalised(self):
        """Nothing: there are no weights."""
        return []

    def _read(self):
        return {}

    def _write(self, parameters):
        pass

    def __call__(self, X, *, threads=0):
        """Return the means (n, input_size) of the sequences of X.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.
        """
        return self.apply(self._sequences(X), threads=threads)

    def forward(self, X, *, threads=0):
        """Return as a call, and a tape for `backward`."""
        x = self._sequences(X)
        y, tape = self.record(x, threads=threads)
        return y, (X, x, tape)

    def backward(self, tape, dY, *, threads=0):
        """Return dX, like X, and no gradients of parameters: there are none.

        Parameters
        ----------
        tape : tuple
            From `forward`.
        dY : array of shape (n, input_size)
            Gradient of the loss with respect to the means.
        threads : int, default=0
            Threads at most.
        """
        X, x, inner = tape
        dy = np.ascontiguousarray(dY, dtype=self.dtype)
        if dy.shape != (len(x), self.input_size):
            raise ValueError(
                f"dY: expected shape {(len(x), self.input_size)}, got {dy.shape}"
            )
        dx = self.pull(inner, dy, aligned(0, self.dtype), threads=threads)
        return in_form_of(X, x.with_values(dx)), {}

    def _sequences(self, X):
        return as_sequences(
            X, dtype=self.dtype, n_features=self.input_size, allow_empty=True
        )

    def apply(self, x, *, threads=0):
        """Return the means (n, input_size) of Sequences."""
        y = np.empty((len(x), self.input_size), self.dtype)
        _core.pool(x.offsets, x.values, y, threads)
        return y

    def record(self, x, *, threads=0):
        """Return the means and the tape that `pull` needs."""
        return self.apply(x, threads=threads), x.offsets

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Return the gradient (sum T, input_size) of the steps, or None."""
        if not input_gradient:
            return None
        dx = fresh((int(tape[-1]), self.input_size), self.dtype)
        _core.pool_back(tape, dy, dx, threads)
        return dx
