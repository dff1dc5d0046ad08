"""Options of recurrent layers: what goes together, and what a cell allows."""

from __future__ import annotations

from numbers import Real

OUTPUT_ACTIVATIONS = ("tanh", "identity")
GRADIENTS = ("full", "truncated")
MOST_HEADS = 16  # as in lstmc.h


def check_options(facts, **options):
    """Raise ValueError for a number or a choice that no layer of that cell can have."""
    for name, least in (
        ("input_size", 1), ("hidden_size", 1), ("num_layers", 1), ("num_heads", 1),
        ("block_size", 1), ("proj_size", 0), ("static_size", 0),
    ):  # fmt: skip
        check_integer(name, options[name], least)
    for name in ("dropout", "recurrent_dropout", "drop_connect"):
        check_share(name, options[name])
    check_choice("output_activation", options["output_activation"], OUTPUT_ACTIVATIONS)
    check_choice("gradient", options["gradient"], GRADIENTS)
    if options["num_heads"] > MOST_HEADS:
        raise ValueError(
            f"num_heads: expected at most {MOST_HEADS}, got {options['num_heads']}"
        )
    bias = options["forget_bias"]
    if bias != "power_law" and (not isinstance(bias, Real) or isinstance(bias, bool)):
        raise ValueError(f'forget_bias: expected a number or "power_law", got {bias!r}')
    _check_cell(facts, options)
    _check_shortcuts(options)
    if options["hidden_size"] % options["num_heads"]:
        raise ValueError(
            "num_heads: expected a divisor of hidden_size "
            f"{options['hidden_size']}, got {options['num_heads']}"
        )


def _check_cell(facts, options):
    cell, n = facts["name"], options["hidden_size"]
    if options["output_activation"] != "tanh" and not facts["squashes"]:
        raise ValueError(f"output_activation: the cell {cell!r} has none to choose")
    if options["proj_size"]:
        if not facts["projects"]:
            raise ValueError(f"proj_size: the cell {cell!r} has no projection")
        if options["proj_size"] > n or options["num_heads"] > 1:
            raise ValueError(
                f"proj_size: expected at most hidden_size {n}, and one head, got "
                f"{options['proj_size']} and {options['num_heads']} heads"
            )
    has_r = facts["r_blocks"] > 0
    for name, has in (
        ("recurrent_dropout", facts["reads_h"]), ("drop_connect", has_r),
    ):  # fmt: skip
        if options[name] and not has:
            raise ValueError(
                f"{name}: expected 0 with the cell {cell!r}, which has no recurrent "
                f"weights on h, got {options[name]}"
            )
    if bool(facts["statics"]) != bool(options["static_size"]):
        wanted = "at least 1" if facts["statics"] else "0"
        raise ValueError(
            f"static_size: expected {wanted} with the cell {cell!r}, "
            f"got {options['static_size']}"
        )
    if options["block_size"] == 1 and options["cell_bias"]:
        return
    if (
        "c" not in facts["states"]
        or facts["vectors"]
        or facts["timed"]
        or facts["statics"]
    ):
        raise ValueError(
            f"block_size, cell_bias: the cell {cell!r} has no gates to share among "
            "cells"
        )
    if n % options["block_size"] or options["num_heads"] > 1 or options["proj_size"]:
        raise ValueError(
            f"block_size: expected a divisor of hidden_size {n}, one head and no "
            f"projection, got {options['block_size']}"
        )


def _check_shortcuts(options):
    chosen = [name for name in ("residual", "highway") if options[name]]
    if len(chosen) > 1:
        raise ValueError("residual, highway: expected one of them at most, got both")
    if chosen and options["num_layers"] < 2:
        raise ValueError(
            f"{chosen[0]}: expected num_layers of at least 2, since nothing goes past "
            f"the first layer, got {options['num_layers']}"
        )


def checked_zoneout(zoneout):
    """The shares of h and of c as a pair, or ValueError."""
    pair = zoneout if isinstance(zoneout, (tuple, list)) else (zoneout, zoneout)
    if len(pair) != 2:
        raise ValueError(f"zoneout: expected a share, or two, got {zoneout!r}")
    for share in pair:
        check_share("zoneout", share)
    return float(pair[0]), float(pair[1])


def check_integer(name, value, least):
    """Raise ValueError unless the value is an integer of at least that."""
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(
            f"{name}: expected an integer of at least {least}, got {value!r}"
        )


def check_share(name, value):
    """Raise ValueError unless the value is a share of less than all."""
    if not 0 <= value < 1:
        raise ValueError(f"{name}: expected 0 <= {name} < 1, got {value!r}")


def check_choice(name, value, choices):
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {choices}, got {value!r}")
