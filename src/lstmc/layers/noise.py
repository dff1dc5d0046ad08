"""Noise: what a stack of recurrent layers draws at random in training.

Masks are a function of a key, a seed and a stream, so that backward draws the same ones
again. Each kind of noise has a seed next to the key's.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from .layer import Layer, aligned
from .packing import Packing


class Noisy(Layer):
    """Dropout between layers, DropConnect on R, and what the kernels draw."""

    num_layers: int
    dropout: float
    variational: bool
    recurrent_dropout: float
    zoneout: tuple[float, float]
    drop_connect: float
    _packing: Packing

    def _noise(self, layer, key):
        """What the kernels draw at random, or take the expectation of without a key."""
        if not (any(self.zoneout) or self.recurrent_dropout):
            return None
        seed, stream = key or (0, 0)
        return (
            *self.zoneout, self.recurrent_dropout, seed + 2,
            stream * self.num_layers + layer, int(key is not None),
        )  # fmt: skip

    def _connections(self, key):
        """Factors of all weights under DropConnect: those of R are dropped or grown."""
        seed, stream = key
        factors = aligned(self.n_weights, self.dtype)
        factors[:] = 1
        _core.dropout(factors, self.drop_connect, seed + 3, stream)
        factors[self._packing.mark(("weight_hh",)) == 0] = 1
        return factors

    def _noisy_weights(self, key):
        if not self.drop_connect or key is None:
            return self.weights
        weights = aligned(self.n_weights, self.dtype)
        np.multiply(self.weights, self._connections(key), out=weights)
        return weights

    def _dropped(self, x, values, layer, key, copy=True):
        """Values after the dropout above `layer`; in place if no copy is asked for."""
        if not self.dropout:
            return values
        values = values.copy() if copy else values
        seed, stream = key
        stream = stream * self.num_layers + layer
        if not self.variational:
            _core.dropout(values.ravel(), self.dropout, seed, stream)
            return values
        mask = np.ones((len(x), values.shape[1]), self.dtype)
        _core.dropout(mask.ravel(), self.dropout, seed, stream)
        values *= np.repeat(mask, x.lengths, axis=0)
        return values
