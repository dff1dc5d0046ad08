"""Stacks by word: layers of a cell of the registry, or blocks of an xLSTM."""

from __future__ import annotations

from .options import check_options
from .recurrent import Recurrent
from .stack import Stack, registry
from .xlstm import XLSTM, parse_cell

# What a stack of blocks has no choice of, and the only value that it can have.
FIXED = {
    "bidirectional": False, "output_activation": "tanh", "proj_size": 0,
    "static_size": 0, "gradient": "full", "block_size": 1, "cell_bias": True,
    "residual": False, "highway": False,
    "variational": False, "recurrent_dropout": 0.0, "zoneout": 0.0, "drop_connect": 0.0,
}  # fmt: skip
# The same of initial weights, which blocks draw in their own way.
OWN = {
    "input_initializer": "glorot_uniform", "recurrent_initializer": "orthogonal",
    "forget_bias": 1.0,
}  # fmt: skip


def facts_of(cell):
    """The facts of a cell of the registry; of blocks, what they have of them."""
    if parse_cell(cell):
        return {"name": cell, "timed": False, "statics": 0}
    return registry()[cell][1]


def check_stack(cell, given):
    """Raise ValueError for options, a dict by name, that no stack of the cell can have.

    Examples
    --------
    >>> check_stack("mlstm", {"zoneout": 0.1})
    Traceback (most recent call last):
    ValueError: zoneout: expected 0.0 with the cell 'mlstm', got 0.1
    """
    if not parse_cell(cell):
        facts = facts_of(cell)
        check_options(facts, input_size=1, static_size=facts["statics"], **given)
        return
    _check_fixed(cell, given, FIXED | OWN)
    XLSTM.check(cell, **{
        name: given[name]
        for name in ("hidden_size", "num_layers", "num_heads", "dropout")
        if name in given
    })  # fmt: skip


def _check_fixed(cell, given, fixed):
    for name, value in fixed.items():
        if name in given and not _same(given[name], value):
            raise ValueError(
                f"{name}: expected {value!r} with the cell {cell!r}, got "
                f"{given[name]!r}"
            )


def _same(given, value):
    """Whether an option has its only value, a pair of them included."""
    return given == value or (isinstance(given, list | tuple) and set(given) == {value})


def make_stack(input_size, hidden_size, cell="lstm", **options) -> Stack | XLSTM:
    """A `Recurrent` or an `XLSTM`, by the word for its cell.

    Initializers go to a `Recurrent` alone.

    Examples
    --------
    >>> make_stack(3, 8, "xlstm[1:1]", num_heads=2).kinds
    ('mlstm', 'slstm')
    """
    if not parse_cell(cell):
        return Recurrent(input_size, hidden_size, cell, **options)
    _check_fixed(cell, options, FIXED)
    left = {k: v for k, v in options.items() if k not in FIXED and k not in OWN}
    return XLSTM(input_size, hidden_size, cell, **left)
