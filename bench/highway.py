"""Highway networks: a deep stack over a batch of rows, forward alone or a full step."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import product

import numpy as np

from bench import tables
from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape

KINDS = ("highway", "highway-training")
SHAPES = (
    Shape("narrow", T=1, B=256, d=64, h=64, layers=30),
    Shape("wide", T=1, B=256, d=256, h=256, layers=30),
)
BIAS = -1.0  # of T
# Thirty layers of sums of up to 256 products in float32, each handed on to the next.
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3
STEP = 1e-5  # of the differences in float64


@dataclass(frozen=True)
class HighwayCase(Case):
    """One batch of rows through one stack; there is no cell."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def flops(self) -> int:
        """Operations in the matrix products of one call."""
        passes = 1 if self.kind == "highway" else 3
        return passes * self.shape.layers * self.shape.B * 2 * 2 * self.shape.h**2

    def make_problem(self):
        """The same numbers in each process; see `draw_problem`."""
        return draw_problem(self.shape)


def plan(threads=None) -> list[HighwayCase]:
    """One case per number of threads, shape and kind."""
    chosen = product(threads or THREADS, SHAPES, KINDS)
    return [HighwayCase(shape, "coupled", kind, count) for count, shape, kind in chosen]


@functools.lru_cache(maxsize=1)
def draw_problem(shape: Shape):
    """Rows x, the gradient dy at the outputs, both (B, h), and weights by name."""
    draw, bound = np.random.default_rng(0), (3 / shape.h) ** 0.5
    x, dy = draw.standard_normal((2, shape.B, shape.h), np.float32)
    weights = {}
    for k, column in product(range(shape.layers), "ht"):
        size = (shape.h, shape.h)
        weights[f"weight_{column}_l{k}"] = draw.uniform(-bound, bound, size)
        weights[f"bias_{column}_l{k}"] = np.full(shape.h, BIAS * (column == "t"))
    return x, dy, {name: a.astype(np.float32) for name, a in weights.items()}


def _solve(shape, arrays):
    """The outputs in float64, of arrays by name."""
    layers = [
        {
            f"{kind}_{column}": arrays[f"{kind}_{column}_l{k}"]
            for kind in ("weight", "bias")
            for column in "ht"
        }
        for k in range(shape.layers)
    ]
    reference = load_reference("reference_highway")["highway"]
    return reference(arrays["x"], layers, "coupled", "tanh")


def judge(case: HighwayCase, answers: dict) -> tuple[dict, dict]:
    """Check the outputs, and the gradients along a direction through all arrays."""
    x, dy, weights = draw_problem(case.shape)
    arrays = {name: a.astype(np.float64) for name, a in (weights | {"x": x}).items()}
    wanted = _solve(case.shape, arrays)
    slope = way = None
    if case.kind != "highway":
        draw = np.random.default_rng(1)
        way = {name: draw.standard_normal(a.shape) for name, a in arrays.items()}
        ends = [
            np.vdot(dy, _solve(case.shape, _moved(arrays, way, side * STEP)))
            for side in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * STEP)
    errors, faults = {}, {}
    for peer, answer in answers.items():
        found = {"output_error": float(abs(answer["y"] - wanted).max())}
        if way is not None:
            own = sum(np.vdot(answer["gradients"][name], a) for name, a in way.items())
            found["gradient_error"] = float(abs(own / slope - 1))
        limits = (OUTPUT_TOLERANCE, GRADIENT_TOLERANCE)
        if all(error <= limit for error, limit in zip(found.values(), limits)):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults


def _moved(arrays, way, step):
    return {name: a + step * way[name] for name, a in arrays.items()}


def table(record) -> str:
    """A row per stack, kind of work and number of threads."""
    head = ["stack", "layers × rows × units", "work", "threads", f"{tables.OURS} ms"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: (c["kind"], c["threads"])):
        shape = case["shape"]
        work = "inference" if case["kind"] == KINDS[0] else "training step"
        sizes = f"{shape['layers']} × {shape['B']} × {shape['h']}"
        row = [shape["name"], sizes, work, str(case["threads"])]
        row += [tables._time(case, peer) for peer in (tables.OURS, "torch")]
        rows.append([*row, tables._ratio(case), tables._share(case)])
    note = (
        "\nIn float32, tanh, coupled gates. Ratio: torch to "
        f"{tables.OURS}; geometric mean {tables._means(record['cases'])}.\n"
    )
    return (
        tables._table([*head, "torch ms", "ratio", "% of peak"], rows, words=3) + note
    )
