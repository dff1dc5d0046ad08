"""Layers: forward, backward and parameters, one class a file."""

from .block_stream import BlockStream
from .dense import Dense
from .mlstm import MLSTM
from .mlstm_stream import MLSTMStream
from .recurrent import Recurrent
from .stream import Stream
from .xlstm import XLSTM, XLSTMBlock

__all__ = [
    "MLSTM",
    "XLSTM",
    "BlockStream",
    "Dense",
    "MLSTMStream",
    "Recurrent",
    "Stream",
    "XLSTMBlock",
]
