"""Blocks and stacks of an xLSTM: training, and step after step."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace

import numpy as np

from bench import tables
from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape
from bench.record import OURS

MODELS = {
    "mlstm-block": ("mlstm",),
    "slstm-block": ("slstm",),
    "xlstm[3:1]": ("mlstm", "mlstm", "mlstm", "slstm"),
}
# T of training; a stream takes as many steps.
SHAPES = tuple(
    Shape(name, T=256, B=8, d=128, h=128, layers=len(kinds), heads=4)
    for name, kinds in MODELS.items()
)
PEERS = (OURS, "xlstm")
# Float32 through norms and gates, block over block; gradients are sums over all steps.
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3
STEP = 1e-6  # of the differences in float64


@dataclass(frozen=True)
class StackCase(Case):
    """One batch through one stack; the cell is its name."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of the blocks."""
        return MODELS[self.cell]

    @property
    def repeats(self) -> int:
        """A stream's call is all steps, its time that of one."""
        return self.shape.T if self.kind == "stack-step" else 1

    @property
    def flops(self) -> int:
        """Operations in the products with weights."""
        weights = sum(a.size for a in draw_weights(self.kinds, self.shape).values())
        rows = 1 if self.kind == "stack-step" else 3 * self.shape.steps
        return 2 * rows * weights

    def make_problem(self):
        """Weights by the package's names, x and dy (B, T, d); a stream has one row."""
        weights = draw_weights(self.kinds, self.shape)
        draw, shape = np.random.default_rng(1), self.shape
        x, dy = draw.standard_normal((2, shape.B, shape.T, shape.d)).astype("f4")
        rows = 1 if self.kind == "stack-step" else shape.B
        return {"weights": weights, "x": x[:rows], "dy": dy[:rows]}


def plan(threads=None) -> list[StackCase]:
    """Training at each number of threads, then streams, which take one."""
    counts = threads or THREADS
    cases = [
        StackCase(shape, shape.name, "stack", count)
        for count, shape in product(counts, SHAPES)
    ]
    if 1 in counts:
        cases += [StackCase(shape, shape.name, "stack-step", 1) for shape in SHAPES]
    return sorted(cases, key=lambda case: case.threads)


@functools.lru_cache(maxsize=1)
def draw_weights(kinds, shape: Shape) -> dict[str, np.ndarray]:
    """Weights by the names of the package xlstm."""
    draw, d, heads = np.random.default_rng(0), shape.d, shape.heads
    up, feed, units = 2 * d, -(-13 * d // 640) * 64, d // heads
    norm = {"xlstm_norm.weight": (d,)}
    mlstm = norm | {
        "xlstm.learnable_skip": (up,),
        "xlstm.proj_up.weight": (2 * up, d),
        **{f"xlstm.{name}_proj.weight": (up // 4, 4, 4) for name in "qkv"},
        "xlstm.conv1d.conv.weight": (up, 1, 4),
        "xlstm.conv1d.conv.bias": (up,),
        **{f"xlstm.mlstm_cell.{name}gate.weight": (heads, 3 * up) for name in "if"},
        **{f"xlstm.mlstm_cell.{name}gate.bias": (heads,) for name in "if"},
        "xlstm.mlstm_cell.outnorm.weight": (up,),
        "xlstm.proj_down.weight": (d, up),
    }
    slstm = norm | {
        "xlstm.conv1d.conv.weight": (d, 1, 4),
        "xlstm.conv1d.conv.bias": (d,),
        **{f"xlstm.{name}gate.weight": (heads, units, units) for name in "fizo"},
        "xlstm.slstm_cell._recurrent_kernel_": (heads, 4 * units, units),
        "xlstm.slstm_cell._bias_": (4 * d,),
        "xlstm.group_norm.weight": (d,),
        "ffn_norm.weight": (d,),
        "ffn.proj_up.weight": (2 * feed, d),
        "ffn.proj_down.weight": (d, feed),
    }
    shapes = {
        f"blocks.{k}.{name}": size
        for k, kind in enumerate(kinds)
        for name, size in (mlstm if kind == "mlstm" else slstm).items()
    } | {"post_blocks_norm.weight": (d,)}
    weights = {}
    for name, size in shapes.items():
        scale = 0.1 if len(size) == 1 else 0.5 / np.sqrt(size[-1])
        weights[name] = (scale * draw.standard_normal(size)).astype("f4")
        if name.endswith("fgate.bias"):
            weights[name] += np.linspace(3, 6, heads, dtype="f4")
    return weights


def ours(weights) -> dict[str, np.ndarray]:
    """The same by our names, in float64."""
    from lstmc.layers.xlstm_weights import read_package

    arrays = {name: array.astype(float) for name, array in weights.items()}
    return read_package(arrays)[1]


def judge(case: StackCase, answers: dict) -> tuple[dict, dict]:
    """Check outputs, and gradients along a direction through weights and x."""
    problem = case.make_problem()
    reference = load_reference("reference_xlstm")
    x, dy = problem["x"].astype(float), problem["dy"]
    parameters = ours(problem["weights"])

    def outputs(parameters, x):
        layer = SimpleNamespace(
            parameters=parameters, kinds=case.kinds, num_heads=case.shape.heads,
            hidden_size=case.shape.d,
        )  # fmt: skip
        return np.array(
            [reference["run"](layer, row, fresh(case.kinds, case.shape)) for row in x]
        )

    wanted = outputs(parameters, x)
    draw, slope, way = np.random.default_rng(2), None, {}
    if case.kind == "stack":
        way = {name: draw.standard_normal(a.shape) for name, a in parameters.items()}
        way["x"] = draw.standard_normal(x.shape)
        ends = []
        for side in (STEP, -STEP):
            moved = {name: a + side * way[name] for name, a in parameters.items()}
            ends.append(np.vdot(outputs(moved, x + side * way["x"]), dy))
        slope = (ends[0] - ends[1]) / (2 * STEP)
    errors, faults = {}, {}
    for peer, answer in answers.items():
        found = {"output_error": float(abs(answer["y"] - wanted).max())}
        limits = {"output_error": OUTPUT_TOLERANCE}
        if slope is not None:
            own = sum(np.vdot(answer["gradients"][name], a) for name, a in way.items())
            size = np.sqrt(sum(np.vdot(g, g) for g in answer["gradients"].values()))
            found["gradient_error"] = float(abs(own - slope) / size)
            limits["gradient_error"] = GRADIENT_TOLERANCE
        if all(found[name] <= limit for name, limit in limits.items()):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults


def fresh(kinds, shape: Shape) -> list[dict]:
    """States of zeros, as the reference takes them."""
    d, heads, up = shape.d, shape.heads, 2 * shape.d // shape.heads
    matrix = {
        "conv": (3, 2 * d), "C": (heads, up, up), "n": (heads, up), "m": (heads,)
    }  # fmt: skip
    scalar = {"conv": (3, d)} | dict.fromkeys("hcnm", (d,))
    return [
        {
            name: np.zeros(size)
            for name, size in (matrix if kind == "mlstm" else scalar).items()
        }
        for kind in kinds
    ]


def table(record) -> str:
    """A row for each stack, kind of work and number of threads."""
    head = ["stack", "work", "threads", OURS, PEERS[1], "ratio"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: (c["kind"], c["threads"])):
        is_step = case["kind"] == "stack-step"
        factor, unit = (1e6, "µs") if is_step else (1e3, "ms")
        times = [
            f"{case['peers'][peer]['median'] * factor:.3g} {unit}" for peer in PEERS
        ]
        work = "a step of a stream" if is_step else "training, 8 × 256 steps"
        ratio = f"{case['peers'][PEERS[1]]['ratio']:.1f}"
        rows.append([case["cell"], work, str(case["threads"]), *times, ratio])
    note = (
        "\n128 features, 4 heads, float32. Ratio: the package xlstm's time to ours.\n"
    )
    return tables._table(head, rows, words=2) + note
