"""Every cell of the registry against the equations of reference.py."""

import math

import numpy as np
import pytest
import reference
from conftest import FACTS

import lstmc


@pytest.mark.parametrize("row", lstmc.cells(), ids=lambda row: row["name"])
def test_the_reference_has_every_cell(row):
    assert callable(reference.find(row["name"]))


def tolerance(layer, steps):
    if layer.dtype == np.float64:
        return 1e-12
    # Sums of k products err like sqrt(k) roundings; steps and layers pass errors on.
    k = max(layer.input_size, layer.output_size) + layer.hidden_size
    growth = layer.num_layers * (1 + math.log2(1 + steps))
    return 4 * np.finfo(np.float32).eps * math.sqrt(k) * growth


def expected(layer, X, state, extras):
    """Outputs of each sequence and final states, in float64."""
    Y, after = [], [np.zeros(s.shape) for s in state]
    for j, x in enumerate(X):
        own = [s[:, j].astype(np.float64) for s in state]
        more = {name: array[j].astype(np.float64) for name, array in extras.items()}
        y, final = reference.layers(layer, x.astype(np.float64), own, **more)
        Y.append(y)
        for whole, part in zip(after, final, strict=True):
            whole[:, j] = part
    return Y, after


def assert_close(got, wanted, limit):
    size = max(1, np.abs(wanted).max(initial=0))
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max(initial=0) <= limit * size


# Inputs, units, layers, both directions, lengths.
SHAPES = [
    (1, 1, 1, True, [1, 1, 1]),
    (3, 7, 2, False, [4, 0, 1, 7, 3]),
    (5, 16, 1, True, [5, 5]),
    (17, 19, 2, True, [4, 0, 1, 7, 3]),
]


def check(layer, batch, extras):
    X, state, _, _ = batch
    Y, after = layer(X, state, **extras)
    wanted, final = expected(layer, X, state, extras)
    limit = tolerance(layer, max(map(len, X)))
    for y, w in zip(Y, wanted, strict=True):
        assert_close(y, w, limit)
    for s, w in zip(after, final, strict=True):
        assert_close(s, w, limit)


@pytest.mark.every_cell
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_and_states(option, target, make_layer, make_batch, make_extras, dtype):
    for inputs, units, num_layers, bidirectional, lengths in SHAPES:
        layer = make_layer(
            inputs, units, dtype=dtype, num_layers=num_layers,
            bidirectional=bidirectional,
        )  # fmt: skip
        check(layer, make_batch(layer, lengths), make_extras(layer, lengths))


@pytest.mark.every_cell
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_options(option, make_layer, make_batch, make_extras, dtype):
    facts, lengths = FACTS[option[0]], [4, 0, 1, 7]
    options = [{"num_heads": 2}, {"num_heads": 3}, {"zoneout": (0.3, 0.1)}]
    if facts["projects"]:
        options += [{"proj_size": 5}, {"proj_size": 17, "zoneout": (0.2, 0.6)}]
    for chosen in options:
        layer = make_layer(
            5, 18, dtype=dtype, num_layers=2, bidirectional=True, **chosen
        )
        check(layer, make_batch(layer, lengths), make_extras(layer, lengths))


def test_no_state_is_zeros(make_layer, make_batch):
    layer = make_layer(3, 9, bidirectional=True)
    X, state, _, _ = make_batch(layer, [3, 0, 2])
    zeros = tuple(np.zeros_like(s) for s in state)
    got, wanted = layer(X), layer(X, zeros)
    for a, b in zip([*got[0], *got[1]], [*wanted[0], *wanted[1]], strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_sequence_without_steps_keeps_its_state(make_layer, make_batch):
    layer = make_layer(3, 9, num_layers=2, bidirectional=True)
    X, state, _, dstate = make_batch(layer, [0, 2, 0])
    Y, after, tape = layer.forward(X, state)
    _, dbefore, _ = layer.backward(tape, None, dstate)
    assert [len(y) for y in Y] == [0, 2, 0]
    for s0, s1, ds0, ds1 in zip(state, after, dbefore, dstate, strict=True):
        assert s1[:, [0, 2]].tobytes() == s0[:, [0, 2]].tobytes()
        assert ds0[:, [0, 2]].tobytes() == ds1[:, [0, 2]].tobytes()


def test_architectures_say_what_they_compute():
    rows = lstmc.architectures()
    assert len({row["name"] for row in rows}) == len(rows) > 5
    for row in rows:
        assert row["layer"] in lstmc.layers.__all__
        assert all(row[key].strip() for key in ("title", "equations", "source"))
        assert "=" in row["equations"]
