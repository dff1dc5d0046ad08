"""Doors: the kernels of one dtype, and states as they see them, head by head."""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import _core


def by_head(state, heads):
    """(directions, n, heads * units) to (directions * heads, n, units)."""
    sides, n, width = state.shape
    split = state.reshape(sides, n, heads, width // heads).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(split).reshape(sides * heads, n, width // heads)


@cache
def kernel_forward(dtype):
    """The forward of one dtype, without a look at its arguments at each call."""
    return _core.forward["double" if dtype == np.float64 else "float"]


@cache
def kernel_backward(dtype):
    """The backward of one dtype."""
    return _core.backward["double" if dtype == np.float64 else "float"]
