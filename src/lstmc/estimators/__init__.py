"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .lstm_fcn import LSTMFCNClassifier
from .regressor import LSTMRegressor
from .transcriber import LSTMTranscriber

__all__ = ["LSTMClassifier", "LSTMFCNClassifier", "LSTMRegressor", "LSTMTranscriber"]
