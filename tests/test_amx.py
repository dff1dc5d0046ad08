"""The weights' gradient by AMX, of layers that are large enough for it.

Layers of other tests are mostly smaller; of these every cell's sums run over several
windows, whose last blocks are not whole.
"""

import numpy as np
import pytest

from lstmc import _core

pytestmark = [
    pytest.mark.every_cell,
    pytest.mark.usefixtures("target"),
    pytest.mark.parametrize("target", ["amx"], indirect=True),
    pytest.mark.skipif("amx" not in _core.targets(), reason="no AMX on this machine"),
]
INPUTS, UNITS = 70, 60
LENGTHS = [150, 1, 149, 0, 133, *[140] * 5]


def gradients(layer, batch, threads=1):
    X, state, dY, dstate = batch
    _, _, tape = layer.forward(X, state, threads=threads)
    return layer.backward(tape, dY, dstate, threads=threads)[2]


def check(make_layer, make_batch, units=UNITS, **more):
    """Both begin with the same gates, whose roundings are most of the error."""
    layer = make_layer(INPUTS, units, **more)
    batch = make_batch(layer, LENGTHS)
    by_amx = gradients(layer, batch)
    _core.choose_target("avx512")
    by_vectors = gradients(layer, batch)
    true = gradients(make_layer(INPUTS, units, dtype="float64", **more), batch)
    assert any((by_amx[name] != by_vectors[name]).any() for name in true)
    for name, wanted in true.items():
        size = np.abs(wanted).max()
        error = np.abs(by_amx[name] - wanted).max() / size
        usual = np.abs(by_vectors[name] - wanted).max() / size
        assert error <= 2 * usual + 8 * np.finfo("float32").eps, name


def test_is_as_right_as_that_of_vectors(make_layer, make_batch):
    check(make_layer, make_batch, bidirectional=True)


@pytest.mark.parametrize("option", [("lstm", "tanh"), ("gru", "tanh")], ids="-".join)
def test_is_as_right_with_masks_and_heads(make_layer, make_batch, option):
    check(make_layer, make_batch, 120, num_heads=2, recurrent_dropout=0.3)


@pytest.mark.parametrize("option", [("lstm", "tanh")], ids="-".join)
def test_is_as_right_with_a_projection(make_layer, make_batch, option):
    check(make_layer, make_batch, proj_size=30)


def test_any_number_of_threads(make_layer, make_batch):
    layer = make_layer(INPUTS, UNITS)
    batch = make_batch(layer, LENGTHS)
    alone = gradients(layer, batch)
    for threads in 2, 3:
        shared = gradients(layer, batch, threads)
        for name, gradient in alone.items():
            np.testing.assert_array_equal(gradient, shared[name], strict=True)
