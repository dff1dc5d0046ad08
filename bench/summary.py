"""A grid in a few lines: mean ratios, the least of them, and how much is left."""

from __future__ import annotations

import statistics

from bench import tables
from bench.record import OURS, figures


def table(record) -> str:
    """A row per cell, kind and threads: the mean ratio, the least, and the shares."""
    head = ["layer", "work", "threads", "mean ratio", "least", "% of peak: median",
            "mean at the peak"]  # fmt: skip
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
                f"{mean_at_peak(cases):.2f}",
            ]
        )
    return tables._table(head, rows, words=2) + (
        "\nOver the shapes of the grid. Mean at the peak: what the mean ratio would be "
        "if batches ran at the peak of multiply-adds and nothing else took time; "
        "sequences alone as they are.\n"
    )


def mean_at_peak(cases) -> float:
    """The mean ratio if all products of several sequences ran at the peak.

    Examples
    --------
    >>> case = {"ratio": 2.0, "peers": {"lstmc": {"percent_of_peak": 50.0}}}
    >>> batch, alone = {**case, "shape": {"B": 32}}, {**case, "shape": {"B": 1}}
    >>> round(mean_at_peak([batch, alone]) ** 2, 9)
    8.0
    """
    return statistics.geometric_mean(
        case["ratio"] * max(1, 100 / case["peers"][OURS]["percent_of_peak"])
        if case["shape"]["B"] > 1
        else case["ratio"]
        for case in cases
    )
