"""The equations of tests/reference.py for a batch, its samples side by side."""

from __future__ import annotations

import functools
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# Where the equations are that the tests hold lstmc to.
TESTS = Path(__file__).parents[1] / "tests"


@functools.cache
def load_reference(name: str) -> dict:
    """What a module of equations in tests/ defines, by its names."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))  # they may use one another
    return runpy.run_path(str(TESTS / f"{name}.py"))


def step_of(facts: dict):
    """The equations of a cell with samples as columns: (x, states, w) to new states.

    The reference has one sample, but speaks of the units by the first axis alone.
    """
    return load_reference("reference")["find"](facts["name"])


def weights_of_heads(problem, suffix: str) -> list[SimpleNamespace]:
    """What the equations need of one layer and direction, in float64, for each head.

    Beside W, R, b, v and the squash these are the first states, (units, B) each.
    """
    shape = problem.shape
    units = shape.h // shape.heads

    def weights(kind):
        array = problem.weights.get(f"{kind}_{suffix}", np.zeros((0, 1)))
        return np.asarray(array, np.float64)

    states = [np.zeros((shape.h, shape.B))] * len(problem.facts["states"])
    if problem.static is not None:
        a = weights("weight_static") @ np.asarray(problem.static, np.float64).T
        states[-1] = a + weights("bias_static")[:, None]
    arrays = [weights(kind) for kind in ("weight_ih", "weight_hh", "bias", "vector")]
    parts = (_split(array, shape.heads, units) for array in arrays + states)
    return [
        SimpleNamespace(
            W=W, R=R, b=b.reshape(-1, 1), v=v.reshape(-1, units, 1), squash=np.tanh,
            time=None, states=own,
        )
        for W, R, b, v, *own in zip(*parts, strict=True)
    ]  # fmt: skip


def _split(array, heads, units):
    """Blocks of all units (blocks * heads * units, ...) to those of each head."""
    blocks = array.reshape(-1, heads, units, *array.shape[1:])
    return [blocks[:, k].reshape(-1, *array.shape[1:]) for k in range(heads)]
