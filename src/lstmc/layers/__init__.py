"""Layers: forward, backward and parameters, one class a file."""

from .dense import Dense
from .recurrent import Recurrent
from .stream import Stream
from .xlstm import XLSTM, XLSTMBlock

__all__ = ["XLSTM", "Dense", "Recurrent", "Stream", "XLSTMBlock"]
