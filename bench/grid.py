"""The grid: which shapes, cells, kinds of work and thread counts are measured."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

# Rows of W per hidden unit, for the cells that the peers have too.
GATES = {"lstm": 4, "gru": 3}
KINDS = ("inference", "training")
THREADS = (1, 2)


@dataclass(frozen=True)
class Shape:
    """Sizes of one layer stack and the batch that runs through it.

    Parameters
    ----------
    name : str
        Name used on the command line and in the tables.
    T, B, d, h : int
        Steps, samples in a batch, inputs and hidden units.
    layers, directions : int
        Stacked layers; directions is 1, or 2 when bidirectional.

    Examples
    --------
    >>> Shape("one", T=1, B=1, d=1, h=1, layers=1, directions=1).flops("lstm")
    16
    """

    name: str
    T: int
    B: int
    d: int
    h: int
    layers: int
    directions: int

    def flops(self, cell: str, kind: str = "inference") -> int:
        """Operations in the matrix products of one call (pointwise work not counted).

        A multiplication and an addition are two operations. Training costs three
        times the forward pass: the backward pass has a product for the inputs and
        one for the weights for each product of the forward pass.
        """
        inputs = [self.d] + [self.directions * self.h] * (self.layers - 1)
        columns = sum(width + self.h for width in inputs)
        rows = self.directions * GATES[cell] * self.h
        return {"inference": 2, "training": 6}[kind] * self.T * self.B * rows * columns


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("rt-audio", T=1, B=1, d=1, h=32, layers=1, directions=1),
        Shape("sensor-b1", T=100, B=1, d=8, h=32, layers=1, directions=1),
        Shape("sensor-b32", T=100, B=32, d=8, h=32, layers=1, directions=1),
        Shape("series-b64", T=100, B=64, d=16, h=64, layers=1, directions=1),
        Shape("series-b256", T=100, B=256, d=16, h=128, layers=1, directions=1),
        Shape("kws-b1", T=98, B=1, d=40, h=128, layers=2, directions=1),
        Shape("hydro-b256", T=365, B=256, d=32, h=256, layers=1, directions=1),
        Shape("speech-b1", T=200, B=1, d=120, h=320, layers=3, directions=2),
        Shape("speech-b16", T=200, B=16, d=120, h=320, layers=1, directions=2),
        Shape("charlm-b32", T=100, B=32, d=128, h=512, layers=1, directions=1),
        Shape("charlm-b1", T=100, B=1, d=128, h=512, layers=1, directions=1),
        Shape("large-b64", T=50, B=64, d=512, h=1024, layers=1, directions=1),
    )
}
QUICK = ("rt-audio", "sensor-b1", "sensor-b32")


@dataclass(frozen=True)
class Case:
    """One measurement: a shape, a cell, a kind of work and a number of threads.

    ``epochs`` is how often one call does the work that ``flops`` counts; times are
    for one.
    """

    epochs: ClassVar[int] = 1

    shape: Shape
    cell: str
    kind: str
    threads: int

    @property
    def flops(self) -> int:
        """Operations of one call."""
        return self.shape.flops(self.cell, self.kind)

    def __str__(self) -> str:
        plural = "s" if self.threads > 1 else ""
        return (
            f"{self.shape.name} {self.cell} {self.kind}, {self.threads} thread{plural}"
        )


def plan(shapes=None, cells=None, kinds=None, threads=None) -> list[Case]:
    """Cases to measure, thread counts outermost, since workers live for one of them.

    Parameters
    ----------
    shapes, cells, kinds : sequence of str, optional
        Names; None takes all.
    threads : sequence of int, optional
        Thread counts; None takes 1 and 2.

    Raises
    ------
    ValueError
        For a name that the grid does not have.

    Examples
    --------
    >>> [str(case) for case in plan(["kws-b1"], ["gru"], ["training"], [2])]
    ['kws-b1 gru training, 2 threads']
    """
    shapes = _known("shapes", shapes, SHAPES)
    cells = _known("cells", cells, GATES)
    kinds = _known("kinds", kinds, KINDS)
    return [
        Case(SHAPES[shape], cell, kind, count)
        for count, shape, cell, kind in product(
            threads or THREADS, shapes, cells, kinds
        )
    ]


def _known(what, names, table):
    """Return the names asked for, in the order of the table; None means all."""
    unknown = [name for name in names or () if name not in table]
    if unknown:
        raise ValueError(
            f"{what}: expected some of {', '.join(table)}, got {', '.join(unknown)}"
        )
    return [name for name in table if names is None or name in names]
