"""Prefix beam search: frames of one sample against the package pyctcdecode.

Flat logits are noise: nothing is certain, and every prefix in the beam has many that
are nearly as good. Peaky ones are like those of a network that has learnt: most frames
are blank, a label takes one. Neither has a language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.grid import THREADS, Case, Shape

BEAM, CLASSES = 100, 32
PRUNED = {"label_threshold": -5.0, "beam_threshold": 10.0}  # pyctcdecode's defaults
# Without and with what pyctcdecode prunes by default.
DECODERS = ("lstmc", "lstmc-pruned", "pyctcdecode", "pyctcdecode-pruned")
FRAMES = {"flat": 50, "peaky": 200}
# A beam of pyctcdecode holds a prefix twice, by what its paths end with, so on flat
# logits it sees less; on peaky ones every decoder has to find the same.
BEHIND = {"flat": np.inf, "peaky": 1e-3}


@dataclass(frozen=True)
class DecodeCase(Case):
    """One sample decoded; times are for a frame."""

    @property
    def repeats(self) -> int:
        """Frames."""
        return self.shape.T

    @property
    def flops(self) -> int:
        """Candidates of a frame: every label after every prefix."""
        return self.shape.d * self.shape.h

    def make_problem(self):
        """Logits; see `make_logits`."""
        return make_logits(self.shape)


def plan_decoding(threads=None) -> list[DecodeCase]:
    """Both kinds of logits; d are the classes, h the prefixes of the beam."""
    return [
        DecodeCase(Shape(name, T, 1, CLASSES, BEAM), "lstm", "decode", count)
        for count in threads or THREADS[:1]
        for name, T in FRAMES.items()
    ]


def make_logits(shape: Shape) -> np.ndarray:
    """Logits (T, d), class 0 the blank."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((shape.T, shape.d), np.float32)
    if shape.name.startswith("peaky"):
        path = np.zeros(shape.T, int)
        spikes = np.cumsum(draw.integers(2, 6, shape.T))
        spikes = spikes[spikes < shape.T]
        path[spikes] = draw.integers(1, shape.d, len(spikes))
        x[np.arange(shape.T), path] += 8
    return x


def log_probability(x: np.ndarray, labels: list[int]) -> float:
    """That of a labelling, by the forward sums of CTC in float64."""
    x = x.astype(np.float64)
    y = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
    path = np.zeros(2 * len(labels) + 1, int)
    path[1::2] = labels
    skips = np.zeros(len(path), bool)
    skips[1:2] = True
    skips[2:] = (path[2:] > 0) & (path[2:] != path[:-2])
    a = np.full(len(path) + 2, -np.inf)  # two that are never reached come first
    a[1] = 0
    for frame in y:
        two = np.where(skips, a[:-2], -np.inf)
        # At the first frame the place before the path leads to its first two.
        a[2:] = np.logaddexp(np.logaddexp(a[2:], a[1:-1]), two) + frame[path]
        a[1] = -np.inf
    return float(np.logaddexp(a[-1], a[-2] if len(path) > 1 else -np.inf))


def judge(case: DecodeCase, answers: dict) -> tuple[dict, dict]:
    """Demand that no labelling is less probable than the best by too much."""
    x = make_logits(case.shape)
    found = {peer: log_probability(x, labels) for peer, labels in answers.items()}
    errors, faults = {}, {}
    for peer, value in found.items():
        behind = max(found.values()) - value
        limit = BEHIND[case.shape.name] if peer.startswith("pyctc") else 1e-3
        if behind <= limit:
            errors[peer] = {"log_probability": value}
        else:
            faults[peer] = (
                f"log probability: expected {max(found.values()):.6g} as the best, "
                f"got {value:.6g}"
            )
    return errors, faults
