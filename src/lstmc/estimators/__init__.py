"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .highway import HighwayClassifier, HighwayRegressor
from .regressor import LSTMRegressor
from .transcriber import LSTMTranscriber

__all__ = [
    "HighwayClassifier",
    "HighwayRegressor",
    "LSTMClassifier",
    "LSTMRegressor",
    "LSTMTranscriber",
]
