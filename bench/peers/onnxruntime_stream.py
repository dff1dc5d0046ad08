"""ONNX Runtime, step by step: the state fed back, by run or between bound arrays."""

from __future__ import annotations

from collections import deque

import numpy as np

from bench.onnx_model import STATES, make_step_model
from bench.peers.onnxruntime import open_session


def build(case, problem, variant):
    """Build a loop over the steps; the variant is ``run`` or ``binding``."""
    session = open_session(make_step_model(problem), case.threads)
    advance = {"run": _by_run, "binding": _by_binding}[variant]
    steps = [x[None] for x in problem.X]
    zeros = np.zeros((1, case.shape.B, case.shape.h), np.float32)

    def run():
        return deque(advance(session, steps, zeros), maxlen=1).pop()

    def read(last):
        outputs = advance(session, steps, zeros)
        return {"Y": np.concatenate([h.copy() for h in outputs])}

    return run, read


def _by_run(session, steps, zeros):
    """The state is an array that comes out and goes in again."""
    h = c = zeros
    for x in steps:
        h, c = session.run(None, {"X": x, "h0": h, "c0": c})
        yield h


def _by_binding(session, steps, zeros):
    """Two bindings go from one pair of arrays to the other and back."""
    x = np.empty_like(steps[0])
    pairs = [(zeros.copy(), zeros.copy()) for _ in range(2)]
    bindings = []
    for before, after in (pairs, pairs[::-1]):
        binding = session.io_binding()
        arrays = zip(("X", *STATES), (x, *before, *after), strict=True)
        for name, array in arrays:
            bind = binding.bind_output if name in STATES[2:] else binding.bind_input
            bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        bindings.append((binding, after[0]))
    for k, value in enumerate(steps):
        x[:] = value
        binding, h = bindings[k % 2]
        session.run_with_iobinding(binding)
        yield h
