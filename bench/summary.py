"""A grid in a few lines: mean ratios, the least of them, and the usual share."""

from __future__ import annotations

import statistics

from bench import tables
from bench.record import OURS, figures


def table(record) -> str:
    """A row per cell, kind and threads: the mean ratio, the least, and the shares."""
    head = ["layer", "work", "threads", "mean ratio", "least", "% of peak: median"]
    groups: dict[tuple, list] = {}
    for case in record["cases"]:
        key = case["cell"].upper(), case["kind"], case["threads"]
        groups.setdefault(key, []).append(case)
    rows = []
    for key in sorted(groups, key=lambda key: (key[0] != "LSTM", *key)):
        cases = groups[key]
        shares = [case["peers"][OURS]["percent_of_peak"] for case in cases]
        least = min(cases, key=lambda case: case["ratio"])
        rows.append(
            [
                *map(str, key),
                f"{tables.geometric_mean(cases, key[2]):.2f}",
                f"{least['ratio']:.2f} ({least['shape']['name']})",
                figures(statistics.median(shares)),
            ]
        )
    return tables._table(head, rows, words=2) + "\nOver the shapes of the grid.\n"
