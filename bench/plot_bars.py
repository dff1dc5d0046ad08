"""Bars that start at 1, on a scale where twice as much is as far as half as much."""

from __future__ import annotations

from bench.plot_sweeps import COLOURS

TICKS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
BAR = 0.38  # of the distance between two names


def draw_bars(panel, cases, name_of, figure, names):
    """Two bars for each name, one and two threads.

    Parameters
    ----------
    panel : Axes
        Where to draw.
    cases : list of dict
        Entries of a record.
    name_of : callable
        ``name_of(case) -> name``, one of `names`.
    figure : str
        What of a case the length of its bar is.
    names : list of str
        From top to bottom.
    """
    panel.set_xscale("log", base=2)
    panel.axvline(1, color="#444444", linewidth=1, zorder=3)
    for threads, colour in COLOURS.items():
        chosen = [case for case in cases if case["threads"] == threads]
        bars = panel.barh(
            [names.index(name_of(case)) + (threads - 1.5) * BAR for case in chosen],
            [case[figure] - 1 for case in chosen],
            BAR,
            left=1,
            color=colour,
            label=f"{threads} thread{'s' if threads > 1 else ''}",
        )
        labels = [f"{case[figure]:.2f}" for case in chosen]
        panel.bar_label(bars, labels, padding=3, fontsize=7, color="#444444")
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(length=0)
    panel.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    panel.set_xticks([], minor=True)
    figures = [1, *(case[figure] for case in cases)]
    room = (max(figures) / min(figures)) ** 0.12  # for the labels
    panel.set_xlim(min(figures) / room, max(figures) * room)
    panel.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[:].set_visible(False)
