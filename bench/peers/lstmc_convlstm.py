"""ConvLSTM with lstmc."""

from __future__ import annotations

import numpy as np

from lstmc.layers import ConvLSTM
from lstmc.layers.layer import aligned


def build(case, problem, variant):
    """Build a forward pass, or one with the gradients of the weights."""
    s = case.shape
    layer = ConvLSTM(s.d, s.h, s.kernel, image_size=(s.size, s.size))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_l0")
    layer.load_parameters(
        dict(zip(names, (problem.w, problem.r, problem.b), strict=True))
    )
    x = layer._frames(problem.x)
    dy = problem.dy.reshape(len(x.values), -1)
    gradient = aligned(layer.n_weights, np.float32)

    def infer():
        return layer.apply(x, threads=case.threads)

    def train():
        y, _, tape = layer.record(x, threads=case.threads)
        layer.pull(tape, dy, None, gradient, input_gradient=False, threads=case.threads)
        return y

    def read(_):
        few = problem.few
        Y, _, tape = layer.forward(few.x)
        answer = {"Y": Y[0]}
        if case.kind == "convlstm-training":
            grads = layer.backward(tape, few.dy)[2]
            answer["gradients"] = [grads[name] for name in names]
        return answer

    return train if case.kind == "convlstm-training" else infer, read
