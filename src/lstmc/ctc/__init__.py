"""Connectionist temporal classification: labels without their times."""

from ._decoding import Hypothesis, best_path, prefix_beam
from ._loss import CTCLoss, loss

__all__ = ["CTCLoss", "Hypothesis", "best_path", "loss", "prefix_beam"]
