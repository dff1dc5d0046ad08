"""The matrix memory of the mLSTM with lstmc."""

from __future__ import annotations

import numpy as np

from bench.mlstm import NAMES
from lstmc.layers.matrix_memory import MatrixMemory


def build(case, problem, variant):
    """Build forward and backward, or a stream's steps."""
    shape, threads = case.shape, case.threads
    memory = MatrixMemory(shape.heads, shape.d // shape.heads)
    arrays = {name: problem[name] for name in NAMES}
    if case.kind == "mlstm-step":
        return build_steps(memory, arrays, shape)
    offsets = np.arange(shape.B + 1) * shape.T

    def train():
        h, _, tape = memory.record(**arrays, offsets=offsets, threads=threads)
        gradients, _ = memory.pull(tape, problem["dh"], threads=threads)
        return h, gradients

    def read(result):
        h, gradients = result
        first = slice(shape.T)
        return {
            "h": h[first],
            "gradients": {k: g[first] for k, g in zip(NAMES, gradients, strict=False)},
        }

    return train, read


def build_steps(memory, arrays, shape):
    """Step after step from zeros, each in a call."""
    stream = memory.stream()
    steps = [
        tuple(a[t : t + 1] for a in arrays.values())
        for t in range(shape.T)
    ]  # fmt: skip

    def run():
        stream.reset()
        for step in steps:
            h = stream.step(*step)
        return h

    def read(_):
        stream.reset()
        return {"h": np.concatenate([stream.step(*step).copy() for step in steps])}

    return run, read
