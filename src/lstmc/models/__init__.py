"""Models: what fits leave behind; they predict, and go to files, with NumPy alone."""

from .file import ModelFileError
from .forecaster import ForecasterModel
from .loading import load
from .model import ClassifierModel, RegressorModel
from .transcriber import TranscriberModel

__all__ = [
    "ClassifierModel",
    "ForecasterModel",
    "ModelFileError",
    "RegressorModel",
    "TranscriberModel",
    "load",
]
