"""LSTM-FCN: an epoch of training, Adam included, on batches of univariate series."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from bench.equations import load_reference
from bench.grid import PASSES, THREADS, Case, Shape

BATCH, DROPOUT, EPSILON = 128, 0.8, 1e-3
FILTERS, TAPS = (128, 256, 128), (8, 5, 3)
# B: series of an epoch, d: classes, h: units of the LSTM, which sees one step of T.
SHAPES = (
    Shape("gunpoint", T=150, B=50, d=2, h=128),
    Shape("osuleaf", T=427, B=200, d=6, h=128),
)
# Logits of the size of 1 out of sums of a thousand float32; a slope along all weights.
LOGIT_TOLERANCE, SLOPE_TOLERANCE = 1e-3, 1e-2
STEP = 1e-7  # of the difference, in float64: few units pass the corner of relu


class FcnProblem(NamedTuple):
    """Series, classes, and weights by the names of `LSTMFCN.parameters`."""

    x: np.ndarray  # (B, T)
    y: np.ndarray  # (B,)
    weights: dict


@dataclass(frozen=True)
class FcnCase(Case):
    """One epoch; the convolutions are nearly all of it."""

    def __post_init__(self):
        object.__setattr__(self, "facts", {})

    @property
    def flops(self) -> int:
        """Operations of the products of an epoch."""
        channels = (1, *FILTERS)
        pairs = zip(channels, TAPS, FILTERS, strict=False)
        row = sum(c * k * f for c, k, f in pairs)
        return 2 * PASSES["training"] * self.shape.steps * row

    def make_problem(self):
        """Series, classes and weights; see `draw_problem`."""
        return draw_problem(self.shape)


def plan_fcn(threads=None) -> list[FcnCase]:
    """One case per number of threads and shape."""
    return [
        FcnCase(shape, "lstm", "fcn", count)
        for count in threads or THREADS
        for shape in SHAPES
    ]


@functools.lru_cache(maxsize=1)
def draw_problem(shape: Shape) -> FcnProblem:
    """Standard normal series and weights of the size that initial ones have."""
    draw = np.random.default_rng(0)
    T, n = shape.T, shape.h
    drawn = {
        "lstm.weight_ih_l0": (4 * n, T), "lstm.weight_hh_l0": (4 * n, n),
        "lstm.bias_l0": (4 * n,), "head.weight": (shape.d, n + FILTERS[-1]),
        "head.bias": (shape.d,),
    }  # fmt: skip
    for k, (c, taps, f) in enumerate(zip((1, *FILTERS), TAPS, FILTERS), 1):
        drawn[f"conv{k}.weight"], drawn[f"conv{k}.bias"] = (f, taps, c), (f,)
        drawn[f"norm{k}.weight"] = drawn[f"norm{k}.bias"] = (f,)
    weights = {}
    for name, size in drawn.items():
        spread = np.sqrt(2 / np.prod(size[1:])) if len(size) > 1 else 0.1
        weights[name] = spread * draw.standard_normal(size)
        if name.startswith("norm") and name.endswith("weight"):
            weights[name] += 1
    x = draw.standard_normal((shape.B, T), np.float32)
    return FcnProblem(x, draw.integers(0, shape.d, shape.B), weights)


def batches(problem: FcnProblem) -> list[tuple[np.ndarray, np.ndarray]]:
    """The series and classes of each step of an epoch."""
    return [
        (problem.x[k : k + BATCH], problem.y[k : k + BATCH])
        for k in range(0, len(problem.x), BATCH)
    ]


def solve(x, weights) -> np.ndarray:
    """Logits in training, without dropout, in float64: the tests' reference."""
    reference = SimpleNamespace(**load_reference("reference_fcn"))
    maps = [series[:, None] for series in x.astype(np.float64)]
    parts: dict = {}
    for key, array in weights.items():
        prefix, _, name = key.partition(".")
        parts.setdefault(prefix, {})[name] = array
    for k in range(1, len(FILTERS) + 1):
        conv, norm = parts[f"conv{k}"], parts[f"norm{k}"]
        maps = [reference.conv1d(m, conv["weight"], conv["bias"]) for m in maps]
        maps = [reference.relu(m) for m in reference.batch_norm(maps, norm, EPSILON)]
    lstm = {k: parts["lstm"][f"{n}_l0"] for k, n in
            (("W", "weight_ih"), ("R", "weight_hh"), ("b", "bias"))}  # fmt: skip
    zeros = np.zeros(len(lstm["b"]) // 4)
    logits = []
    for series, m in zip(x.astype(np.float64), maps, strict=True):
        _, h, _ = reference.lstm(series[None], zeros, zeros, lstm)
        features = np.concatenate([h, reference.global_average(m)])
        logits.append(parts["head"]["weight"] @ features + parts["head"]["bias"])
    return np.array(logits)


def mean_loss(logits, y) -> float:
    """Softmax cross-entropy."""
    own = logits[np.arange(len(y)), y]
    return float((np.logaddexp.reduce(logits, axis=1) - own).mean())


@functools.lru_cache(maxsize=1)
def reference_of(shape: Shape):
    """Logits of the first batch, a direction through all weights, the slope on it."""
    problem = draw_problem(shape)
    x, y = batches(problem)[0]
    draw = np.random.default_rng(1)
    along = {k: draw.standard_normal(w.shape) * abs(w).mean()
             for k, w in problem.weights.items()}  # fmt: skip
    losses = []
    for sign in (1, -1):
        moved = {k: w + sign * STEP * along[k] for k, w in problem.weights.items()}
        losses.append(mean_loss(solve(x, moved), y))
    return solve(x, problem.weights), along, (losses[0] - losses[1]) / (2 * STEP)


def judge(case: FcnCase, answers: dict) -> tuple[dict, dict]:
    """Check logits and gradient of the first batch, dropout off, in float64."""
    logits, along, slope = reference_of(case.shape)
    errors, faults = {}, {}
    for peer, answer in answers.items():
        found = sum((answer["gradient"][k] * along[k]).sum() for k in along)
        error = {
            "output_error": float(abs(answer["logits"] - logits).max()),
            "gradient_error": float(abs(found / slope - 1)),
        }
        limits = (LOGIT_TOLERANCE, SLOPE_TOLERANCE)
        if all(e <= limit for e, limit in zip(error.values(), limits)):
            errors[peer] = error
        else:
            faults[peer] = f"expected errors of at most {limits}, got {error}"
    return errors, faults


def table(record) -> str:
    """A row per data set and number of threads."""
    from bench.tables import _means, _ratio, _share, _table, _time

    head = ["series", "steps × series × classes × units", "threads", "lstmc ms"]
    rows = [
        [
            case["shape"]["name"],
            " × ".join(str(case["shape"][letter]) for letter in "TBdh"),
            str(case["threads"]),
            *(_time(case, peer) for peer in ("lstmc", "torch")),
            _ratio(case),
            _share(case),
        ]
        for case in sorted(record["cases"], key=lambda c: c["threads"])
    ]
    note = (
        f"\nAn epoch in batches of {BATCH}, in float32. Ratio: torch to lstmc; "
        f"geometric mean {_means(record['cases'])}.\n"
    )
    return _table([*head, "torch ms", "ratio", "% of peak"], rows, words=2) + note
