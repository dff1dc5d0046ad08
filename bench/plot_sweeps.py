"""The pictures of lstmc alone: time over steps and sequences, and the roofline."""

from __future__ import annotations

from bench.grid import KINDS
from bench.record import OURS

COLOURS = {1: "#7fb2d9", 2: "#1f5f99"}  # by number of threads
STYLES = {"inference": "-", "training": "--"}


def draw_scaling(record: dict):
    """A panel over the steps and one over the sequences; return the figure."""
    plt = pyplot()
    figure, panels = plt.subplots(
        1, 2, figsize=(10.4, 4.4), sharey=True, layout="constrained"
    )
    for panel, letter in zip(panels, "TB"):
        sweep = [c for c in record["cases"] if c["shape"]["name"][0] == letter]
        for kind in KINDS:
            for threads, colour in COLOURS.items():
                points = sorted(
                    (case["shape"][letter], _nanoseconds(case))
                    for case in sweep
                    if (case["kind"], case["threads"]) == (kind, threads)
                )
                if points:
                    panel.plot(
                        *zip(*points),
                        STYLES[kind],
                        color=colour,
                        marker=".",
                        label=f"{kind}, {threads} thread{'s' if threads > 1 else ''}",
                    )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.grid(which="major", color="#e4e4e4", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_title("8 sequences", loc="left", weight="bold")
    panels[1].set_title("100 steps", loc="left", weight="bold")
    panels[0].set_xlabel("steps")
    panels[1].set_xlabel("sequences")
    panels[0].set_ylabel("ns for a step of a sequence")
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False
    )
    return figure


def draw_roofline(record: dict):
    """A heat map for each kind and number of threads; return the figure."""
    plt = pyplot()
    cases = record["cases"]
    threads = sorted({case["threads"] for case in cases})
    units = sorted({case["shape"]["h"] for case in cases})
    batches = sorted({case["shape"]["B"] for case in cases})
    figure, panels = plt.subplots(
        len(threads),
        len(KINDS),
        figsize=(10.4, 0.8 + 3.1 * len(threads)),
        squeeze=False,
        layout="constrained",
    )
    for row, count in zip(panels, threads):
        for panel, kind in zip(row, KINDS):
            grid = [[float("nan")] * len(units) for _ in batches]
            for case in cases:
                if (case["kind"], case["threads"]) == (kind, count):
                    shape, share = case["shape"], case["peers"][OURS]
                    place = batches.index(shape["B"]), units.index(shape["h"])
                    grid[place[0]][place[1]] = share["percent_of_peak"]
            _draw_map(panel, grid)
            panel.set_xticks(range(len(units)), units)
            panel.set_yticks(range(len(batches)), batches)
            plural = "s" if count > 1 else ""
            title = f"{kind.capitalize()}, {count} thread{plural}: % of peak"
            panel.set_title(title, loc="left", weight="bold")
    for panel in panels[-1]:
        panel.set_xlabel("units")
    for panel in panels[:, 0]:
        panel.set_ylabel("sequences")
    return figure


def pyplot():
    """Matplotlib without a screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def _nanoseconds(case):
    """What a step of one sequence takes."""
    steps = case["shape"]["T"] * case["shape"]["B"]
    return 1e9 * case["peers"][OURS]["median"] / steps


def _draw_map(panel, grid):
    """Cells coloured from 0 to 100 per cent, with their numbers in them."""
    panel.imshow(grid, cmap="Blues", vmin=0, vmax=100, origin="lower", aspect="auto")
    for y, line in enumerate(grid):
        for x, share in enumerate(line):
            if share == share:  # a cell that was skipped is NaN
                colour = "white" if share > 55 else "black"
                panel.text(x, y, f"{share:.0f}", ha="center", va="center", color=colour)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
