"""Connectionist temporal classification: labels without their times."""

from ._alignment import Alignment, align
from ._decoding import best_path, prefix_beam, prefix_search
from ._hypothesis import Hypothesis
from ._keywords import Detection, KeywordSpotter
from ._language_model import NGram
from ._lexicon import Lexicon
from ._loss import CTCLoss, loss

__all__ = [
    "Alignment",
    "CTCLoss",
    "Detection",
    "Hypothesis",
    "KeywordSpotter",
    "Lexicon",
    "NGram",
    "align",
    "best_path",
    "loss",
    "prefix_beam",
    "prefix_search",
]
