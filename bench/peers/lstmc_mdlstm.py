"""Multidimensional LSTM with lstmc."""

from __future__ import annotations

import numpy as np

from lstmc.images import as_images
from lstmc.layers import MDLSTM
from lstmc.layers.layer import aligned

KINDS = ("weight_ih", "weight_hh", "bias", "peephole")


def build(case, problem, variant):
    """Build a forward pass, or one with the gradients of the weights."""
    shape = case.shape
    layer = MDLSTM(shape.d, shape.h)
    layer.load_parameters(
        {
            f"{kind}_d{k}": array
            for k, own in enumerate(problem.weights)
            for kind, array in zip(KINDS, own)
        }
    )
    x, dy = as_images(problem.x), problem.dy.reshape(shape.cells, -1)
    gradient = aligned(layer.n_weights, np.float32)

    def infer():
        return layer.apply(x, threads=case.threads)

    def train():
        y, tape = layer.record(x, threads=case.threads)
        layer.pull(tape, dy, gradient, input_gradient=False, threads=case.threads)
        return y

    def read(y):
        answer = {"Y": y.reshape(problem.dy.shape)}
        if case.kind == "mdlstm-training":
            own = layer._named(gradient)
            answer["gradients"] = [
                [own[f"{kind}_d{k}"] for kind in KINDS]
                for k in range(len(problem.weights))
            ]
        return answer

    return train if case.kind == "mdlstm-training" else infer, read
