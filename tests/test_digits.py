"""Products of digits by AMX, in layers that are large enough for them.

Layers of other tests are mostly smaller; of these all products are made so, forward and
back, and the sums of the weights' gradient run over several windows, whose last blocks
are not whole.
"""

import numpy as np
import pytest

from lstmc import _core

pytestmark = [
    pytest.mark.every_cell,
    pytest.mark.usefixtures("target"),
    pytest.mark.parametrize("target", ["amx"], indirect=True),
    pytest.mark.skipif("amx" not in _core.targets(), reason="no AMX: see make amx"),
]
INPUTS, UNITS = 70, 80
# Short: what a long sequence makes of a rounding is not the products' doing.
LENGTHS = [12, 1, 11, 0, 9, *[10] * 230]
EPS = np.finfo("float32").eps


def results(layer, batch, threads=1):
    X, state, dY, dstate = batch
    Y, after, tape = layer.forward(X, state, threads=threads)
    dX, before, grads = layer.backward(tape, dY, dstate, threads=threads)
    named = {"y": np.concatenate(Y), "dx": np.concatenate(dX), **grads}
    for name, states in ("after", after), ("before", before):
        named |= {f"{name} {k}": array for k, array in enumerate(states)}
    return named


def check(make_layer, make_batch, units=UNITS, inputs=INPUTS, **more):
    """A digit's unit is that of the largest number in a row or a column, of normal ones
    3 to 4 times a usual one; a rounding of vectors is that of a sum so far, which in
    sums of only 80 has not grown much."""
    layer = make_layer(inputs, units, **more)
    exact = make_layer(inputs, units, dtype="float64", **more)
    # Of the usual size: with larger ones a sequence is chaos, whoever multiplies.
    weights = {name: array / 3 for name, array in layer.parameters.items()}
    layer.load_parameters(weights)
    exact.load_parameters(weights)
    batch = make_batch(layer, LENGTHS)
    by_digits = results(layer, batch)
    _core.choose_target("avx512")
    by_vectors = results(layer, batch)
    true = results(exact, batch)
    differ = any((by_digits[name] != by_vectors[name]).any() for name in true)
    assert differ or layer.cell == "layernorm"  # which divides by its spread
    for name, wanted in true.items():
        size = np.abs(wanted).max()
        error = np.abs(by_digits[name] - wanted).max()
        usual = np.abs(by_vectors[name] - wanted).max()
        assert error <= 2 * usual + 8 * EPS * size, name


def test_is_as_right_as_that_of_vectors(make_layer, make_batch):
    check(make_layer, make_batch, bidirectional=True)


@pytest.mark.parametrize("option", [("lstm", "tanh"), ("gru", "tanh")], ids="-".join)
@pytest.mark.parametrize("inputs", [1, 2, 33])
def test_is_as_right_with_few_inputs(make_layer, make_batch, inputs):
    check(make_layer, make_batch, inputs=inputs)


@pytest.mark.parametrize("option", [("lstm", "tanh"), ("gru", "tanh")], ids="-".join)
def test_is_as_right_with_masks_and_heads(make_layer, make_batch, option):
    check(make_layer, make_batch, 160, num_heads=2, recurrent_dropout=0.3)


@pytest.mark.parametrize("option", [("lstm", "tanh")], ids="-".join)
def test_is_as_right_with_a_projection(make_layer, make_batch, option):
    check(make_layer, make_batch, 100, proj_size=70)


def test_any_number_of_threads(make_layer, make_batch):
    layer = make_layer(INPUTS, UNITS)
    batch = make_batch(layer, LENGTHS)
    alone = results(layer, batch)
    for threads in 2, 3:
        shared = results(layer, batch, threads)
        for name, array in alone.items():
            np.testing.assert_array_equal(array, shared[name], strict=True)


def test_any_company(make_layer, make_batch):
    layer = make_layer(INPUTS, UNITS)
    lengths = [7, 9, 8, 9, 5, 9, 9]
    ends = np.cumsum([0, *lengths])
    X, state, dY, dstate = make_batch(layer, lengths)
    together = results(layer, (X, state, dY, dstate))
    for chosen in ([1], [3, 0], [6, 2, 4, 5, 1, 0]):
        states = [tuple(s[:, chosen] for s in given) for given in (state, dstate)]
        own = [X[k] for k in chosen], states[0], [dY[k] for k in chosen], states[1]
        some = results(layer, own)
        for name in "y", "dx":
            rows = [together[name][ends[k] : ends[k + 1]] for k in chosen]
            np.testing.assert_array_equal(some[name], np.concatenate(rows))


@pytest.mark.parametrize("option", [("lstm", "tanh"), ("gru", "tanh")], ids="-".join)
def test_features_in_other_units(make_layer, make_batch, option):
    """One is a million times the rest and the weights make up for it; one that nobody
    reads is larger still."""
    layer = make_layer(INPUTS, UNITS)
    x = make_batch(layer, [40] * 40)[0]
    factor = np.ones(INPUTS, "float32")
    factor[3], factor[4] = 2.0**20, 2.0**-20
    weights = {name: array.copy() for name, array in layer.parameters.items()}
    weights["weight_ih_l0"][:, 5] = 0
    layer.load_parameters(weights)
    wanted = np.array(layer(x)[0])
    weights["weight_ih_l0"] /= factor
    layer.load_parameters(weights)
    x = np.array(x) * factor
    x[..., 5] = 2.0**60
    np.testing.assert_array_equal(layer(x)[0], wanted)


@pytest.mark.parametrize("option", [("lstm", "tanh"), ("gru", "tanh")], ids="-".join)
def test_changed_weights_are_seen_after_a_reset(make_layer, option):
    layer = make_layer(INPUTS, UNITS)
    x = np.linspace(-1, 1, INPUTS, dtype="float32")
    streams = [layer.stream() for _ in range(2)]
    before = [stream.step(x).copy() for stream in streams]
    layer.load_parameters({name: a / 2 for name, a in layer.parameters.items()})
    for stream, old in zip(streams, before, strict=True):
        stream.reset()
        new = stream.step(x)
        assert new.tobytes() == layer(x[None, None])[0].tobytes() != old.tobytes()


@pytest.mark.parametrize("option", [("lstm", "tanh")], ids="-".join)
def test_nan_stays_in_its_row(make_layer, make_batch, option):
    layer = make_layer(INPUTS, UNITS)
    x = np.ones((9, 4, INPUTS), "float32")
    wanted = layer(x)[0]
    x[5, 2, 7] = np.nan
    # Layers refuse what is not finite; streams pass it on.
    stream = layer.stream(9)
    for t in range(4):
        y = stream.step(np.ascontiguousarray(x[:, t]))
        hurt = np.arange(9) == 5
        assert np.isnan(y[5]).all() == (t >= 2)
        assert y[~hurt].tobytes() == wanted[~hurt, t].tobytes()
