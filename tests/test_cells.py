"""Every cell of the registry against the equations of reference.py."""

import math

import numpy as np
import pytest
import reference

import lstmc

SQUASH = {"tanh": np.tanh, "identity": lambda c: c}
LENGTHS = {"one step": [1, 1, 1], "ragged": [4, 0, 1, 7, 3], "equal": [5, 5]}


@pytest.mark.parametrize("row", lstmc.cells(), ids=lambda row: row["name"])
def test_the_reference_has_every_cell(row):
    assert hasattr(reference, row["name"]), (
        f"add the equations of {row['name']} to tests/reference.py"
    )


def tolerance(layer, steps):
    if layer.dtype == np.float64:
        return 1e-12
    # Sums of k products err like sqrt(k) roundings; steps and layers pass errors on.
    k = max(layer.input_size, layer.output_size) + layer.hidden_size
    growth = layer.num_layers * (1 + math.log2(1 + steps))
    return 4 * np.finfo(np.float32).eps * math.sqrt(k) * growth


def expected(layer, option, X, state):
    """Outputs of each sequence and final states, in float64."""
    cell, activation = option
    step = getattr(reference, cell)
    parameters = {k: v.astype(np.float64) for k, v in layer.parameters.items()}
    Y, after = [], [np.zeros(s.shape) for s in state]
    for j, x in enumerate(X):
        own = [s[:, j].astype(np.float64) for s in state]
        y, final = reference.layers(
            step, x.astype(np.float64), own, parameters, SQUASH[activation]
        )
        Y.append(y)
        for whole, part in zip(after, final, strict=True):
            whole[:, j] = part
    return Y, after


def assert_close(got, wanted, limit):
    size = max(1, np.abs(wanted).max(initial=0))
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max(initial=0) <= limit * size


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_and_states(
    option, target, make_layer, make_batch, dtype, num_layers, bidirectional, lengths
):
    for inputs, units in [(1, 1), (3, 7), (5, 16), (17, 19)]:
        layer = make_layer(
            inputs, units, dtype=dtype, num_layers=num_layers,
            bidirectional=bidirectional,
        )  # fmt: skip
        X, state, _, _ = make_batch(layer, lengths)
        Y, after = layer(X, state)
        wanted, final = expected(layer, option, X, state)
        limit = tolerance(layer, max(lengths))
        for y, w in zip(Y, wanted, strict=True):
            assert_close(y, w, limit)
        for s, w in zip(after, final, strict=True):
            assert_close(s, w, limit)


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
