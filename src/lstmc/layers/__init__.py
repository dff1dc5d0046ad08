"""Layers: forward, backward and parameters, one class a file."""

from .blocks import Blocks
from .collapse import Collapse
from .conv import Conv1D
from .convlstm import ConvLSTM
from .dense import Dense
from .highway import Highway
from .mdlstm import MDLSTM
from .recurrent import Recurrent
from .stream import Stream

__all__ = [
    "MDLSTM",
    "Blocks",
    "Collapse",
    "Conv1D",
    "ConvLSTM",
    "Dense",
    "Highway",
    "Recurrent",
    "Stream",
]
