"""Steps: the checked face of layers that turn sequences into sequences as long."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from ..sequences import as_sequences
from .forms import in_form_of
from .layer import Layer, aligned


class StepLayer(Layer):
    """Base of layers from Sequences to Sequences of the same lengths, without a state.

    A subclass sets `input_size` and `output_size`, and computes on checked Sequences:
    `apply` returns the values of the outputs, `record` those and a tape, `pull` the
    gradient of the values that came in.
    """

    input_size: int
    output_size: int

    @abstractmethod
    def apply(self, x, *, threads=0):
        """Return the outputs (sum T, output_size) of Sequences."""

    @abstractmethod
    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""

    @abstractmethod
    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient``, laid out like ``weights``; return dx or None."""

    def __call__(self, X, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list of (T_i, output_size) arrays, array, or Sequences, as X was
        """
        x = self._sequences(X)
        return in_form_of(X, x.with_values(self.apply(x, threads=threads)))

    def forward(self, X, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as second result."""
        x = self._sequences(X)
        y, tape = self.record(x, threads=threads)
        return in_form_of(X, x.with_values(y)), (X, x, tape)

    def backward(self, tape, dY, *, threads=0):
        """Gradients of a loss whose gradient at the outputs is given.

        Parameters
        ----------
        tape : tuple
            From `forward`.
        dY : like Y
            Gradient at the outputs.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : like X
        grads : dict of str to ndarray
            Gradients of the `parameters`.

        Raises
        ------
        ValueError
            If dY has other lengths or features than Y.
        """
        X, x, inner = tape
        dy = as_sequences(
            dY, dtype=self.dtype, n_features=self.output_size, name="dY",
            allow_empty=True,
        )  # fmt: skip
        if not np.array_equal(dy.offsets, x.offsets):
            raise ValueError(
                f"dY: expected the lengths {x.lengths.tolist()} of X, got "
                f"{dy.lengths.tolist()}"
            )
        gradient = aligned(self.n_weights, self.dtype)
        dx = self.pull(inner, dy.values, gradient, threads=threads)
        return in_form_of(X, x.with_values(dx)), self._named(gradient)

    def _named(self, flat):
        """Arrays by name out of a buffer laid out like `weights`."""
        twin = object.__new__(type(self))
        twin.__dict__ = self.__dict__ | {"weights": flat}
        return twin._read()

    def _sequences(self, X):
        return as_sequences(
            X, dtype=self.dtype, n_features=self.input_size, allow_empty=True
        )
