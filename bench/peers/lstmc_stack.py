"""Blocks and stacks of an xLSTM with lstmc."""

from __future__ import annotations

import numpy as np

from lstmc.layers import XLSTM


def build(case, problem, variant):
    """Build forward and backward of a batch, or a stream's steps."""
    layer = XLSTM.from_xlstm(problem["weights"])
    x, dy, threads = problem["x"], problem["dy"], case.threads
    if case.kind == "stack-step":
        return build_steps(layer, x[0])

    def train():
        y, _, tape = layer.forward(x, threads=threads)
        dx, _, gradients = layer.backward(tape, dy, threads=threads)
        return y, dx, gradients

    def read(result):
        y, dx, gradients = result
        return {"y": y, "gradients": gradients | {"x": dx}}

    return train, read


def build_steps(layer, x):
    """Step after step from zeros, each in a call."""
    stream = layer.stream(threads=1)
    steps = list(x)

    def run():
        for step in steps:
            y = stream.step(step)
        return y

    def read(_):
        stream.reset()
        return {"y": np.array([[stream.step(step).copy() for step in steps]])}

    return run, read
