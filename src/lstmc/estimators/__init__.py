"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .regressor import LSTMRegressor
from .transcriber import LSTMTranscriber

__all__ = ["LSTMClassifier", "LSTMRegressor", "LSTMTranscriber"]
