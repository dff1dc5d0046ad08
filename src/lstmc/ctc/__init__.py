"""Connectionist temporal classification: labels without their times."""

from ._alignment import Alignment, align
from ._loss import CTCLoss, loss

__all__ = ["Alignment", "CTCLoss", "align", "loss"]
