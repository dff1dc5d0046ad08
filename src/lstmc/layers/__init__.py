"""Layers: forward, backward and parameters, one class a file."""

from .attention import AttentionLSTM
from .batch_norm import BatchNorm
from .conv import Conv1D
from .dense import Dense
from .pooling import GlobalAveragePooling
from .recurrent import Recurrent
from .relu import ReLU
from .stream import Stream

__all__ = [
    "AttentionLSTM",
    "BatchNorm",
    "Conv1D",
    "Dense",
    "GlobalAveragePooling",
    "ReLU",
    "Recurrent",
    "Stream",
]
