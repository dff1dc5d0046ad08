"""Layers: forward, backward and parameters, one class a file."""

from .block_stream import BlockStream
from .blocks import Blocks
from .collapse import Collapse
from .conv import Conv1D
from .convlstm import ConvLSTM
from .dense import Dense
from .highway import Highway
from .mdlstm import MDLSTM
from .mlstm import MLSTM
from .mlstm_stream import MLSTMStream
from .recurrent import Recurrent
from .stream import Stream
from .xlstm import XLSTM, XLSTMBlock

__all__ = [
    "MDLSTM",
    "MLSTM",
    "XLSTM",
    "BlockStream",
    "Blocks",
    "Collapse",
    "Conv1D",
    "ConvLSTM",
    "Dense",
    "Highway",
    "MLSTMStream",
    "Recurrent",
    "Stream",
    "XLSTMBlock",
]
