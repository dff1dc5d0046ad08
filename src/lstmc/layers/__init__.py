"""Layers: forward, backward and parameters, one class a file."""

from .conv import Conv1D
from .convlstm import ConvLSTM
from .dense import Dense
from .recurrent import Recurrent
from .stream import Stream

__all__ = ["Conv1D", "ConvLSTM", "Dense", "Recurrent", "Stream"]
