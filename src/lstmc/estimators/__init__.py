"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .highway import HighwayClassifier, HighwayRegressor
from .mdlstm_classifier import MDLSTMClassifier
from .mdlstm_transcriber import MDLSTMTranscriber
from .regressor import LSTMRegressor
from .transcriber import LSTMTranscriber

__all__ = [
    "HighwayClassifier",
    "HighwayRegressor",
    "LSTMClassifier",
    "LSTMRegressor",
    "LSTMTranscriber",
    "MDLSTMClassifier",
    "MDLSTMTranscriber",
]
