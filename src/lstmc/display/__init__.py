"""Pictures of fits and of what they learnt, in the manner of scikit-learn's."""

from .alignment import CTCAlignmentDisplay
from .loss_curve import LossCurveDisplay

__all__ = ["CTCAlignmentDisplay", "LossCurveDisplay"]
