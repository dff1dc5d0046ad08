"""Shapes and cases: what can be measured, and the grid of those that always are."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import product

import numpy as np

CELLS = ("lstm", "gru")  # of the grid: those that the peers have too
KINDS = ("inference", "training")
THREADS = (1, 2)
# Passes as dear as a forward one: backward has a product for the inputs and one for
# the weights for each product of forward.
PASSES = {"inference": 1, "training": 3, "stream": 1, "checkpoint": 3}


@functools.cache
def registry() -> dict[str, dict]:
    """The facts of each of our cells, by its name."""
    import lstmc  # here: the processes of other peers do without it

    return {facts["name"]: facts for facts in lstmc.cells()}


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
    dtype : {"float32", "float64"}
        Type of inputs, weights and arithmetic.
    shortest : int
        0: every sample has T steps; else from `shortest` to T, see `lengths`.
    heads : int
        Parts of the hidden units that do not feed one another.

    Examples
    --------
    >>> Shape("one", T=1, B=1, d=1, h=1).flops("lstm")
    16
    """

    name: str
    T: int
    B: int
    d: int
    h: int
    layers: int = 1
    directions: int = 1
    dtype: str = "float32"
    shortest: int = 0
    heads: int = 1

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each sample (B,): T, or drawn uniformly with a fixed seed."""
        if not self.shortest:
            return np.full(self.B, self.T)
        draw = np.random.default_rng(0)
        return draw.integers(self.shortest, self.T, self.B, endpoint=True)

    @property
    def steps(self) -> int:
        """Steps of all samples together."""
        return int(self.lengths.sum())

    def flops(self, cell: str, kind: str = "inference") -> int:
        """Operations in the matrix products of one call (pointwise work not counted).

        A multiplication and an addition are two operations. What a checkpointed step
        computes again, what others do with padding, and the map of static features,
        once a sequence, does not count.
        """
        facts = registry()[cell]
        inputs = [self.d] + [self.directions * self.h] * (self.layers - 1)
        recurrent = facts["r_blocks"] * self.h // self.heads
        row = sum(facts["w_blocks"] * width + recurrent for width in inputs)
        return 2 * PASSES[kind] * self.steps * self.directions * self.h * row


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("rt-audio", T=1, B=1, d=1, h=32),
        Shape("sensor-b1", T=100, B=1, d=8, h=32),
        Shape("sensor-b32", T=100, B=32, d=8, h=32),
        Shape("series-b64", T=100, B=64, d=16, h=64),
        Shape("series-b256", T=100, B=256, d=16, h=128),
        Shape("kws-b1", T=98, B=1, d=40, h=128, layers=2),
        Shape("hydro-b256", T=365, B=256, d=32, h=256),
        Shape("speech-b1", T=200, B=1, d=120, h=320, layers=3, directions=2),
        Shape("speech-b16", T=200, B=16, d=120, h=320, directions=2),
        Shape("charlm-b32", T=100, B=32, d=128, h=512),
        Shape("charlm-b1", T=100, B=1, d=128, h=512),
        Shape("large-b64", T=50, B=64, d=512, h=1024),
    )
}


@dataclass(frozen=True)
class Case:
    """One measurement: a shape, a cell, a kind of work and a number of threads."""

    shape: Shape
    cell: str
    kind: str
    threads: int
    # Of the cell; what a peer in another process knows of our registry.
    facts: dict = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "facts", registry()[self.cell])

    def of(self, peer: str) -> Case:
        """What a peer measures of this case: all of it."""
        return self

    def make_problem(self):
        """What a peer is given, the same numbers in each process."""
        from bench.problem import make_problem  # which knows shapes from here

        return make_problem(self.shape, self.cell, self.facts)

    @property
    def repeats(self) -> int:
        """How often a call does what `flops` counts and times are for: a stream's
        call is all T steps, its time that of one."""
        return self.shape.T if self.kind == "stream" else 1

    @property
    def flops(self) -> int:
        """Operations of one call, or of each of its repeats."""
        return self.shape.flops(self.cell, self.kind) // self.repeats

    def __str__(self) -> str:
        plural = "s" if self.threads > 1 else ""
        return (
            f"{self.shape.name} {self.cell} {self.kind}, {self.threads} thread{plural}"
        )


def cross(shapes, cells=("lstm",), kinds=KINDS, threads=None) -> list[Case]:
    """Every combination, thread counts outermost, since workers live for one of them.

    Parameters
    ----------
    shapes : iterable of Shape
        What to run.
    cells, kinds : sequence of str
        Names.
    threads : sequence of int, optional
        Thread counts; None takes 1 and 2.

    Examples
    --------
    >>> [str(case) for case in cross([SHAPES["kws-b1"]], kinds=["training"])]
    ['kws-b1 lstm training, 1 thread', 'kws-b1 lstm training, 2 threads']
    """
    return [
        Case(shape, cell, kind, count)
        for count, shape, cell, kind in product(
            threads or THREADS, shapes, cells, kinds
        )
    ]


def choose(cases, shapes=None, cells=None, kinds=None) -> list[Case]:
    """The cases of these names; None takes all.

    Raises
    ------
    ValueError
        For a name that no case has.
    """
    for what, names, name_of in (
        ("shapes", shapes, lambda case: case.shape.name),
        ("cells", cells, lambda case: case.cell),
        ("kinds", kinds, lambda case: case.kind),
    ):
        if names is None:
            continue
        known = dict.fromkeys(map(name_of, cases))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"{what}: expected some of {', '.join(known)}, got {', '.join(unknown)}"
            )
        cases = [case for case in cases if name_of(case) in names]
    return cases


def smallest(cases, count=3) -> list[Case]:
    """The cases of the shapes that compute least."""
    work = {case.shape: case.shape.steps * case.shape.h**2 for case in cases}
    shapes = sorted(work, key=work.get)[:count]
    return [case for case in cases if case.shape in shapes]


def plan(shapes=None, cells=None, kinds=None, threads=None) -> list[Case]:
    """Cases of the grid, by name; None takes all.

    Examples
    --------
    >>> [str(case) for case in plan(["kws-b1"], ["gru"], ["training"], [2])]
    ['kws-b1 gru training, 2 threads']
    """
    cases = cross(SHAPES.values(), CELLS, KINDS, threads)
    return choose(cases, shapes, cells, kinds)
