"""The tables of README.md, rendered from the result files and from nothing else.

A block stands between ``<!-- bench:NAME -->`` and ``<!-- /bench -->``. NAME is
``machine``, ``fit``, or a cell and a kind: ``lstm-inference``, ``gru-training`` ...
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

from bench.grid import GATES, KINDS, SHAPES
from bench.record import OURS, RESULTS, figures

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- bench:(\S+) -->\n)(.*?)(<!-- /bench -->)", re.DOTALL)


def render_readme() -> None:
    """Rewrite the blocks of README.md."""
    text = README.read_text(encoding="utf-8")
    README.write_text(render(text, load_records()), encoding="utf-8")


def load_records() -> dict[str, dict]:
    """Read the committed result files, by name."""
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted(RESULTS.glob("*.json"))
    }


def render(text: str, records: dict[str, dict]) -> str:
    """Replace every block of a text.

    Parameters
    ----------
    text : str
        With any number of blocks.
    records : dict
        Result files by name: ``speed`` and ``fit``.

    Raises
    ------
    ValueError
        For a block of unknown name, or one whose results are missing.
    """

    def replace(match):
        begin, name, _, end = match.groups()
        return begin + render_block(name, records) + end

    return BLOCK.sub(replace, text)


def render_block(name: str, records: dict[str, dict]) -> str:
    """Render the block of this name."""
    if name == "machine":
        return _machine(_record("speed", records))
    if name == "fit":
        return _fit_table(_record("fit", records)["cases"])
    cell, _, kind = name.partition("-")
    if cell not in GATES or kind not in KINDS:
        raise ValueError(f"bench: expected machine, fit or CELL-KIND, got {name}")
    cases = [
        case
        for case in _record("speed", records)["cases"]
        if (case["cell"], case["kind"]) == (cell, kind)
    ]
    order = list(SHAPES)
    cases.sort(key=lambda case: (order.index(case["shape"]["name"]), case["threads"]))
    return _grid_table(cases)


def geometric_mean(cases: list[dict], threads: int) -> float:
    """Geometric mean of the ratios to the best peer at a number of threads."""
    return statistics.geometric_mean(
        case["ratio"] for case in cases if case["threads"] == threads
    )


def _record(name, records):
    if name not in records:
        raise ValueError(f"bench: expected results/{name}.json, got {sorted(records)}")
    return records[name]


def _machine(record):
    """One sentence: where, with what and how often it was measured."""
    machine, settings = record["machine"], record["settings"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['instructions']}, "
        f"{machine['system']}, {machine['compiler']}, Python {machine['python']}, "
        f"{versions}; {machine['date']}, medians of {settings['rounds']} rounds.\n"
    )


def _grid_table(cases):
    """A row per case, a column per peer that any case has."""
    if not cases:
        raise ValueError("bench: expected results for the block, got none")
    peers = list(dict.fromkeys(peer for case in cases for peer in case["peers"]))
    head = ["shape", "T × B × d × h", "threads", *(f"{peer} ms" for peer in peers)]
    rows = [
        [
            case["shape"]["name"],
            _sizes(case["shape"]),
            str(case["threads"]),
            *(_milliseconds(case, peer) for peer in peers),
            f"{case['ratio']:.2f}",
            _share(case),
        ]
        for case in cases
    ]
    means = ", ".join(
        f"{geometric_mean(cases, threads):.2f} with {threads} "
        f"thread{'s' if threads > 1 else ''}"
        for threads in sorted({case["threads"] for case in cases})
    )
    return (
        _table([*head, "ratio", "% of peak"], rows, words=2)
        + f"\nRatio: best peer to {OURS}; geometric mean {means}. % of peak: what "
        f"{OURS} reaches of the multiply-add peak measured beside it.\n"
    )


def _fit_table(cases):
    """A row per number of threads; each peer with its ratio, loss and accuracy."""
    peers = [peer for peer in cases[0]["peers"] if peer != OURS]
    head = ["threads", f"{OURS} ms per epoch", "% of peak"]
    for peer in peers:
        head += [f"{peer} ms per epoch", "ratio"]
    rows = []
    for case in sorted(cases, key=lambda case: case["threads"]):
        row = [str(case["threads"]), _milliseconds(case, OURS), _share(case)]
        for peer in peers:
            row += [_milliseconds(case, peer), f"{case['peers'][peer]['ratio']:.2f}"]
        rows.append(row)
    reached = "; ".join(
        f"{peer} {found['mean_loss']:.3f}, {found['accuracy']:.3f}"
        for peer, found in cases[0]["peers"].items()
    )
    note = f"\nMean training loss over the epochs and test accuracy: {reached}.\n"
    return _table(head, rows, words=0) + note


def _table(head, rows, words):
    """A Markdown table; the first `words` columns are text, the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, rule, *rows])


def _sizes(shape):
    sizes = " × ".join(str(shape[letter]) for letter in "TBdh")
    for count, word in ((shape["layers"], "layer"), (shape["directions"], "direction")):
        sizes += f", {count} {word}s" if count > 1 else ""
    return sizes


def _milliseconds(case, peer):
    found = case["peers"].get(peer)
    return figures(1e3 * found["median"]) if found else "-"


def _share(case):
    return figures(case["peers"][OURS]["percent_of_peak"])
