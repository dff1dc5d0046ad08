"""lstmc with each instruction set that the machine has: who is measured, and the table.

The best one is what lstmc takes by itself; the others are variants of the peer.
"""

from __future__ import annotations

from bench import tables
from bench.grid import KINDS, SHAPES, Case, cross
from bench.record import OURS
from lstmc import _core

PEERS = (OURS, *(f"{OURS}-{name}" for name in _core.targets()[1:]))
NAMES = ("series-b64", "speech-b16", "charlm-b32")


def plan(threads=None) -> list[Case]:
    """One case per number of threads, shape and kind."""
    return cross([SHAPES[name] for name in NAMES], ["lstm"], KINDS, threads)


def table(record) -> str:
    """A row per kind, threads and shape: the best instruction set, then the others."""
    best, *others = record["machine"]["targets"]
    head = ["work", "shape", "threads", f"{best} ms"]
    for name in others:
        head += [f"{name} ms", "ratio"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: (c["kind"], c["threads"])):
        row = [case["kind"], case["shape"]["name"], str(case["threads"])]
        row.append(tables._time(case, OURS))
        for peer in (f"{OURS}-{name}" for name in others):
            row += [tables._time(case, peer), tables._ratio(case, peer)]
        rows.append(row)
    return tables._table(head, rows, words=2) + f"\nRatio: to {best}.\n"
