"""What stands around the cells of an xLSTM block, row by row, into new arrays.

Unchecked but for the door's shapes. ``x`` may be columns of wider rows where so said.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import _core
from .dense import product
from .layer import fresh

EPSILON = 1e-5  # beside a variance


def _of(door):
    """A door of `_core` without a look at the dtype of its arguments at each call."""
    return cache(lambda dtype: door["double" if dtype == np.float64 else "float"])


_norm_forward, _norm_backward = _of(_core.norm_forward), _of(_core.norm_backward)
_causal_forward = _of(_core.causal_forward)
_causal_backward = _of(_core.causal_backward)
_mix_forward, _mix_backward = _of(_core.mix_forward), _of(_core.mix_backward)
_gate_forward, _gate_backward = _of(_core.gate_forward), _of(_core.gate_backward)
_geglu_forward, _geglu_backward = _of(_core.geglu_forward), _of(_core.geglu_backward)


def linear(x, w, threads):
    """x w', without biases."""
    return product(x, w, np.zeros(len(w), x.dtype), threads)


def pull_linear(x, w, dy, dw, threads):
    """Return dx; fill dw."""
    dx = fresh(x.shape, x.dtype)
    _core.dense_backward(x, w, dy, dx, dw, None, threads)
    return dx


def norm(x, w, groups, threads):
    """Each of ``groups`` parts of a row to mean 0 and variance 1, times w [1]_.

    Returns (y, what `pull_norm` needs).

    References
    ----------
    .. [1] Ba, Kiros, Hinton: Layer Normalization. 2016.
    """
    y, saved = fresh(x.shape, x.dtype), np.empty((len(x), 2 * groups), x.dtype)
    _norm_forward(x.dtype)(x, w, groups, EPSILON, y, saved, threads)
    return y, saved


def pull_norm(x, w, groups, saved, dy, dw, threads, onto=None):
    """Return dx, or what it was added to; fill dw."""
    dx = fresh(x.shape, x.dtype) if onto is None else onto
    _norm_backward(x.dtype)(
        x, w, groups, EPSILON, saved, dy, dx, onto is not None, dw, threads
    )
    return dx


def causal(offsets, x, w, b, before, threads):
    """SiLU of a convolution over four steps, each channel for itself.

    x: columns of rows, w (4, width), the step itself last; before (n, 3, width) or
    None: the inputs before the first step. Returns (y, the same after the last step).
    """
    y = fresh(x.shape, x.dtype)
    after = np.empty((len(offsets) - 1, 3, x.shape[1]), x.dtype)
    _causal_forward(x.dtype)(offsets, x, w, b, before, after, y, threads)
    return y, after


def pull_causal(offsets, x, w, b, before, dy, d_after, dx, dw, db, threads):
    """Add to dx, fill dw and db; return the gradient at ``before``."""
    d_before = np.empty((len(offsets) - 1, 3, x.shape[1]), x.dtype)
    _causal_backward(x.dtype)(
        offsets, x, w, b, before, dy, d_after, d_before, dx, dw, db, threads
    )
    return d_before


def mix(a, x, w, gates_w, gates_b, threads):
    """q, k of a and v of x, in blocks of four channels, and the gates of each head.

    x: columns of rows, w (3, 4 width), gates_w (2 heads, 3 width). Returns (y (3, rows,
    width), gates (2, rows, heads)): q, k, v and i, f.
    """
    rows, width = a.shape
    y = fresh((3, rows, width), a.dtype)
    gates = np.empty((2, rows, len(gates_b) // 2), a.dtype)
    _mix_forward(a.dtype)(a, x, w, gates_w, gates_b, y, gates, threads)
    return y, gates


def pull_mix(
    a, x, w, gates_w, gates_b, y, dy, d_gates, da, dx, dw, d_gates_w, d_gates_b, threads
):
    """Add to da, fill dx and the gradients of weights; dy is used up."""
    _mix_backward(a.dtype)(
        a, x, w, gates_w, gates_b, y, dy, d_gates, da, dx, dw, d_gates_w, d_gates_b,
        threads,
    )  # fmt: skip


def gate(h, a, skip, z, threads):
    """(h + skip a) z sigmoid(z); z: columns of rows."""
    y = fresh(h.shape, h.dtype)
    _gate_forward(h.dtype)(h, a, skip, z, y, threads)
    return y


def pull_gate(h, a, skip, z, dy, dz, d_skip, threads):
    """Return (dh, da); fill dz and d_skip."""
    dh, da = fresh(h.shape, h.dtype), fresh(h.shape, h.dtype)
    _gate_backward(h.dtype)(h, a, skip, z, dy, dh, da, dz, d_skip, threads)
    return dh, da


def geglu(x, threads):
    """GELU of the first half of each row times the second [1]_.

    References
    ----------
    .. [1] Shazeer: GLU Variants Improve Transformer. 2020.
    """
    y = fresh((len(x), x.shape[1] // 2), x.dtype)
    _geglu_forward(x.dtype)(x, y, threads)
    return y


def pull_geglu(x, dy, threads):
    """Return dx."""
    dx = fresh(x.shape, x.dtype)
    _geglu_backward(x.dtype)(x, dy, dx, threads)
    return dx
