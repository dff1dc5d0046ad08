"""Whole fits: LSTMClassifier against careful PyTorch loops on real data."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.datasets import DATA_SETS, load
from bench.grid import THREADS, Case, Shape

# PyTorch runs packed sequences step by step, padded ones in oneDNN, so both deserve
# to be measured.
FITS = ("lstmc", "torch-packed", "torch-padded")

# Every fit: adam, cross-entropy, the state after the last step into a dense layer.
LEARNING_RATE = 1e-3
MAX_GRAD_NORM = 1.0
# By seed the loss of the last epoch differs by a factor of two, the mean by 10 %.
LOSS_FACTOR = 1.25


@dataclass(frozen=True)
class FitCase(Case):
    """A whole fit, set-up included; times are per epoch."""

    @property
    def repeats(self) -> int:
        """Epochs of a fit."""
        return DATA_SETS[self.shape.name].epochs

    @property
    def flops(self) -> int:
        """Operations of one epoch in the recurrent layer; padding does not count."""
        step = Shape("step", 1, 1, self.shape.d, self.shape.h)
        return DATA_SETS[self.shape.name].steps * step.flops(self.cell, "training")

    def make_problem(self):
        """The data set."""
        return load(self.shape.name)


def plan_fits(threads=None) -> list[FitCase]:
    """One case per number of threads and data set."""
    return [
        FitCase(data.shape, "lstm", "fit", count)
        for count in threads or THREADS
        for data in DATA_SETS.values()
    ]


def fetch(cases) -> None:
    """Load each case's data once, so that what is missing is known before the start."""
    for case in cases:
        load(case.shape.name)


def judge(case: FitCase, answers: dict) -> tuple[dict, dict]:
    """Demand that no peer's loss, mean over the epochs, is far above the lowest."""
    means = {peer: statistics.fmean(a["losses"]) for peer, a in answers.items()}
    errors, faults = {}, {}
    for peer, answer in answers.items():
        limit = LOSS_FACTOR * min(means.values())
        if means[peer] <= limit:
            errors[peer] = {
                "mean_loss": means[peer],
                "last_loss": answer["losses"][-1],
                "accuracy": answer["accuracy"],
            }
        else:
            faults[peer] = (
                f"mean loss: expected at most {limit:.3g}, {LOSS_FACTOR} times the "
                f"lowest, got {means[peer]:.3g}"
            )
    return errors, faults
