"""Connectionist temporal classification: labels without their times."""

from ._loss import CTCLoss, loss

__all__ = ["CTCLoss", "loss"]
