"""ScalarBlock: an sLSTM and a gated feed-forward part, each on a residual way.

    u    = LN(x)
    a    = SiLU(conv4(u))                 each channel over its last four steps
    i, f = W_i a, W_f a;  z, o = W_z u, W_o u
    v    = x + GN(sLSTM(i, f, z, o))      norm of each head
    p, r = W_up LN(v)
    y    = v + W_down (GELU(p) r)

W_i, W_f, W_z, W_o and R lead within a head.

Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024, appendix.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import _core
from ..initializers import power_law
from . import rowwise
from .flat import Flat
from .layer import aligned, fresh
from .stack import registry

I, F, Z, O = range(4)  # noqa: E741


class Tape(NamedTuple):
    """What `ScalarBlock.record` leaves for `pull`."""

    offsets: np.ndarray
    x: np.ndarray
    normed: np.ndarray
    saved: np.ndarray  # of the layer norm
    before: np.ndarray | None
    cells: list[tuple]  # of each head
    h: np.ndarray
    head_saved: np.ndarray  # of the norm of each head
    v: np.ndarray
    v_normed: np.ndarray
    v_saved: np.ndarray
    up: np.ndarray
    gated: np.ndarray
    key: tuple[int, int]


class ScalarBlock(Flat):
    """See the module. Unchecked.

    Parameters
    ----------
    width : int
        Features of x and y, a multiple of ``heads``.
    inner : int
        Features of p and r.
    heads : int
        Heads of the sLSTM.
    blocks, place : int
        Blocks of the stack, and which it is of them: where forget gates start.
    dropout : float
        Share of h, and of what the feed-forward part adds, dropped in training.
    """

    kind = "slstm"
    state_names = ("conv", "h", "c", "n", "m")
    sites = 2  # where dropout acts
    PENALISED = frozenset(
        ("conv_weight", "gates_weight", "recurrent", "feed_up", "feed_down")
    )

    def __init__(self, width, inner, heads, *, blocks, place, dropout, dtype, rng):
        self.width, self.inner, self.heads = width, inner, heads
        self.units = width // heads
        self.dropout = dropout
        square = (4, heads, self.units, self.units)
        shapes = {
            "norm": (width,),
            "conv_weight": (4, width),
            "conv_bias": (width,),
            "gates_weight": square,
            "recurrent": square,
            "gates_bias": (4, heads, self.units),
            "head_norm": (width,),
            "feed_norm": (width,),
            "feed_up": (2 * inner, width),
            "feed_down": (width, inner),
        }
        super().__init__(shapes, dtype)
        self._open()
        self._draw(rng, blocks, place)

    def _open(self):
        row, _ = registry()["slstm"]
        float64 = self.dtype == np.float64
        self._kernel = _core.Layer(row, float64, 2 * self.units, self.units, 1, False)
        self._spare = None

    def __getstate__(self):
        state = super().__getstate__()
        del state["_kernel"], state["_spare"]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._open()

    def _draw(self, rng, blocks, place):
        """Initial weights as the authors publish them."""
        w = self._views
        for name in ("norm", "head_norm", "feed_norm"):
            w[name][:] = 1
        small = math.sqrt(2 / (5 * self.width))
        for name in ("gates_weight", "feed_up"):
            w[name][:] = rng.normal(0, small, w[name].shape)
        # Four steps of one channel: PyTorch's bound for a convolution.
        w["conv_weight"][:] = rng.uniform(-0.5, 0.5, w["conv_weight"].shape)
        w["conv_bias"][:] = rng.uniform(-0.5, 0.5, self.width)
        w["gates_bias"][F] = power_law(self.units, place / max(1, blocks - 1))
        deviation = 2 / blocks / math.sqrt(self.width)
        w["feed_down"][:] = rng.normal(0, deviation, w["feed_down"].shape)

    def empty_state(self, n):
        """Uninitialised arrays for the states of n sequences."""
        conv = np.empty((n, 3, self.width), self.dtype)
        return (conv, *(np.empty((n, self.width), self.dtype) for _ in range(4)))

    # --- the cell: a layer for each head, over [a, u] of its features ---------------

    def packed(self, w):
        """The weights of each head, of views w, as kernels read them.

        (heads, at least packed_size), each head from a cache line on.
        """
        n = self.units
        size = -(-self._kernel.packed_size // 16) * 16  # whole cache lines
        out = aligned(self.heads * size, self.dtype).reshape(self.heads, size)
        inputs = np.zeros((4, n, 2, n), self.dtype)  # by gate: to a unit, of a and u
        for k in range(self.heads):
            inputs[[I, F], :, 0] = w["gates_weight"][[I, F], k]
            inputs[[Z, O], :, 1] = w["gates_weight"][[Z, O], k]
            none = np.empty(0, self.dtype)  # vectors, projection
            self._kernel.pack(
                inputs.ravel(), w["recurrent"][:, k].ravel(),
                w["gates_bias"][:, k].ravel(), none, none, self._own(out[k]), 0,
            )  # fmt: skip
        return out

    def _own(self, row):
        return row[: self._kernel.packed_size]

    def _unpack(self, packed, k, g):
        """The gradient of a head's packed weights into its places in the views g."""
        n, none = self.units, np.empty(0, self.dtype)
        inputs = np.empty((4, n, 2, n), self.dtype)
        recurrent = np.empty((4, n, n), self.dtype)
        bias = np.empty((4, n), self.dtype)
        self._kernel.unpack(
            packed, inputs.ravel(), recurrent.ravel(), bias.ravel(), none, none, 0
        )
        g["gates_weight"][[I, F], k] = inputs[[I, F], :, 0]
        g["gates_weight"][[Z, O], k] = inputs[[Z, O], :, 1]
        g["recurrent"][:, k], g["gates_bias"][:, k] = recurrent, bias

    def _run_cell(self, a, u, offsets, state, tapes, threads):
        """Return h (rows, width) and the states after; put a tape a head into tapes."""
        rows, n = len(a), self.units
        h, after = fresh((rows, self.width), self.dtype), []
        for k, weights in enumerate(self.packed(self._views)):
            own = slice(k * n, (k + 1) * n)
            x = np.concatenate((a[:, own], u[:, own]), axis=1)
            before = None
            if state is not None:
                before = tuple(np.ascontiguousarray(s[:, own])[None] for s in state)
            found = tuple(
                np.empty((1, len(offsets) - 1, n), self.dtype) for _ in range(4)
            )
            saved = None
            if tapes is not None:
                saved = aligned(self._kernel.tape_size(rows), self.dtype)
            y = fresh((rows, n), self.dtype)
            slabs = _core.forward(
                self._kernel, offsets, x, self._own(weights), y, before, found, saved,
                threads,
            )  # fmt: skip
            h[:, own] = y
            after.append(found)
            if tapes is not None:
                tapes.append((x, self._own(weights), y, before, saved, slabs))
        joined = [np.concatenate([s[0] for s in part], axis=1) for part in zip(*after)]
        return h, tuple(joined)

    def _pull_cell(self, tape, dh, dstate, g, threads):
        """Return (da, du, gradient at the initial states); fill the views g."""
        rows, n = dh.shape[0], self.units
        da, du = np.empty_like(dh), np.empty_like(dh)
        before = []
        for k, (x, weights, y, state, saved, slabs) in enumerate(tape.cells):
            own = slice(k * n, (k + 1) * n)
            given = None
            if dstate is not None:
                given = tuple(np.ascontiguousarray(s[:, own])[None] for s in dstate)
            found = tuple(
                np.empty((1, len(tape.offsets) - 1, n), self.dtype) for _ in range(4)
            )
            dx = fresh((rows, 2 * n), self.dtype)
            gradient = aligned(self._kernel.packed_size, self.dtype)
            _core.backward(
                self._kernel, tape.offsets, x, weights, y, state, saved, slabs,
                np.ascontiguousarray(dh[:, own]), given, dx, found, gradient, threads,
            )  # fmt: skip
            self._unpack(gradient, k, g)
            da[:, own], du[:, own] = dx[:, :n], dx[:, n:]
            before.append(found)
        joined = [np.concatenate([s[0] for s in part], axis=1) for part in zip(*before)]
        return da, du, tuple(joined)

    # --- the block --------------------------------------------------------------------

    def apply(self, x, offsets, state, *, key=None, threads=0):
        """Return (y, state) of the rows x, in training with a key for dropout."""
        y, state, _ = self._run(x, offsets, state, key, None, threads)
        return y, state

    def record(self, x, offsets, state, *, key, threads=0):
        """Return (y, state, tape)."""
        return self._run(x, offsets, state, key, [], threads)

    def _run(self, x, offsets, state, key, cells, threads):
        w = self._views
        before, inner = (None, None) if state is None else (state[0], state[1:])
        normed, saved = rowwise.norm(x, w["norm"], 1, threads)
        a, after = rowwise.causal(
            offsets, normed, w["conv_weight"], w["conv_bias"], before, threads
        )
        h, inner = self._run_cell(a, normed, offsets, inner, cells, threads)
        self._drop(h, key, 0)
        v, head_saved = rowwise.norm(h, w["head_norm"], self.heads, threads)
        v += x
        v_normed, v_saved = rowwise.norm(v, w["feed_norm"], 1, threads)
        up = rowwise.linear(v_normed, w["feed_up"], threads)
        gated = rowwise.geglu(up, threads)
        y = rowwise.linear(gated, w["feed_down"], threads)
        self._drop(y, key, 1)
        y += v
        tape = Tape(
            offsets, x, normed, saved, before, cells, h, head_saved, v, v_normed,
            v_saved, up, gated, key,
        )  # fmt: skip
        return y, (after, *inner), tape

    def _drop(self, values, key, site):
        if key is not None and self.dropout:
            _core.dropout(values.ravel(), self.dropout, key[0], key[1] + site)

    def pull(self, tape, dy, dstate, gradient, *, threads=0):
        """Overwrite ``gradient``; return (dx, gradient at the initial states)."""
        t, w, g = tape, self._views, self.views(gradient)
        d_after, d_inner = (None, None) if dstate is None else (dstate[0], dstate[1:])
        d_out = dy.copy()
        self._drop(d_out, t.key, 1)
        d_gated = rowwise.pull_linear(
            t.gated, w["feed_down"], d_out, g["feed_down"], threads
        )
        d_up = rowwise.pull_geglu(t.up, d_gated, threads)
        d_normed = rowwise.pull_linear(
            t.v_normed, w["feed_up"], d_up, g["feed_up"], threads
        )
        dv = rowwise.pull_norm(
            t.v, w["feed_norm"], 1, t.v_saved, d_normed, g["feed_norm"], threads,
            onto=dy.copy(),
        )  # fmt: skip
        dh = rowwise.pull_norm(
            t.h, w["head_norm"], self.heads, t.head_saved, dv, g["head_norm"], threads
        )
        self._drop(dh, t.key, 0)
        da, d_normed, d_inner = self._pull_cell(t, dh, d_inner, g, threads)
        d_before = rowwise.pull_causal(
            t.offsets, t.normed, w["conv_weight"], w["conv_bias"], t.before, da,
            d_after, d_normed, g["conv_weight"], g["conv_bias"], threads,
        )  # fmt: skip
        dx = rowwise.pull_norm(
            t.x, w["norm"], 1, t.saved, d_normed, g["norm"], threads, onto=dv
        )
        return dx, (d_before, *d_inner)

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
