"""The pictures, and the one of how many times faster than the best peer."""

from __future__ import annotations

import json
from pathlib import Path

from bench.grid import CELLS, KINDS, SHAPES
from bench.plot_bars import draw_bars
from bench.plot_cells import draw_cells
from bench.plot_sweeps import draw_roofline, draw_scaling, pyplot
from bench.record import RESULTS

DOCS = Path(__file__).parents[1] / "docs"


def plot_all() -> None:
    """Draw the result files into pictures of their names in docs/."""
    DOCS.mkdir(exist_ok=True)
    for name, draw_record in PICTURES.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            raise ValueError(f"expected results/{name}.json, got none")
        figure = draw_record(json.loads(path.read_text()))
        # No creation date or version inside: the same results give the same file.
        figure.savefig(DOCS / f"{name}.png", dpi=160, metadata={"Software": None})


def draw(record: dict):
    """Draw a panel for each cell and kind the record has; return the figure."""
    plt = pyplot()
    cases = [case for case in record["cases"] if "ratio" in case]
    cells = [cell for cell in CELLS if any(c["cell"] == cell for c in cases)]
    kinds = [kind for kind in KINDS if any(c["kind"] == kind for c in cases)]
    if not cases:
        raise ValueError("results: expected cases with a ratio, got none")
    figure, panels = plt.subplots(
        len(cells),
        len(kinds),
        figsize=(5.2 * len(kinds), 0.7 + 4.1 * len(cells)),
        squeeze=False,
        layout="constrained",
    )
    for row, cell in zip(panels, cells):
        for panel, kind in zip(row, kinds):
            chosen = [c for c in cases if (c["cell"], c["kind"]) == (cell, kind)]
            names = [n for n in SHAPES if any(_shape(c) == n for c in chosen)]
            draw_bars(panel, chosen, _shape, "ratio", names)
            if panel is not row[0]:
                panel.set_yticklabels([])
            panel.set_title(f"{cell.upper()} {kind}", loc="left", weight="bold")
    for panel in panels[-1]:
        panel.set_xlabel("times faster than the best peer")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False
    )
    return figure


def _shape(case):
    return case["shape"]["name"]


PICTURES = {
    "speed": draw,
    "scaling": draw_scaling,
    "roofline": draw_roofline,
    "cells": draw_cells,
}
