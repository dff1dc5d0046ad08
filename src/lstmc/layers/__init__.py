"""Layers: forward, backward and parameters, one class a file."""

from .dense import Dense
from .highway import Highway
from .recurrent import Recurrent
from .stream import Stream

__all__ = ["Dense", "Highway", "Recurrent", "Stream"]
