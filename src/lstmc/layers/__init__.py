"""Layers: forward, backward and parameters, one class a file."""

from .dense import Dense
from .recurrent import Recurrent
from .stream import Stream

__all__ = ["Dense", "Recurrent", "Stream"]
