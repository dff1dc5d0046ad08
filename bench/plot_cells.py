"""The picture of all cells: time for a multiply-add, relative to lstm."""

from __future__ import annotations

from bench.cells import BESIDE_LSTM, MOST
from bench.grid import KINDS
from bench.plot_bars import draw_bars
from bench.plot_sweeps import pyplot


def draw_cells(record: dict):
    """A panel for each shape and kind, two bars for each cell; return the figure."""
    plt = pyplot()
    cases = [case for case in record["cases"] if "to_lstm" in case]
    if not cases:
        raise ValueError("results: expected cases beside lstm, got none")
    cells = list(dict.fromkeys(case["cell"] for case in cases))
    figure, panels = plt.subplots(
        len(BESIDE_LSTM),
        len(KINDS),
        figsize=(5.2 * len(KINDS), 0.7 + (0.4 + 0.26 * len(cells)) * len(BESIDE_LSTM)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, name in zip(panels, BESIDE_LSTM):
        for panel, kind in zip(row, KINDS):
            chosen = [
                case
                for case in cases
                if (case["shape"]["name"], case["kind"]) == (name, kind)
            ]
            draw_bars(panel, chosen, lambda case: case["cell"], "to_lstm", cells)
            panel.axvline(MOST, color="#b04a3a", linewidth=1, linestyle="--", zorder=3)
            panel.set_title(f"{name} {kind}", loc="left", weight="bold")
    for panel in panels[-1]:
        panel.set_xlabel("time for a multiply-add, lstm = 1")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False
    )
    return figure
