"""OpenVINO, step by step: two requests go from one pair of arrays to the other."""

from __future__ import annotations

from collections import deque

import numpy as np
import openvino

from bench.onnx_model import STATES, make_step_model
from bench.peers.openvino import compile_model


def build(case, problem, variant):
    """Build a loop over the steps that carries the state."""
    shape = case.shape
    compiled = compile_model(make_step_model(problem), case.threads)
    x = np.empty((1, shape.B, shape.d), np.float32)
    pairs = np.zeros((2, 2, 1, shape.B, shape.h), np.float32)
    requests = [
        _request(compiled, (x, *before, *after))
        for before, after in (pairs, pairs[::-1])
    ]

    def advance():
        pairs[:] = 0
        for k, value in enumerate(problem.X):
            x[0] = value
            request = requests[k % 2]
            request.start_async()  # infer() would make a dict of the outputs
            request.wait()
            yield pairs[(k + 1) % 2, 0]

    def run():
        return deque(advance(), maxlen=1).pop()

    def read(last):
        return {"Y": np.concatenate([h.copy() for h in advance()])}

    return run, read


def _request(compiled, arrays):
    """A request that reads and writes these arrays: X and the states."""
    request = compiled.create_infer_request()
    for name, array in zip(("X", *STATES), arrays, strict=True):
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
    return request
