"""States of a stack of recurrent layers, as people and as kernels see them.

People see (num_layers * directions, n, width); a kernel those of one layer, head by
head, and after them what maps of static features give.
"""

from __future__ import annotations

import numpy as np

from .dense import product
from .noise import Noisy


class Stated(Noisy):
    """The states of all layers, cut out for one of them and put back."""

    bidirectional: bool
    hidden_size: int
    num_heads: int
    static_size: int
    _facts: dict
    _is_plain: bool
    _state_rows: int
    _state_sizes: list[int]

    @property
    def directions(self):
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def _empty_state(self, n):
        rows, dtype, empty = self._state_rows, self.dtype, np.empty
        state: tuple[np.ndarray, ...] = ()
        for size in self._state_sizes:  # at every call: faster than a comprehension
            state += (empty((rows, n, size), dtype),)
        return state

    def _kernel_state(self, state, layer, static, n=None):
        """One layer's states by head: given ones, or with n None room for new ones."""
        if state is None and static is None:
            return None
        if self._is_plain:
            return state
        first, heads = layer * self.directions, self.num_heads
        if state is None:
            state = tuple(np.zeros_like(s) for s in self._empty_state(n))
        own = [None if s is None else s[first : first + self.directions] for s in state]
        if heads > 1:
            own = [None if s is None else by_head(s, heads) for s in own]
        if static is not None:
            own.append(self._mapped(static, layer))
        elif self._facts["statics"]:
            own.append(None if own[-1] is None else np.empty_like(own[-1]))
        return tuple(own)

    def _kernel_gradient(self, dstate, layer, n):
        """The same of gradients; none comes to the states that static features give."""
        own = self._kernel_state(dstate, layer, None)
        if own is None or not self._facts["statics"]:
            return own
        return (*own[:-1], None)

    def _store_state(self, own, state, layer):
        """What the kernels left, where people look for it; in place with one head."""
        if self.num_heads == 1:
            return
        first = layer * self.directions
        for whole, part in zip(state, own, strict=False):
            for side in range(self.directions):
                heads = part[side * self.num_heads : (side + 1) * self.num_heads]
                whole[first + side] = np.concatenate(list(heads), axis=1)

    def _mapped(self, static, layer):
        """The states that static features give, (parts, n, units)."""
        sides = []
        for w, b in self._packing.maps[layer]:
            weight = self.weights[w].reshape(self.hidden_size, self.static_size)
            sides.append(product(static, weight, self.weights[b]))
        mapped = np.stack(sides)
        return mapped if self.num_heads == 1 else by_head(mapped, self.num_heads)

    def _pull_static(self, own, layer, tape, gradient):
        """From the gradient at those states to that of their map and features."""
        if tape.static is None:
            for w, b in self._packing.maps[layer]:
                gradient[w] = gradient[b] = 0
            return
        heads = self.num_heads
        for side, (w, b) in enumerate(self._packing.maps[layer]):
            da = np.concatenate(
                list(own[-1][side * heads : (side + 1) * heads]), axis=1
            )
            weight = self.weights[w].reshape(self.hidden_size, self.static_size)
            none = np.zeros(self.static_size, self.dtype)
            gradient[w] = product(da.T, tape.static.T, none).ravel()
            gradient[b] = da.sum(axis=0)
            tape.dstatic += product(da, weight.T, none)


def by_head(state, heads):
    """(directions, n, heads * units) to (directions * heads, n, units)."""
    sides, n, width = state.shape
    split = state.reshape(sides, n, heads, width // heads).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(split).reshape(sides * heads, n, width // heads)
