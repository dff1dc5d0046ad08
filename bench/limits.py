"""What bounds one sequence alone: how fast the weights come out of the caches."""

from __future__ import annotations

import ctypes
import json
import statistics
from pathlib import Path

from bench.grid import SHAPES
from bench.machine import describe_machine
from bench.peak import fma_peak, fma_target, open_library
from bench.record import RESULTS, digits
from lstmc.layers.layer import aligned

SOURCE = Path(__file__).with_name("limits.c")
FLAGS = {"AVX2": ("-mavx2", "-mfma"), "AVX-512": ("-mavx512f",)}
ROUNDS = 21
SECONDS = 0.01


def measure(folder=RESULTS, say=print) -> None:
    """Write limits.json into a folder."""
    rates = {}
    for units in sorted({s.h for s in SHAPES.values() if s.B == 1}):
        rates[units] = digits(read_rate(units) / 1e9)
        say(f"{units} units, {16 * units**2 >> 10} KiB: {rates[units]:.3g} GB/s")
    record = {
        "machine": describe_machine(),
        "peak_gflops": digits(fma_peak() / 1e9),
        "sustained_gflops": digits(fma_peak(seconds=1.0) / 1e9),
        "rounds": ROUNDS,
        "gb_per_second": rates,
    }
    (folder / "limits.json").write_text(json.dumps(record, indent=1) + "\n")


def read_rate(units: int) -> float:
    """Bytes a second at which one thread reads the R of an LSTM of so many units.

    Parameters
    ----------
    units : int
        Hidden units, a multiple of 16.

    Examples
    --------
    >>> read_rate(32) > 1e8
    True
    """
    library = open_library(SOURCE, *FLAGS.get(fma_target(), ()))
    library.read_rate.restype = ctypes.c_double
    library.read_rate.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_double)
    weights = aligned(4 * units**2, "float32")
    weights[:] = 0
    place = weights.ctypes.data
    samples = [library.read_rate(place, units, SECONDS) for _ in range(ROUNDS)]
    return statistics.median(samples)


def floor_seconds(shape: dict, gates: int, record: dict) -> float:
    """Seconds that one sequence through the layers takes at least, on one thread.

    R has to come out of its cache at every step, and the products of W with all inputs
    take what the peak allows.

    Parameters
    ----------
    shape : dict
        A shape of the grid.
    gates : int
        Rows of R per unit.
    record : dict
        What `measure` wrote.

    Examples
    --------
    >>> floor_seconds(
    ...     {"T": 10, "d": 1, "h": 32, "layers": 1, "directions": 1}, 4,
    ...     {"gb_per_second": {"32": 16.384}, "peak_gflops": 2560.0},
    ... )
    1.0001e-05
    """
    h, sides = shape["h"], shape["directions"]
    inputs = [shape["d"]] + [sides * h] * (shape["layers"] - 1)
    recurrent = 4 * gates * h * h / (1e9 * record["gb_per_second"][str(h)])
    products = sum(2 * gates * h * m for m in inputs) / (1e9 * record["peak_gflops"])
    return shape["T"] * sides * (shape["layers"] * recurrent + products)
