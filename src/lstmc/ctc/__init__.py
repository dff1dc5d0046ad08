"""Connectionist temporal classification: labels without their times."""

from ._decoding import Hypothesis, best_path, prefix_beam

__all__ = ["Hypothesis", "best_path", "prefix_beam"]
