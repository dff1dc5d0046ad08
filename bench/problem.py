"""The problem every peer solves: the same seeded inputs and weights in each process."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from bench.grid import Shape, registry

STATICS = 27  # features of a catchment in the paper of the entity-aware LSTM


@dataclass(frozen=True)
class Problem:
    """Inputs, output gradient and weights of one shape and cell, of its dtype.

    Samples of less than T steps are padded with numbers that must not matter.

    ``weights`` has the names, shapes and blocks of `lstmc.layers.Recurrent`: those of
    PyTorch (i f g o; r z n), but with one bias; see `pair_of_biases`.
    """

    shape: Shape
    cell: str
    facts: dict  # of the cell
    X: np.ndarray  # (T, B, d)
    dY: np.ndarray  # (T, B, directions * h), gradient of the loss by the outputs
    weights: dict[str, np.ndarray]
    time: np.ndarray | None  # (T, B), elapsed before each step; of a timed cell
    static: np.ndarray | None  # (B, STATICS), of a cell that reads static features

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """All that has a gradient, by name."""
        static = {} if self.static is None else {"static": self.static}
        return {"X": self.X, **static, **self.weights}

    def with_inputs(self, inputs: dict[str, np.ndarray]) -> Problem:
        """The same problem at other `inputs`."""
        weights = dict(inputs)
        X, static = weights.pop("X"), weights.pop("static", None)
        return dataclasses.replace(self, X=X, static=static, weights=weights)


def make_problem(shape: Shape, cell: str, facts=None, seed: int = 0) -> Problem:
    """Draw a problem: normal inputs, weights from PyTorch's U(-1, 1) / sqrt(h).

    ``facts`` are those of the cell; None looks them up in the registry.
    """
    facts, draw = facts or registry()[cell], np.random.default_rng(seed)
    T, B, bound = shape.T, shape.B, shape.h**-0.5
    weights = {
        name: draw.uniform(-bound, bound, size).astype(shape.dtype)
        for name, size in weight_shapes(shape, facts).items()
    }
    for suffix, _ in suffixes(shape):
        for k, name in enumerate(facts["vectors"]):
            if name[0] not in "pb":  # no peephole and no bias: a gain, a decay
                part = slice(k * shape.h, (k + 1) * shape.h)
                weights[f"vector_{suffix}"][part] = draw.uniform(0, 1, shape.h)
    X = draw.standard_normal((T, B, shape.d), shape.dtype)
    dY = draw.standard_normal((T, B, shape.directions * shape.h), shape.dtype)
    time = draw.standard_exponential((T, B), shape.dtype) if facts["timed"] else None
    static = None
    if facts["statics"]:
        static = draw.standard_normal((B, STATICS), shape.dtype)
    return Problem(shape, cell, facts, X, dY, weights, time, static)


def weight_shapes(shape: Shape, facts: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight that the cell has."""
    h, shapes = shape.h, {}
    for suffix, width in suffixes(shape):
        shapes |= {
            f"weight_ih_{suffix}": (facts["w_blocks"] * h, width),
            f"weight_hh_{suffix}": (facts["r_blocks"] * h, h // shape.heads),
            f"bias_{suffix}": (facts["b_blocks"] * h,),
            f"vector_{suffix}": (len(facts["vectors"]) * h,),
            f"weight_static_{suffix}": (facts["statics"] * h, STATICS),
            f"bias_static_{suffix}": (facts["statics"] * h,),
        }
    return {name: size for name, size in shapes.items() if size[0]}


def pair_of_biases(b, cell: str):
    """PyTorch's two biases (blocks * h) that do what the one does.

    The second is zero, but for the last block of a GRU: its reset gate stands between
    the inputs and the state, so both have a bias.
    """
    if cell != "gru":
        return b, np.zeros_like(b)
    n = len(b) // 4
    return b[: 3 * n], np.concatenate([np.zeros_like(b[: 2 * n]), b[3 * n :]])


def merge_bias_gradients(db_x, db_h, cell: str):
    """The gradient of the one bias from those of PyTorch's two."""
    if cell != "gru":
        return db_x
    return np.concatenate([db_x, db_h[2 * len(db_h) // 3 :]])


def real_steps(shape: Shape) -> np.ndarray:
    """Where a step belongs to its sample and is no padding, (T, B)."""
    return np.arange(shape.T)[:, None] < shape.lengths


def suffixes(shape: Shape) -> list[tuple[str, int]]:
    """Name and input width of each layer and direction, in PyTorch's order."""
    return [
        (f"l{layer}{reverse}", shape.directions * shape.h if layer else shape.d)
        for layer in range(shape.layers)
        for reverse in ("", "_reverse")[: shape.directions]
    ]
