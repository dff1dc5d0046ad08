"""Whole fits: LSTMClassifier against careful PyTorch loops on japanese vowels."""

from __future__ import annotations

import importlib
import statistics
from dataclasses import dataclass
from typing import ClassVar

from bench.grid import THREADS, Case, Shape

# Peer to its module and what its build takes more: PyTorch runs packed sequences
# step by step, padded ones in oneDNN, so both deserve to be measured.
FITS = {
    "lstmc": ("lstmc_fit", ()),
    "torch-packed": ("torch_fit", (True,)),
    "torch-padded": ("torch_fit", (False,)),
}
# T is the longest utterance to learn from, B the batch.
VOWELS = Shape("japanese-vowels", T=26, B=32, d=12, h=64, layers=1, directions=1)
TRAINING_STEPS = 4274  # of all 270 utterances together

# Every fit: adam, cross-entropy, the state after the last step into a dense layer.
LEARNING_RATE = 1e-3
MAX_GRAD_NORM = 1.0
# By seed the loss of the last epoch differs by a factor of two, the mean by 10 %.
LOSS_FACTOR = 1.25


@dataclass(frozen=True)
class FitCase(Case):
    """A whole fit, set-up included; times are per epoch."""

    epochs: ClassVar[int] = 30

    @property
    def flops(self) -> int:
        """Operations of one epoch in the recurrent layer; padding does not count."""
        row = Shape("row", 1, 1, self.shape.d, self.shape.h, 1, 1)
        return TRAINING_STEPS * row.flops(self.cell, "training")


def plan_fits(threads=None) -> list[FitCase]:
    """One case per number of threads."""
    return [FitCase(VOWELS, "lstm", "fit", count) for count in threads or THREADS]


def build(peer: str, case: FitCase):
    """Build ``step, read`` as `bench.peers` does; answers are losses and accuracy."""
    module, options = FITS[peer]
    return importlib.import_module(f"bench.peers.{module}").build(case, *options)


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
