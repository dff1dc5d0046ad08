"""The matrix memory of the mLSTM: training, and step after step.

A call starts from queries, keys, values and gates.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from bench import tables
from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape
from bench.record import OURS, figures

# d: features of q, k and v, of all heads.
SHAPES = (
    Shape("mlstm-b8", T=256, B=8, d=128, h=128, heads=4),
    Shape("mlstm-b1", T=1024, B=1, d=256, h=256, heads=4),
)
STREAMS = (
    Shape("mlstm-stream-d128", T=500, B=1, d=128, h=128, heads=4),
    Shape("mlstm-stream-d256", T=500, B=1, d=256, h=256, heads=4),
)
# The package xlstm has two forms; a third is in mlstm_kernels, which comes with it.
PEERS = (OURS, "xlstm", "xlstm-chunkwise", "xlstm-kernels")
NAMES = "qkvif"
# Sums of some hundred float32 products, divided by another such sum, which may be near
# zero.
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3


@dataclass(frozen=True)
class MemoryCase(Case):
    """One batch of a matrix memory; there is no cell of the registry."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def repeats(self) -> int:
        """A stream's call is all steps, its time that of one."""
        return self.shape.T if self.kind == "mlstm-step" else 1

    @property
    def flops(self) -> int:
        """Operations of the recurrence: C is scaled, added to and read at each step.

        A training step goes twice as far back. Other forms do more, or less.
        """
        passes = 3 if self.kind == "mlstm" else 1
        shape = self.shape
        step = 5 * shape.h * shape.h // shape.heads
        return passes * shape.steps * step // self.repeats

    def make_problem(self):
        """Inputs and gradients; see `draw_problem`."""
        return draw_problem(self.shape)


def plan(threads=None) -> list[MemoryCase]:
    """Training at each number of threads, then streams, which take one."""
    cases = [
        MemoryCase(shape, "mlstm", "mlstm", count)
        for count in threads or THREADS
        for shape in SHAPES
    ]
    if 1 in (threads or THREADS):
        streams = [MemoryCase(shape, "mlstm", "mlstm-step", 1) for shape in STREAMS]
        cases = streams + cases
    return sorted(cases, key=lambda case: case.threads)


def plays(peer, case) -> bool:
    """Whether a peer has a form for the case: chunks are for training."""
    return peer in PEERS[:2] or case.kind == "mlstm"


@functools.lru_cache(maxsize=1)
def draw_problem(shape: Shape) -> dict[str, np.ndarray]:
    """q, k, v and dh (B * T, d), i and f (B * T, heads) in float32."""
    draw, rows = np.random.default_rng(0), shape.B * shape.T
    problem = {
        name: draw.standard_normal((rows, shape.heads if name in "if" else shape.d))
        for name in [*NAMES, "dh"]
    }
    problem["f"] += np.linspace(3, 6, shape.heads)  # as the paper starts them
    return {name: array.astype(np.float32) for name, array in problem.items()}


def judge(case: MemoryCase, answers: dict) -> tuple[dict, dict]:
    """Check outputs, and gradients along a random direction, of the first sample."""
    shape, errors, faults = case.shape, {}, {}
    solve = load_reference("reference_mlstm")["every_head"]
    problem = {
        name: array[: shape.T].astype(float)
        for name, array in draw_problem(shape).items()
    }
    dh = problem.pop("dh")

    def outputs(arrays):
        return solve(**arrays, offsets=np.array([0, shape.T]), heads=shape.heads)[0]

    wanted, draw = outputs(problem), np.random.default_rng(1)
    direction = {name: draw.standard_normal(a.shape) for name, a in problem.items()}

    @functools.cache
    def difference(name):
        """The derivative of <h, dh> along the direction of one array."""
        losses = []
        for sign in (1, -1):
            moved = problem[name] + sign * 1e-6 * direction[name]
            losses.append(np.vdot(outputs(problem | {name: moved}), dh))
        return (losses[0] - losses[1]) / 2e-6

    for peer, answer in answers.items():
        error = abs(answer["h"] - wanted).max() / abs(wanted).max()
        found = {"output_error": float(error)}
        limits = {"output_error": OUTPUT_TOLERANCE}
        if case.kind == "mlstm":
            found["gradient_error"] = max(
                float(
                    abs(np.vdot(direction[name], gradient) - difference(name))
                    / np.linalg.norm(gradient)
                )
                for name, gradient in answer["gradients"].items()
            )
            limits["gradient_error"] = GRADIENT_TOLERANCE
        if all(found[name] <= limit for name, limit in limits.items()):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults


def table(record) -> str:
    """A row for each batch, number of threads and form of the package xlstm."""
    head = ["batch", "steps × samples × features", "threads", f"{OURS}"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: c["threads"]):
        shape, peers = Shape(**case["shape"]), case["peers"]
        unit = (1e6, "µs") if case["kind"] == "mlstm-step" else (1e3, "ms")

        def time(peer, unit=unit, peers=peers):
            if peer not in peers:
                return "–"
            return f"{figures(peers[peer]['median'] * unit[0])} {unit[1]}"

        ratio = min(peers[p]["ratio"] for p in PEERS[1:] if p in peers)
        rows.append(
            [
                shape.name, f"{shape.T} × {shape.B} × {shape.d}", str(case["threads"]),
                time(OURS), *map(time, PEERS[1:]), f"{ratio:.3g}",
            ]
        )  # fmt: skip
    note = (
        "\nThe cell alone, 4 heads, float32, from queries, keys, values and gates: a "
        "training step, or a step of a stream. Ratio: the fastest form of xlstm to "
        f"{OURS}.\n"
    )
    head += ["xlstm, parallel or step", "xlstm, chunkwise", "mlstm_kernels", "ratio"]
    return tables._table(head, rows, words=2) + note
