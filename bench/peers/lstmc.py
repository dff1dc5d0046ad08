"""lstmc: layers.Recurrent on Sequences, called as a network calls it."""

from __future__ import annotations

from bench.problem import merge_biases, split_bias_gradient, suffixes
from lstmc.layers import Recurrent
from lstmc.layers.layer import aligned
from lstmc.sequences import Sequences


def build(problem, kind, threads):
    """Build a forward pass, or forward and backward with every gradient."""
    shape = problem.shape
    layer = Recurrent(
        shape.d, shape.h, problem.cell, shape.layers, shape.directions == 2
    )
    layer.load_parameters(_to_ours(problem))
    x = Sequences.from_padded(problem.X.swapaxes(0, 1))
    dy = Sequences.from_padded(problem.dY.swapaxes(0, 1)).values
    gradient = aligned(layer.n_weights, layer.dtype)

    def infer():
        y, _ = layer.apply(x, threads=threads)
        return y, None

    def train():
        y, _, tape = layer.record(x, threads=threads)
        dx, _ = layer.pull(tape, dy, None, gradient, threads=threads)
        return y, dx

    def read(result):
        y, dx = (
            v if v is None else v.reshape(shape.B, shape.T, -1).swapaxes(0, 1)
            for v in result
        )
        if kind == "inference":
            return {"Y": y}
        layer.weights[:] = gradient  # so that `parameters` names its parts
        return {"Y": y, "gradients": {"X": dx} | _to_theirs(layer.parameters, problem)}

    return (infer if kind == "inference" else train), read


def _to_ours(problem):
    """PyTorch's parameters, each pair of biases made one."""
    ours = {}
    for suffix, _ in suffixes(problem.shape):
        W, R, b_x, b_h = (
            problem.weights[f"{name}_{suffix}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        ours[f"weight_ih_{suffix}"], ours[f"weight_hh_{suffix}"] = W, R
        ours[f"bias_{suffix}"] = merge_biases(b_x, b_h, problem.cell)
    return ours


def _to_theirs(gradients, problem):
    """Gradients by PyTorch's names, each bias made a pair."""
    theirs = dict(gradients)
    for suffix, _ in suffixes(problem.shape):
        pair = split_bias_gradient(theirs.pop(f"bias_{suffix}"), problem.cell)
        theirs[f"bias_ih_{suffix}"], theirs[f"bias_hh_{suffix}"] = pair
    return theirs
