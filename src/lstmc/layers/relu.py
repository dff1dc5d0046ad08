"""ReLU: what is below zero becomes zero."""

from __future__ import annotations

import numpy as np

from .layer import aligned, checked_dtype
from .steps import StepLayer


class ReLU(StepLayer):
    """Rectifier ``y = max(0, x)``; NaN stays NaN.

    `BatchNorm` has it built in, which saves a sweep over memory.

    Parameters
    ----------
    input_size : int
        Features of a step.
    dtype : {"float32", "float64"}, default="float32"
        Type of the arithmetic.

    References
    ----------
    .. [1] Nair, Hinton: Rectified Linear Units Improve Restricted Boltzmann Machines.
       ICML 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import ReLU
    >>> ReLU(1)([np.array([[-1.0], [2.0]])])[0].tolist()
    [[0.0], [2.0]]
    """

    about = {
        "name": "relu",
        "title": "Rectifier",
        "equations": "y = max(0, x)",
        "source": (
            "Nair, Hinton: Rectified Linear Units Improve Restricted Boltzmann "
            "Machines. ICML 2010."
        ),
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

    def apply(self, x, *, threads=0):
        """Return the outputs (sum T, input_size) of Sequences."""
        return np.maximum(x.values, 0)

    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""
        y = self.apply(x)
        return y, y

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Return the gradient of what came in, or None if it is not wanted."""
        return np.where(tape <= 0, 0, dy) if input_gradient else None
