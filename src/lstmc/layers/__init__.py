"""Layers: forward, backward and parameters, one class a file."""

from .attention import AttentionLSTM
from .batch_norm import BatchNorm
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
from .pooling import GlobalAveragePooling
from .recurrent import Recurrent
from .relu import ReLU
from .stream import Stream
from .xlstm import XLSTM, XLSTMBlock

__all__ = [
    "MDLSTM",
    "MLSTM",
    "XLSTM",
    "AttentionLSTM",
    "BatchNorm",
    "BlockStream",
    "Blocks",
    "Collapse",
    "Conv1D",
    "ConvLSTM",
    "Dense",
    "GlobalAveragePooling",
    "Highway",
    "MLSTMStream",
    "ReLU",
    "Recurrent",
    "Stream",
    "XLSTMBlock",
]
