"""lstmc, step by step: layer.stream."""

from __future__ import annotations

import numpy as np

from bench.peers.lstmc import make_layer


def build(case, problem, variant):
    """Build a loop over the steps that carries the state."""
    layer, steps = make_layer(problem), list(problem.X)

    def run():
        stream = layer.stream(case.shape.B, threads=case.threads)
        for x in steps:
            y = stream.step(x)
        return y

    def read(last):
        stream = layer.stream(case.shape.B, threads=case.threads)
        return {"Y": np.array([stream.step(x).copy() for x in steps])}

    return run, read
