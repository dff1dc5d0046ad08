"""Layers: forward, backward and parameters, one class a file."""

from .blocks import Blocks
from .collapse import Collapse
from .dense import Dense
from .highway import Highway
from .mdlstm import MDLSTM
from .recurrent import Recurrent
from .stream import Stream

__all__ = [
    "MDLSTM",
    "Blocks",
    "Collapse",
    "Dense",
    "Highway",
    "Recurrent",
    "Stream",
]
