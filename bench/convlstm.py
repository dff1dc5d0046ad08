"""ConvLSTM: a layer over frames against PyTorch's conv2d, step by step."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape
from bench.record import OURS

KINDS = ("convlstm", "convlstm-training")
PEERS = (OURS, "torch")
CHECKED = 2  # steps of one sample, of which answers are made
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3


@dataclass(frozen=True)
class FrameShape(Shape):
    """T frames of size x size pixels with d channels; h units; B samples."""

    kernel: int = field(kw_only=True)
    size: int = field(kw_only=True)


SHAPES = (
    FrameShape("small", T=10, B=8, d=1, h=16, kernel=3, size=16),
    FrameShape("middle", T=10, B=4, d=1, h=32, kernel=5, size=32),
    FrameShape("large", T=10, B=4, d=16, h=64, kernel=3, size=64),
)


@dataclass(frozen=True)
class FrameCase(Case):
    """One call over a batch of sequences of frames."""

    @property
    def flops(self) -> int:
        """Operations in the convolutions of one call.

        Training has the gradients of all weights and of h, but not that of x.
        """
        s = self.shape
        row = 2 * s.B * s.T * s.size**2 * s.kernel**2 * 4 * s.h
        passes = s.d + s.h
        if self.kind == "convlstm-training":
            passes = 2 * (s.d + s.h) + s.h
        return row * passes

    def make_problem(self):
        """Frames and weights; see `make_problem`."""
        return make_problem(self.shape)


def plan(threads=None) -> list[FrameCase]:
    """Three shapes, both kinds of work."""
    return [
        FrameCase(shape, "lstm", kind, count)
        for count in threads or THREADS
        for shape in SHAPES
        for kind in KINDS
    ]


@dataclass(frozen=True)
class Problem:
    """Frames (B, T, size, size, d), what the loss weighs outputs by, and weights."""

    x: np.ndarray
    dy: np.ndarray  # (B, T, size, size, h)
    w: np.ndarray  # (4 h, kernel, kernel, d)
    r: np.ndarray  # (4 h, kernel, kernel, h)
    b: np.ndarray  # (4 h)

    @property
    def few(self) -> Problem:
        """The part that answers are made of."""
        x, dy = self.x[:1, :CHECKED], self.dy[:1, :CHECKED]
        return Problem(x, dy, self.w, self.r, self.b)


@functools.lru_cache(maxsize=2)
def make_problem(shape: FrameShape) -> Problem:
    """Frames, and weights that keep the sums near 1."""
    draw = np.random.default_rng(0)

    def numbers(*sizes, scale=1.0):
        return (scale * draw.standard_normal(sizes)).astype(np.float32)

    s = shape
    pixels, taps = (s.B, s.T, s.size, s.size), (4 * s.h, s.kernel, s.kernel)
    scale = 1 / np.sqrt(s.kernel**2 * (s.d + s.h))
    return Problem(
        numbers(*pixels, s.d), numbers(*pixels, s.h), numbers(*taps, s.d, scale=scale),
        numbers(*taps, s.h, scale=scale), numbers(4 * s.h, scale=0.1),
    )  # fmt: skip


def solve(problem: Problem, w, r, b) -> np.ndarray:
    """Outputs of the first sample in float64."""
    run = load_reference("reference_conv")["run"]
    frames = problem.x[0].astype(np.float64)
    zeros = np.zeros(problem.dy.shape[2:])
    weights = {"weight_ih": w, "weight_hh": r, "bias": b}
    return run("lstm", weights, (1, 1), frames, [zeros, zeros])[0]


def judge(case: FrameCase, answers: dict) -> tuple[dict, dict]:
    """Check outputs, and gradients along a direction, by the equations."""
    few = make_problem(case.shape).few
    weights = [a.astype(np.float64) for a in (few.w, few.r, few.b)]
    wanted = solve(few, *weights)
    errors, faults = {}, {}
    for peer, answer in answers.items():
        found = {"output_error": float(abs(answer["Y"] - wanted).max())}
        if "gradients" in answer:
            found["gradient_error"] = gradient_error(few, weights, answer["gradients"])
        limits = (OUTPUT_TOLERANCE, GRADIENT_TOLERANCE)
        if all(error <= limit for error, limit in zip(found.values(), limits)):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults


def gradient_error(problem, weights, gradients) -> float:
    """Of the weights' gradients along a random direction, as a share of their norm."""
    draw, step = np.random.default_rng(1), 1e-5
    ways = [draw.standard_normal(a.shape) for a in weights]
    scale = np.sqrt(sum(np.vdot(g, g) for g in gradients)) or 1.0
    claimed = sum(np.vdot(g, way) for g, way in zip(gradients, ways, strict=True))

    def loss(sign):
        moved = [a + sign * step * way for a, way in zip(weights, ways, strict=True)]
        return np.vdot(problem.dy[0], solve(problem, *moved))

    return float(abs(claimed - (loss(1) - loss(-1)) / (2 * step)) / scale)


def table(record) -> str:
    """A row per shape, kind of work and number of threads."""
    from bench import tables

    head = ["frames", "work", "threads", *(f"{peer} ms" for peer in PEERS)]
    head += ["ratio", "% of peak"]
    size = "{B} × {T} of {size} × {size}, {d} channels, {kernel} × {kernel}, {h} units"
    rows = [
        [
            size.format(**case["shape"]),
            "training" if case["kind"].endswith("training") else "inference",
            str(case["threads"]),
            *(tables._time(case, peer) for peer in PEERS),
            tables._ratio(case),
            tables._share(case),
        ]
        for case in sorted(record["cases"], key=lambda c: c["threads"])
    ]
    note = (
        "\nFrames with their channels innermost, in float32; training is a forward "
        "pass and the gradients of all weights. Ratio: torch, a loop over steps with "
        f"one conv2d over x and h each, to {OURS}.\n"
    )
    return tables._table(head, rows, words=2) + note
