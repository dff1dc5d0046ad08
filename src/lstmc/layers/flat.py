"""Flat: layers whose weights lie in natural layout, one parameter after another."""

from __future__ import annotations

import math
import sys

from .layer import ALIGNMENT, Layer, aligned, checked_dtype


class Flat(Layer):
    """A layer of named arrays: a view of each in `weights`, and in any such buffer.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        In the order in which they lie.
    dtype : {"float32", "float64"}
        Type of weights and arithmetic.
    """

    PENALISED: frozenset[str] = frozenset()  # parameters that an L2 penalty touches

    def __init__(self, shapes, dtype):
        self.dtype = checked_dtype(dtype)
        self.shapes = shapes
        self._places = {}
        end = 0
        for name, shape in shapes.items():
            self._places[name] = slice(end, end := end + math.prod(shape))
        self.n_weights = end
        if end * self.dtype.itemsize > sys.maxsize // 4:
            raise MemoryError(
                f"weights: {end:,} of {self.dtype} and their gradients do not fit an "
                "address"
            )
        self.weights = aligned(end, self.dtype)
        self.weights[:] = 0
        self._views = self.views(self.weights)

    def views(self, buffer):
        """The parameters' places in a buffer laid out like `weights`, by name."""
        return {
            name: buffer[place].reshape(self.shapes[name])
            for name, place in self._places.items()
        }

    def bind(self, weights):
        super().bind(weights)
        self._views = self.views(weights)

    @property
    def penalised(self):
        return [self._places[name] for name in self.shapes if name in self.PENALISED]

    def _read(self):
        return {name: view.copy() for name, view in self._views.items()}

    def _write(self, parameters):
        for name, view in self._views.items():
            view[:] = parameters[name]

    def __getstate__(self):
        state = super().__getstate__()
        del state["_views"]
        return state

    def __setstate__(self, state):
        shapes, dtype = state["shapes"], state["dtype"]
        Flat.__init__(self, shapes, dtype)
        self.__dict__.update({k: v for k, v in state.items() if k != "parameters"})
        self._write(state["parameters"])


class Composite(Layer):
    """A layer of layers: their weights in one buffer, each from a cache line on.

    Their parameters bear the names of the layers, as in ``blocks.0.up``; those of a
    layer with an empty name bear no other. Each layer keeps them in natural layout, in
    the order of its ``shapes``.
    """

    def __init__(self, children: dict[str, Layer], dtype):
        self.dtype = checked_dtype(dtype)
        self._children = children
        self._parts = {}
        line, end = ALIGNMENT // self.dtype.itemsize, 0
        self.shapes = {}
        for name, child in children.items():
            start = -(-end // line) * line
            end = start + child.n_weights
            self._parts[name] = slice(start, end)
            for own, shape in child.shapes.items():
                self.shapes[_joined(name, own)] = shape
        self.n_weights = end
        weights = aligned(end, self.dtype)
        weights[:] = 0
        self.weights = weights
        for name, child in children.items():
            child.bind(weights[self._parts[name]])

    def bind(self, weights):
        weights[:] = self.weights
        self.weights = weights
        for name, child in self._children.items():
            child.bind(weights[self._parts[name]])

    @property
    def n_parameters(self):
        """Numbers that training may choose."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def penalised(self):
        return [
            slice(part.start + own.start, part.start + own.stop)
            for name, part in self._parts.items()
            for own in self._children[name].penalised
        ]

    def _read(self):
        return self.unpacked(self.weights)

    def unpacked(self, buffer):
        """Copies of the parameters out of a buffer laid out like `weights`."""
        found = {}
        for name, child in self._children.items():
            end = self._parts[name].start
            for own, shape in child.shapes.items():
                start, end = end, end + math.prod(shape)
                found[_joined(name, own)] = buffer[start:end].reshape(shape).copy()
        return found

    def _write(self, parameters):
        for name, child in self._children.items():
            child._write({own: parameters[_joined(name, own)] for own in child.shapes})


def _joined(name, own):
    return f"{name}.{own}" if name else own
