"""The result file: one JSON of the machine and, per case, what each peer took."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

OURS = "lstmc"
YARDSTICK = "lstmc-lstm"  # runs lstm where others run the cell of a case
RESULTS = Path(__file__).with_name("results")
# A file is continued only where these are the same.
IDENTITY = ("cpu", "cores", "versions")


@dataclass(frozen=True)
class Turn:
    """What one peer did in one round."""

    median: float  # seconds per call
    best: float  # seconds per call
    peak: float  # FLOP/s of as many threads, measured just before


def summarise(case, turns: dict, errors: dict, faults: dict) -> dict:
    """Make the JSON entry of a case.

    Parameters
    ----------
    case : Case
        What was measured.
    turns : dict
        Peer name to its list of `Turn`, one per round.
    errors : dict
        Peer name to what its check found: ``output_error`` and
        ``gradient_error``, or the losses and ``accuracy`` of a fit.
    faults : dict
        Peer name to the reason why it was not timed.

    Returns
    -------
    dict
        For each peer seconds, the peak beside each round in GFLOP/s, the percentage
        of it that was reached, and ``ratio``, how many times longer than lstmc it
        takes; ``best_peer``, the fastest of the others, and its ``ratio``;
        ``to_lstm``, our time per operation by that of the yardstick.
    """
    entry = {
        "shape": dataclasses.asdict(case.shape),
        "cell": case.cell,
        "kind": case.kind,
        "threads": case.threads,
        "flops": case.flops,
        "peers": {
            peer: _summarise_peer(case.of(peer).flops, rounds)
            | {name: digits(value) for name, value in errors[peer].items()}
            for peer, rounds in turns.items()
        },
    }
    if faults:
        entry["faults"] = faults
    if OURS in turns and YARDSTICK in turns:
        work = case.of(YARDSTICK).flops / case.flops
        entry["to_lstm"] = digits(work * ratio(turns[OURS], turns[YARDSTICK]))
    others = [peer for peer in turns if peer not in (OURS, YARDSTICK)]
    if others and OURS in turns:
        for peer in others:
            entry["peers"][peer]["ratio"] = digits(ratio(turns[peer], turns[OURS]))
        best = min(others, key=lambda peer: entry["peers"][peer]["median"])
        entry["best_peer"] = best
        entry["ratio"] = entry["peers"][best]["ratio"]
    return entry


def ratio(theirs: list[Turn], ours: list[Turn]) -> float:
    """Median over the rounds of their time by ours in the same round."""
    return statistics.median(
        t.median / o.median for t, o in zip(theirs, ours, strict=True)
    )


def digits(value: float) -> float:
    """Keep four significant digits."""
    return float(f"{value:.4g}")


def figures(value: float) -> str:
    """Three significant digits without an exponent.

    Examples
    --------
    >>> figures(2038.4), figures(0.55291), figures(98.76)
    ('2040', '0.553', '98.8')
    """
    return f"{float(f'{value:.3g}'):g}"


def key(entry) -> tuple:
    """What tells one entry of a file from another."""
    return entry["shape"]["name"], entry["cell"], entry["kind"], entry["threads"]


def case_key(case) -> tuple:
    """`key` of the entry that this case will get."""
    return case.shape.name, case.cell, case.kind, case.threads


def open_record(path: Path, machine: dict, settings: dict) -> dict:
    """Read a file to continue it, or begin a new one.

    The rounds are those of this run: a case may be measured again with more of them.

    Raises
    ------
    ValueError
        If the file comes from another machine, other versions or other settings.
    """
    if not path.exists():
        return {"machine": machine, "settings": settings, "cases": []}
    record = json.loads(path.read_text())
    record["settings"]["rounds"] = settings["rounds"]
    fresh = {name: machine[name] for name in IDENTITY} | settings
    found = {name: record["machine"][name] for name in IDENTITY} | record["settings"]
    # A peer that the file does not know has no results in it.
    fresh["versions"] = {
        name: version
        for name, version in fresh["versions"].items()
        if name in found["versions"]
    }
    if found != fresh:
        raise ValueError(
            f"{path.name}: expected results of {fresh}, got results of {found}; "
            "remove the file or choose another --name"
        )
    return record


def add_entry(record: dict, entry: dict) -> None:
    """Put an entry in the place of an older one of the same case, or at the end."""
    cases = record["cases"]
    places = [k for k, old in enumerate(cases) if key(old) == key(entry)]
    for place in places or [len(cases)]:
        cases[place : place + 1] = [entry]


def save_record(path: Path, record: dict) -> None:
    """Write the file whole or not at all, one case a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({**record, "cases": []}, indent=1).removesuffix("]\n}")
    lines = ",\n".join(json.dumps(entry) for entry in record["cases"])
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(f"{head}\n{lines}\n ]\n}}\n")
    os.replace(scratch, path)


def _summarise_peer(flops, rounds):
    """Seconds of a peer over all rounds, and its share of the peak beside it."""
    share = statistics.median(flops / turn.median / turn.peak for turn in rounds)
    return {
        "median": digits(statistics.median(turn.median for turn in rounds)),
        "min": digits(min(turn.best for turn in rounds)),
        "medians": [digits(turn.median) for turn in rounds],
        "peaks_gflops": [digits(turn.peak / 1e9) for turn in rounds],
        "percent_of_peak": digits(100 * share),
    }
