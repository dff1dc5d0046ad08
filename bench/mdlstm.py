"""Multidimensional LSTM: a layer over images against a PyTorch loop over cells."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape
from bench.record import OURS

DIRECTIONS = (0, 2, 1, 3)  # bit d: dimension d is walked from its end; lstmc's order
PASSES = {"mdlstm": 1, "mdlstm-training": 3}
PEERS = (OURS, "torch")
CHECKED = 2  # images whose outputs are looked at
# Roundings are carried from cell to cell along hundreds of paths.
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3


@dataclass(frozen=True)
class ImageShape(Shape):
    """T rows of `width` cells with d channels; B images; h units a direction."""

    width: int = field(kw_only=True)

    @property
    def cells(self) -> int:
        """Of all images."""
        return self.B * self.T * self.width


SHAPES = (
    ImageShape("square", T=32, B=8, d=1, h=16, directions=4, width=32),
    ImageShape("line", T=16, B=4, d=4, h=16, directions=4, width=128),
)


@dataclass(frozen=True)
class ImageCase(Case):
    """One call over a batch of images; the cell is not of the registry."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def flops(self) -> int:
        """Operations in the matrix products of one call."""
        s = self.shape
        row = s.d + 2 * s.h
        return 2 * PASSES[self.kind] * s.cells * s.directions * 5 * s.h * row

    def make_problem(self):
        """Images and weights; see `make_problem`."""
        return make_problem(self.shape)


def plan(threads=None) -> list[ImageCase]:
    """Both shapes, both kinds of work."""
    return [
        ImageCase(shape, "mdlstm", kind, count)
        for count in threads or THREADS
        for shape in SHAPES
        for kind in PASSES
    ]


@dataclass(frozen=True)
class Problem:
    """Images (B, T, width, d), what the loss weighs outputs by, and the weights."""

    x: np.ndarray
    dy: np.ndarray  # (B, T, width, directions * h)
    weights: list  # for each direction W, U, b, p, as lstmc has them


@functools.lru_cache(maxsize=2)
def make_problem(shape: ImageShape) -> Problem:
    """Numbers that keep c in bounds: forget gates add up to 1 where they start."""
    draw = np.random.default_rng(0)

    def numbers(*sizes, scale=1.0):
        return (scale * draw.standard_normal(sizes)).astype(np.float32)

    size, n, m = (shape.B, shape.T, shape.width), shape.h, shape.d
    weights = [
        [
            numbers(5 * n, m, scale=0.5),
            numbers(5 * n, 2 * n, scale=0.5 / np.sqrt(2 * n)),
            numbers(5 * n, scale=0.1),
            numbers(4, n, scale=0.1),
        ]
        for _ in range(shape.directions)
    ]
    dy = numbers(*size, shape.directions * n)
    return Problem(numbers(*size, m), dy, weights)


def solve(problem: Problem, weights, images) -> np.ndarray:
    """Outputs of some images in float64."""
    run = load_reference("reference_mdlstm")["mdlstm"]
    x = problem.x[images].astype(np.float64)
    return np.stack([run(image, weights, DIRECTIONS) for image in x])


def judge(case: ImageCase, answers: dict) -> tuple[dict, dict]:
    """Check outputs, and gradients along a direction, by the equations."""
    problem = make_problem(case.shape)
    weights = [[a.astype(np.float64) for a in own] for own in problem.weights]
    wanted = solve(problem, weights, slice(CHECKED))
    errors, faults = {}, {}
    for peer, answer in answers.items():
        found = {"output_error": float(abs(answer["Y"][:CHECKED] - wanted).max())}
        if "gradients" in answer:
            found["gradient_error"] = gradient_error(
                problem, weights, answer["gradients"]
            )
        limits = (OUTPUT_TOLERANCE, GRADIENT_TOLERANCE)
        if all(error <= limit for error, limit in zip(found.values(), limits)):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults


def gradient_error(problem, weights, gradients) -> float:
    """Of the weights' gradients along a random direction, in units of their norm."""
    draw, step = np.random.default_rng(1), 1e-5
    ways = [
        [draw.standard_normal(a.shape) / (np.linalg.norm(a) or 1.0) for a in own]
        for own in gradients
    ]
    pairs = [pair for own, way in zip(gradients, ways) for pair in zip(own, way)]
    claimed = sum(np.vdot(gradient, way) for gradient, way in pairs)

    def loss(sign):
        moved = [
            [a + sign * step * d for a, d in zip(own, way)]
            for own, way in zip(weights, ways)
        ]
        return np.vdot(problem.dy, solve(problem, moved, slice(None)))

    return float(abs(claimed - (loss(1) - loss(-1)) / (2 * step)))


def table(record) -> str:
    """A row per shape, kind of work and number of threads."""
    from bench import tables

    head = ["images", "work", "threads", f"{OURS} ms", "torch ms", "ratio", "% of peak"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: c["threads"]):
        shape = case["shape"]
        size = "{B} of {T} × {width}, {d} channels, {directions} × {h} units"
        rows.append(
            [
                size.format(**shape),
                "training" if case["kind"].endswith("training") else "inference",
                str(case["threads"]),
                *(tables._time(case, peer) for peer in PEERS),
                tables._ratio(case),
                tables._share(case),
            ]
        )
    note = (
        "\nSweeps from all four corners, in float32; training is a forward pass and "
        f"the gradients of all weights. Ratio: torch to {OURS}.\n"
    )
    return tables._table(head, rows, words=2) + note
