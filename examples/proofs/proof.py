"""Proof: what every proof prints, keeps and is held to; alone, renders docs/proofs.md.

A proof is a script of this folder. It trains on a task of a paper, prints a table,
draws a picture into docs/proofs/ and leaves its figures in results/, each gate with
what was wanted and what came; it ends with an error if a gate is not passed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

import lstmc

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
PICTURES = ROOT / "docs" / "proofs"
PAGE = ROOT / "docs" / "proofs.md"


class Proof:
    """One proof, while it runs.

    Parameters
    ----------
    title : str
        A headline.
    task : str
        What is learnt and how it is judged, in a few sentences of Markdown.
    paper : str
        Where the task comes from.
    columns : list of str
        Of the table.
    may_be_small : bool, default=False
        Whether it has an option ``--small``, which keeps no figures.

    Notes
    -----
    The script's name is the proof's: results/<name>.json, docs/proofs/<name>.png.
    """

    def __init__(self, title, *, task, paper, columns, may_be_small=False):
        self.name = Path(sys.argv[0]).stem
        self.title, self.task, self.paper = title, task, paper
        self.columns, self.rows, self.gates, self.notes = columns, [], [], []
        self.started = time.time()
        parser = argparse.ArgumentParser(prog=self.name, description=title)
        parser.add_argument("--seeds", type=int, help="how many instead of all")
        if may_be_small:
            text = "a demonstration: less of everything"
            parser.add_argument("--small", action="store_true", help=text)
        self.asked = parser.parse_args()
        self.small = getattr(self.asked, "small", False)
        print(f"{title}\n{paper}\n", flush=True)

    def seeds(self, count):
        """The seeds to run: 0 to count - 1, or as many as asked for."""
        return range(self.asked.seeds or count)

    def say(self, text):
        """Tell how it goes, with the minutes that have passed."""
        print(f"  {(time.time() - self.started) / 60:5.1f} min  {text}", flush=True)

    def row(self, *values):
        """Add a row to the table."""
        self.rows.append([_plain(v) for v in values])
        self.say(
            "  ".join(f"{c} {_show(v)}" for c, v in zip(self.columns, self.rows[-1]))
        )

    def gate(self, what, got, wanted, passed):
        """Hold a figure against what was wanted of it."""
        gate = {
            "what": what,
            "got": _plain(got),
            "wanted": wanted,
            "passed": bool(passed),
        }
        self.gates.append(gate)
        print(f"  {'passed' if passed else 'FAILED'}: {what}: {_show(gate['got'])}, "
              f"wanted {wanted}", flush=True)  # fmt: skip

    def note(self, text):
        """Add a sentence that the page prints below the table."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def finish(self, figure):
        """Keep the picture and the figures; exit with an error if a gate failed."""
        picture = None
        if figure is not None:
            folder = Path() if self.small else PICTURES
            folder.mkdir(exist_ok=True)
            picture = f"proofs/{self.name}.png"
            figure.savefig(folder / f"{self.name}.png", dpi=110)
            print(f"\npicture: {(folder / self.name).resolve()}.png")
        minutes = (time.time() - self.started) / 60
        result = {
            "title": self.title, "task": self.task, "paper": self.paper,
            "columns": self.columns, "rows": self.rows, "gates": self.gates,
            "notes": self.notes, "picture": picture, "minutes": round(minutes, 2),
            "seeds": self.asked.seeds, "version": lstmc.__version__,
            "date": time.strftime("%Y-%m-%d"),
        }  # fmt: skip
        print("\n" + _table(self.columns, self.rows))
        if self.asked.seeds is None and not self.small:
            RESULTS.mkdir(exist_ok=True)
            path = RESULTS / f"{self.name}.json"
            path.write_text(json.dumps(result, indent=1) + "\n")
        failed = [gate["what"] for gate in self.gates if not gate["passed"]]
        sys.exit(f"not passed: {'; '.join(failed)}" if failed else 0)


def new_figure(columns=1, height=3.2):
    """A figure of matplotlib with so many axes side by side, and the axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, columns, figsize=(4.4 * columns + 0.4, height), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for ax in axes[0]:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    return figure, axes[0]


def _plain(value):
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    return value


def _show(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def _table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_show(v) for v in line) + " |" for line in lines)


def render():
    """Write docs/proofs.md from the results."""
    parts = [
        "# Proofs: every cell does what its paper says",
        "Rendered by `make readme` from what the scripts of `examples/proofs/` left; "
        "`make test-slow` runs them all, `python examples/proofs/<name>.py` one.",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        proof = json.loads(path.read_text())
        parts += [f"## {proof['title']}", proof["task"], f"Source: {proof['paper']}."]
        parts.append(_table(proof["columns"], proof["rows"]))
        gates = [
            [
                g["what"],
                g["got"],
                g["wanted"],
                "passed" if g["passed"] else "not passed",
            ]
            for g in proof["gates"]
        ]
        if gates:
            parts.append(_table(["gate", "got", "wanted", ""], gates))
        parts += proof["notes"]
        if proof["picture"]:
            parts.append(f"![{proof['title']}]({proof['picture']})")
        parts.append(
            f"`examples/proofs/{path.stem}.py`: {proof['minutes']:.1f} minutes, lstmc "
            f"{proof['version']}, {proof['date']}."
        )
    PAGE.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    render()
