"""Layers: forward, backward and parameters, one class a file."""

from .dense import Dense
from .mlstm import MLSTM
from .mlstm_stream import MLSTMStream
from .recurrent import Recurrent
from .stream import Stream

__all__ = ["MLSTM", "Dense", "MLSTMStream", "Recurrent", "Stream"]
