"""The tables of README.md and docs/performance.md, from the result files alone.

A block stands between ``<!-- bench:NAME -->`` and ``<!-- /bench -->``. NAME is one of
`BLOCKS`, or a cell and a kind: ``lstm-inference``, ``gru-training`` ... Results of
another machine lie in a folder of results/, and ``NAME@FOLDER`` is made of those.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench import (
    convlstm,
    fcn,
    highway,
    mdlstm,
    mlstm,
    summary,
    tables,
    targets,
    xlstm_stack,
)
from bench.grid import CELLS, KINDS
from bench.record import RESULTS

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md", ROOT / "docs" / "performance.md")
BLOCK = re.compile(r"(<!-- bench:(\S+) -->\n)(.*?)(<!-- /bench -->)", re.DOTALL)
# Name of a block: its result files, and who renders it.
BLOCKS = {
    "machine": (["speed"], tables.machine),
    "summary": (["speed"], summary.table),
    "footprint": (["footprint"], tables.footprint),
    "fit": (["fit"], tables.fits),
    "float64": (["float64"], tables.grid),
    "ragged": (["ragged"], tables.ragged),
    "targets": (["targets"], targets.table),
    "stream": (["stream"], tables.stream),
    "scaling": (["scaling"], tables.scaling),
    "checkpoint": (["checkpoint"], tables.checkpoint),
    "cells": (["cells"], tables.beside_lstm),
    "loops": (["cells"], tables.against_loops),
    "slstm": (["slstm"], tables.grid),
    "mlstm": (["mlstm"], mlstm.table),
    "xlstm": (["xlstm"], xlstm_stack.table),
    "ctc": (["ctc"], tables.ctc),
    "decoding": (["decoding"], tables.decoding),
    "convlstm": (["convlstm"], convlstm.table),
    "mdlstm": (["mdlstm"], mdlstm.table),
    "highway": (["highway"], highway.table),
    "fcn": (["fcn"], fcn.table),
    "limits": (["limits", "speed"], tables.limits),
}


def render_files() -> None:
    """Rewrite the blocks of README.md and docs/performance.md."""
    records = load_records()
    for path in FILES:
        text = render(path.read_text(encoding="utf-8"), records)
        path.write_text(text, encoding="utf-8")


def load_records() -> dict[str, dict]:
    """Read the committed result files, by name."""
    return {
        path.relative_to(RESULTS).with_suffix("").as_posix(): json.loads(
            path.read_text()
        )
        for path in sorted(RESULTS.rglob("*.json"))
    }


def render(text: str, records: dict[str, dict]) -> str:
    """Replace every block of a text.

    Parameters
    ----------
    text : str
        With any number of blocks.
    records : dict
        Result files by name.

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
    name, _, folder = name.partition("@")
    place = f"{folder}/" if folder else ""
    if name in BLOCKS:
        files, table = BLOCKS[name]
        return table(*(_record(place + file, records) for file in files))
    cell, _, kind = name.partition("-")
    if cell not in CELLS or kind not in KINDS:
        raise ValueError(
            f"bench: expected {', '.join(BLOCKS)} or CELL-KIND, got {name}"
        )
    record = _record(place + "speed", records)
    cases = [
        case for case in record["cases"] if (case["cell"], case["kind"]) == (cell, kind)
    ]
    return tables.grid({"cases": cases})


def _record(name, records):
    if name not in records:
        raise ValueError(f"bench: expected results/{name}.json, got {sorted(records)}")
    return records[name]
