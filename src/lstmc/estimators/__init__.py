"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .forecaster import ConvLSTMForecaster
from .highway import HighwayClassifier, HighwayRegressor
from .lstm_fcn import LSTMFCNClassifier
from .mdlstm_classifier import MDLSTMClassifier
from .mdlstm_transcriber import MDLSTMTranscriber
from .regressor import LSTMRegressor
from .transcriber import LSTMTranscriber

__all__ = [
    "ConvLSTMForecaster",
    "HighwayClassifier",
    "HighwayRegressor",
    "LSTMClassifier",
    "LSTMFCNClassifier",
    "LSTMRegressor",
    "LSTMTranscriber",
    "MDLSTMClassifier",
    "MDLSTMTranscriber",
]
