"""CTC: the loss with its gradient by the logits, log-softmax included."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from bench.equations import load_reference
from bench.grid import THREADS, Case, Shape

# d: classes, h: labels of each sample.
SHAPES = (
    Shape("digits", T=50, B=32, d=12, h=10),
    Shape("letters", T=200, B=16, d=32, h=30),
    Shape("text", T=500, B=32, d=80, h=60),
    Shape("pieces", T=1000, B=8, d=5000, h=80),
)
# Operations of a class, of which the exponential is most, and of a state, both ways.
CLASS_FLOPS, STATE_FLOPS = 20, 60
CHECKED = 2  # samples; the logarithms of a thousand frames take a second
# The losses are sums of a thousand logarithms of the size of ten. PyTorch makes the
# posteriors of logarithms of the size of the loss, in float32.
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 5e-3


@dataclass(frozen=True)
class CtcCase(Case):
    """One batch of logits and labels; there is no cell."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def flops(self) -> int:
        """Operations of one call, as near as they can be counted."""
        states = 2 * self.shape.h + 1
        return self.shape.steps * (
            CLASS_FLOPS * self.shape.d + STATE_FLOPS * states
        )  # fmt: skip

    def make_problem(self):
        """Logits and labels; see `draw_problem`."""
        return draw_problem(self.shape)


def plan(threads=None) -> list[CtcCase]:
    """One case per number of threads and shape."""
    return [
        CtcCase(shape, "softmax", "ctc", count)
        for count in threads or THREADS
        for shape in SHAPES
    ]


@functools.lru_cache(maxsize=1)
def draw_problem(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Logits (B, T, classes) in float32 and labels (B, labels); the blank is 0."""
    draw = np.random.default_rng(0)
    logits = draw.standard_normal((shape.B, shape.T, shape.d), np.float32)
    return logits, draw.integers(1, shape.d, (shape.B, shape.h))


def judge(case: CtcCase, answers: dict) -> tuple[dict, dict]:
    """Check losses and gradients of the first samples by logarithms in float64."""
    logits, labels = draw_problem(case.shape)
    solve = load_reference("reference_ctc")["ctc"]
    wanted = [solve(x, y) for x, y in zip(logits[:CHECKED], labels)]
    losses, errors, faults = np.array([loss for loss, _ in wanted]), {}, {}
    for peer, answer in answers.items():
        found = {
            "output_error": float(abs(answer["losses"] / losses - 1).max()),
            "gradient_error": max(
                float(abs(d - right).max())
                for d, (_, right) in zip(answer["gradients"], wanted, strict=True)
            ),
        }
        limits = (LOSS_TOLERANCE, GRADIENT_TOLERANCE)
        if all(error <= limit for error, limit in zip(found.values(), limits)):
            errors[peer] = found
        else:
            faults[peer] = f"expected errors of at most {limits}, got {found}"
    return errors, faults
