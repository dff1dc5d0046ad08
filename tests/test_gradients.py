"""Every gradient against central differences in float64, element by element."""

import numpy as np
import pytest

STEP = 1e-5  # truncation about STEP^2, rounding about 1e-16 |loss| / STEP
LIMIT = 1e-6

SHAPES = [  # layers, both directions, lengths
    (1, False, [1, 1]),
    (1, False, [3, 0, 1, 4]),
    (1, True, [3, 0, 1, 4]),
    (2, True, [2, 0, 3]),
    (3, False, [2, 3]),
]


def loss(layer, X, state, dY, dstate, key=None):
    """sum Y dY + sum state dstate, and with a key the masks of dropout as well."""
    if key is None:
        Y, after = layer(X, state, threads=1)
    else:
        Y, after, _ = layer.forward(X, state, dropout_key=key, threads=1)
    total = sum(np.vdot(y, dy) for y, dy in zip(Y, dY, strict=True))
    return total + sum(np.vdot(s, ds) for s, ds in zip(after, dstate, strict=True))


def differences(array, evaluate):
    """Central differences of evaluate() by each element of an array."""
    out = np.empty_like(array)
    for k in np.ndindex(array.shape):
        value = array[k]
        array[k] = value + STEP
        up = evaluate()
        array[k] = value - STEP
        out[k] = (up - evaluate()) / (2 * STEP)
        array[k] = value
    return out


def assert_gradient(got, wanted, name):
    error = np.abs(got - wanted) / np.maximum(1, np.abs(wanted))
    assert got.shape == wanted.shape
    assert error.max(initial=0) < LIMIT, name


def check(layer, batch, key=None):
    X, state, dY, dstate = batch
    more = {} if key is None else {"dropout_key": key}
    _, _, tape = layer.forward(X, state, **more)
    dX, dbefore, grads = layer.backward(tape, dY, dstate)

    def evaluate():
        return loss(layer, X, state, dY, dstate, key)

    for j, (x, dx) in enumerate(zip(X, dX, strict=True)):
        assert_gradient(dx, differences(x, evaluate), f"x[{j}]")
    for name, s, ds in zip(layer.state_names, state, dbefore, strict=True):
        assert_gradient(ds, differences(s, evaluate), name)
    parameters = {name: array.copy() for name, array in layer.parameters.items()}

    def reload():
        layer.load_parameters(parameters)
        return evaluate()

    assert grads.keys() == parameters.keys()
    for name, array in parameters.items():
        assert_gradient(grads[name], differences(array, reload), name)


@pytest.mark.parametrize(("num_layers", "bidirectional", "lengths"), SHAPES)
def test_gradients(make_layer, make_batch, num_layers, bidirectional, lengths):
    layer = make_layer(
        2, 3, dtype="float64", num_layers=num_layers, bidirectional=bidirectional
    )
    check(layer, make_batch(layer, lengths))


def test_gradients_across_a_panel(make_layer, make_batch):
    # 8 float64 fill a panel; the ninth unit and input lie in a second one.
    layer = make_layer(9, 9, dtype="float64")
    check(layer, make_batch(layer, [2, 3]))


def test_gradients_with_dropout(make_layer, make_batch):
    layer = make_layer(
        2, 4, dtype="float64", num_layers=3, bidirectional=True, dropout=0.4
    )
    check(layer, make_batch(layer, [3, 0, 2]), key=(3, 5))


def test_what_is_not_given_is_zero(make_layer, make_batch):
    layer = make_layer(3, 5, dtype="float64", num_layers=2, bidirectional=True)
    X, state, dY, dstate = make_batch(layer, [3, 1])
    zero_dY = [np.zeros_like(dy) for dy in dY]
    zero_dstate = tuple(np.zeros_like(ds) for ds in dstate)
    for short, full in [
        ((None, dstate), (zero_dY, dstate)),
        ((dY, None), (dY, zero_dstate)),
    ]:
        results = []
        for ends in (short, full):
            tape = layer.forward(X, state)[2]
            dX, dbefore, grads = layer.backward(tape, *ends)
            results.append([*dX, *dbefore, *grads.values()])
        for a, b in zip(*results, strict=True):
            # -0 may stand for 0
            assert np.array_equal(a, b)


def test_the_gradient_of_a_float32_layer(make_layer, make_batch):
    layers = [make_layer(5, 17, dtype=d, bidirectional=True) for d in ("f4", "f8")]
    layers[1].load_parameters(layers[0].parameters)
    X, state, dY, dstate = make_batch(layers[0], [6, 0, 9, 1])
    results = []
    for layer in layers:
        tape = layer.forward(X, state)[2]
        dX, dbefore, grads = layer.backward(tape, dY, dstate)
        results.append([*dX, *dbefore, *grads.values()])
    for a, b in zip(*results, strict=True):
        # Sums over 22 products a step and 16 steps, each off by a rounding or so.
        limit = 64 * np.finfo(np.float32).eps * max(1, np.abs(b).max(initial=0))
        assert np.abs(a - b).max(initial=0) < limit
