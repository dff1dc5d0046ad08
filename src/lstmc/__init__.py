"""lstmc: the LSTM family on CPUs, in C kernels behind scikit-learn's manners.

Importing it imports NumPy alone; what needs more is loaded when first asked for.
"""

from importlib import import_module

from ._threads import set_num_threads
from .config import architectures, cells, release_memory, show_config
from .images import Images
from .sequences import Sequences

__version__ = "0.1.0"

# Where the names that are loaded on demand live.
_LAZY = {
    "ConvLSTMForecaster": "estimators",
    "HighwayClassifier": "estimators",
    "HighwayRegressor": "estimators",
    "LSTMClassifier": "estimators",
    "LSTMFCNClassifier": "estimators",
    "LSTMRegressor": "estimators",
    "LSTMTranscriber": "estimators",
    "MDLSTMClassifier": "estimators",
    "MDLSTMTranscriber": "estimators",
    "load": "models",
    "ModelFileError": "models",
    "DivergenceError": "training",
    "ctc": None,
    "datasets": None,
    "display": None,
    "layers": None,
    "metrics": None,
}

__all__ = [
    "ConvLSTMForecaster",
    "DivergenceError",
    "HighwayClassifier",
    "HighwayRegressor",
    "Images",
    "LSTMClassifier",
    "LSTMFCNClassifier",
    "LSTMRegressor",
    "LSTMTranscriber",
    "MDLSTMClassifier",
    "MDLSTMTranscriber",
    "ModelFileError",
    "Sequences",
    "architectures",
    "cells",
    "ctc",
    "datasets",
    "display",
    "layers",
    "load",
    "metrics",
    "release_memory",
    "set_num_threads",
    "show_config",
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'lstmc' has no attribute {name!r}")
    if _LAZY[name] is None:
        return import_module(f".{name}", __name__)
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_LAZY])
