"""MatrixBlock: an mLSTM between an up- and a down-projection, on a residual way.

    u, z = W_up LN(x)
    a    = SiLU(conv4(u))                 each channel over its last four steps
    q, k = W_q a, W_k a;  v = W_v u       in blocks of four channels
    i, f = w [q, k, v] + b                of each head
    h    = GN(mLSTM(q, k, v, i, f))       norm of each head
    y    = x + W_down ((h + skip a) SiLU(z))

Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024, appendix.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import _core
from . import rowwise
from .flat import Flat
from .matrix_memory import MatrixMemory


class Tape(NamedTuple):
    """What `MatrixBlock.record` leaves for `pull`."""

    offsets: np.ndarray
    x: np.ndarray
    normed: np.ndarray
    saved: np.ndarray  # of the layer norm
    up: np.ndarray  # [u, z]
    before: np.ndarray | None
    a: np.ndarray
    qkv: np.ndarray
    cell: tuple
    h: np.ndarray  # of the cell
    head_saved: np.ndarray  # of the norm of each head
    head_normed: np.ndarray
    gated: np.ndarray
    key: tuple[int, int]


class MatrixBlock(Flat):
    """See the module. Unchecked.

    Parameters
    ----------
    width : int
        Features of x and y.
    inner : int
        Features of u, a multiple of 4 and of ``heads``.
    heads : int
        Heads of the mLSTM.
    blocks : int
        Blocks of the stack: the more there are, the smaller W_down starts.
    dropout : float
        Share of what the block adds that is dropped in training.
    """

    kind = "mlstm"
    state_names = ("conv", "C", "n", "m")
    sites = 1  # where dropout acts
    PENALISED = frozenset(
        ("up", "conv_weight", "query", "key", "value", "gates_weight", "down")
    )

    def __init__(self, width, inner, heads, *, blocks, dropout, dtype, rng):
        self.width, self.inner, self.heads = width, inner, heads
        self.dropout = dropout
        four = (inner // 4, 4, 4)
        shapes = {
            "norm": (width,),
            "up": (2 * inner, width),
            "conv_weight": (4, inner),
            "conv_bias": (inner,),
            "query": four,
            "key": four,
            "value": four,
            "gates_weight": (2 * heads, 3 * inner),
            "gates_bias": (2 * heads,),
            "head_norm": (inner,),
            "skip": (inner,),
            "down": (width, inner),
        }
        super().__init__(shapes, dtype)
        self._memory = MatrixMemory(heads, inner // heads, dtype=dtype)
        self._draw(rng, blocks)

    def _draw(self, rng, blocks):
        """Initial weights as the authors publish them."""
        w = self._views
        for name in ("norm", "head_norm", "skip"):
            w[name][:] = 1
        small = math.sqrt(2 / (5 * self.width))
        for name in ("up", "query", "key", "value"):
            w[name][:] = rng.normal(0, small, w[name].shape)
        # Four steps of one channel: PyTorch's bound for a convolution.
        w["conv_weight"][:] = rng.uniform(-0.5, 0.5, w["conv_weight"].shape)
        w["conv_bias"][:] = rng.uniform(-0.5, 0.5, self.inner)
        w["gates_bias"][: self.heads] = rng.normal(0, 0.1, self.heads)
        w["gates_bias"][self.heads :] = np.linspace(3, 6, self.heads)
        deviation = 2 / blocks / math.sqrt(self.width)
        w["down"][:] = rng.normal(0, deviation, w["down"].shape)

    def _maps(self, buffer):
        """The blocks of q, k and v, (3, 4 inner), in a buffer like `weights`."""
        start, end = self._places["query"].start, self._places["value"].stop
        return buffer[start:end].reshape(3, 4 * self.inner)

    def empty_state(self, n):
        """Uninitialised arrays for the states of n sequences."""
        conv = np.empty((n, 3, self.inner), self.dtype)
        return (conv, *self._memory.empty_state(n))

    def apply(self, x, offsets, state, *, key=None, threads=0):
        """Return (y, state) of the rows x, in training with a key for dropout."""
        y, state, _ = self._run(x, offsets, state, key, threads, self._memory.apply)
        return y, state

    def record(self, x, offsets, state, *, key, threads=0):
        """Return (y, state, tape)."""
        return self._run(x, offsets, state, key, threads, self._memory.record)

    def _run(self, x, offsets, state, key, threads, run):
        w, e = self._views, self.inner
        before, *memory = (None, None) if state is None else state
        memory = None if state is None else tuple(memory)
        normed, saved = rowwise.norm(x, w["norm"], 1, threads)
        up = rowwise.linear(normed, w["up"], threads)
        a, after = rowwise.causal(
            offsets, up[:, :e], w["conv_weight"], w["conv_bias"], before, threads
        )
        qkv, gates = rowwise.mix(
            a, up[:, :e], self._maps(self.weights), w["gates_weight"], w["gates_bias"],
            threads,
        )  # fmt: skip
        h, memory, *tape = run(*qkv, *gates, offsets, memory, threads=threads)
        head_normed, head_saved = rowwise.norm(h, w["head_norm"], self.heads, threads)
        gated = rowwise.gate(head_normed, a, w["skip"], up[:, e:], threads)
        y = rowwise.linear(gated, w["down"], threads)
        if key is not None and self.dropout:
            _core.dropout(y.ravel(), self.dropout, *key)
        y += x
        kept = Tape(
            offsets, x, normed, saved, up, before, a, qkv, tape[0] if tape else (), h,
            head_saved, head_normed, gated, key,
        )  # fmt: skip
        return y, (after, *memory), kept

    def pull(self, tape, dy, dstate, gradient, *, threads=0):
        """Overwrite ``gradient``; return (dx, gradient at the initial states)."""
        t, w, g, e = tape, self._views, self.views(gradient), self.inner
        d_after, d_memory = (None, None) if dstate is None else (dstate[0], dstate[1:])
        d_out = dy
        if self.dropout:
            d_out = dy.copy()
            _core.dropout(d_out.ravel(), self.dropout, *t.key)
        d_gated = rowwise.pull_linear(t.gated, w["down"], d_out, g["down"], threads)
        d_up = np.empty_like(t.up)
        d_normed, da = rowwise.pull_gate(
            t.head_normed, t.a, w["skip"], t.up[:, e:], d_gated, d_up[:, e:], g["skip"],
            threads,
        )  # fmt: skip
        dh = rowwise.pull_norm(
            t.h, w["head_norm"], self.heads, t.head_saved, d_normed, g["head_norm"],
            threads,
        )  # fmt: skip
        d_qkv = np.empty_like(t.qkv)
        d_gates = np.empty((2, len(dh), self.heads), self.dtype)
        _, d_memory = self._memory.pull(
            t.cell, dh, d_memory, out=(*d_qkv, *d_gates, None), threads=threads
        )
        rowwise.pull_mix(
            t.a, t.up[:, :e], self._maps(self.weights), w["gates_weight"],
            w["gates_bias"], t.qkv, d_qkv, d_gates, da, d_up[:, :e],
            self._maps(gradient), g["gates_weight"], g["gates_bias"], threads,
        )  # fmt: skip
        d_before = rowwise.pull_causal(
            t.offsets, t.up[:, :e], w["conv_weight"], w["conv_bias"], t.before, da,
            d_after, d_up[:, :e], g["conv_weight"], g["conv_bias"], threads,
        )  # fmt: skip
        d_normed = rowwise.pull_linear(t.normed, w["up"], d_up, g["up"], threads)
        dx = rowwise.pull_norm(
            t.x, w["norm"], 1, t.saved, d_normed, g["norm"], threads, onto=dy.copy()
        )
        return dx, (d_before, *d_memory)

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._memory.release()
