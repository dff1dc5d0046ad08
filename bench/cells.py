"""Every cell of the registry: beside lstm, and against a PyTorch loop of its equations.

Cells differ in the products of a step, so what is compared is the time for each
multiply-add: that of a cell, by that of lstm on the same shape, in turns with it.
"""

from __future__ import annotations

import dataclasses

from bench.grid import KINDS, SHAPES, THREADS, Case, registry
from bench.record import OURS, YARDSTICK

LOOP = "torch-loop"
PEERS = (OURS, YARDSTICK, LOOP)
BESIDE_LSTM = ("series-b256", "charlm-b32")
AGAINST_LOOP = ("series-b64",)
# What we promise: times lstm's time for each multiply-add, and times the loop's speed.
MOST, LEAST = 1.35, 3.0


class CellCase(Case):
    """A cell on a shape; the yardstick runs lstm on it."""

    def of(self, peer: str) -> Case:
        """What a peer measures."""
        if peer != YARDSTICK:
            return self
        return dataclasses.replace(self, cell="lstm")


def plan_cells(threads=None) -> list[CellCase]:
    """Every cell on every shape, in inference and training."""
    return [
        CellCase(SHAPES[name], cell, kind, count)
        for count in threads or THREADS
        for name in (*BESIDE_LSTM, *AGAINST_LOOP)
        for cell in registry()
        for kind in KINDS
    ]


def plays(peer: str, case: Case) -> bool:
    """Whether a peer is measured on a case."""
    names = {YARDSTICK: BESIDE_LSTM, LOOP: AGAINST_LOOP}
    return case.shape.name in names.get(peer, (case.shape.name,))
