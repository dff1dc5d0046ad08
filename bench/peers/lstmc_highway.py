"""A highway stack with lstmc."""

from __future__ import annotations

import numpy as np

from lstmc.layers import Highway


def build(case, problem, variant):
    """Build the outputs, or with training the step that a solver would follow."""
    x, dy, weights = problem
    layer = Highway(case.shape.h, case.shape.layers)
    layer.load_parameters(weights)
    gradient = np.empty(layer.n_weights, np.float32)

    def infer():
        return layer.apply(x, threads=case.threads), None

    def train():
        y, tape = layer.record(x, threads=case.threads)
        return y, layer.pull(tape, dy, gradient, threads=case.threads)

    def read(result):
        y, dx = result
        if dx is None:
            return {"y": y}
        return {"y": y, "gradients": {"x": dx} | layer._views(gradient.copy())}

    return (infer if case.kind == "highway" else train), read
