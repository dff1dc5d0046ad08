"""The problem every peer solves: the same seeded inputs and weights in each process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.grid import GATES, Shape


@dataclass(frozen=True)
class Problem:
    """Inputs, output gradient and weights of one shape and cell, of its dtype.

    Samples of less than T steps are padded with numbers that must not matter.

    ``weights`` has PyTorch's names, shapes and gate orders (i f g o; r z n).
    """

    shape: Shape
    cell: str
    X: np.ndarray  # (T, B, d)
    dY: np.ndarray  # (T, B, directions * h), gradient of the loss by the outputs
    weights: dict[str, np.ndarray]


def make_problem(shape: Shape, cell: str, seed: int = 0) -> Problem:
    """Draw a problem: normal inputs, weights from PyTorch's U(-1, 1) / sqrt(h)."""
    draw = np.random.default_rng(seed)
    T, B, d, h = shape.T, shape.B, shape.d, shape.h
    rows, bound = GATES[cell] * h, h**-0.5
    weights = {}
    for suffix, width in suffixes(shape):
        for name, size in {
            "weight_ih": (rows, width),
            "weight_hh": (rows, h),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }.items():
            values = draw.uniform(-bound, bound, size).astype(shape.dtype)
            weights[f"{name}_{suffix}"] = values
    X = draw.standard_normal((T, B, d), shape.dtype)
    dY = draw.standard_normal((T, B, shape.directions * h), shape.dtype)
    return Problem(shape, cell, X, dY, weights)


def merge_biases(b_x, b_h, cell: str):
    """One bias as lstmc has it, from PyTorch's two (blocks * h).

    They are added, but for the last block of a GRU: its reset gate stands between
    the inputs and the state, so both are kept.
    """
    if cell != "gru":
        return b_x + b_h
    n = len(b_x) // 3
    return np.concatenate([b_x[: 2 * n] + b_h[: 2 * n], b_x[2 * n :], b_h[2 * n :]])


def split_bias_gradient(db, cell: str):
    """Gradients of PyTorch's two biases from that of the one; see `merge_biases`."""
    if cell != "gru":
        return db, db
    n = len(db) // 4
    return db[: 3 * n], np.concatenate([db[: 2 * n], db[3 * n :]])


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
