"""Estimators: the networks behind scikit-learn's interface."""

from .classifier import LSTMClassifier
from .regressor import LSTMRegressor

__all__ = ["LSTMClassifier", "LSTMRegressor"]
