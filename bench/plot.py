"""The pictures, and the one of how many times faster than the best peer."""

from __future__ import annotations

import json
from pathlib import Path

from bench.grid import GATES, KINDS, SHAPES
from bench.plot_sweeps import COLOURS, draw_roofline, draw_scaling, pyplot
from bench.record import RESULTS

DOCS = Path(__file__).parents[1] / "docs"
TICKS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
BAR = 0.38  # of the distance between two shapes


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
    cells = [cell for cell in GATES if any(c["cell"] == cell for c in cases)]
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
            _draw_panel(panel, chosen, first=panel is row[0])
            panel.set_title(f"{cell.upper()} {kind}", loc="left", weight="bold")
    for panel in panels[-1]:
        panel.set_xlabel("times faster than the best peer")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False
    )
    return figure


def _draw_panel(panel, cases, first):
    """Two bars a shape, on a scale where twice as fast is as far as twice as slow."""
    names = [n for n in SHAPES if any(case["shape"]["name"] == n for case in cases)]
    panel.set_xscale("log", base=2)
    panel.axvline(1, color="#444444", linewidth=1, zorder=3)
    for threads, colour in COLOURS.items():
        chosen = [case for case in cases if case["threads"] == threads]
        places = [
            names.index(case["shape"]["name"]) + (threads - 1.5) * BAR
            for case in chosen
        ]
        # Bars start at 1, the best peer; a bar to the left is slower than it.
        bars = panel.barh(
            places,
            [case["ratio"] - 1 for case in chosen],
            BAR,
            left=1,
            color=colour,
            label=f"{threads} thread{'s' if threads > 1 else ''}",
        )
        labels = [f"{case['ratio']:.2f}" for case in chosen]
        panel.bar_label(bars, labels, padding=3, fontsize=7, color="#444444")
    panel.set_yticks(range(len(names)), names if first else [""] * len(names))
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(length=0)
    panel.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    panel.set_xticks([], minor=True)
    ratios = [1, *(case["ratio"] for case in cases)]
    room = (max(ratios) / min(ratios)) ** 0.12  # for the labels
    panel.set_xlim(min(ratios) / room, max(ratios) * room)
    panel.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[:].set_visible(False)


PICTURES = {"speed": draw, "scaling": draw_scaling, "roofline": draw_roofline}
