"""Highway layers: their equations, gradients, bits, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from reference_highway import SQUASHES, highway
from test_interrupt import interrupt

import lstmc
from lstmc.layers import Highway

GATES = ["coupled", "separate", "open", "none"]
# Rows and units that fill panels and slabs, and that do not.
SIZES = [(1, 1), (3, 5), (70, 8), (65, 16), (130, 37)]


def make(size, num_layers=3, dtype="float64", **options):
    layer = Highway(size, num_layers, dtype=dtype, random_state=0, **options)
    rng = np.random.default_rng(1)
    layer.load_parameters({  # biases, too, are anything
        name: a + 0.3 * rng.standard_normal(a.shape)
        for name, a in layer.parameters.items()
    })  # fmt: skip
    return layer


def by_layer(layer):
    return [
        {
            name.removesuffix(f"_l{k}"): a.astype(np.float64)
            for name, a in layer.parameters.items()
            if name.endswith(f"_l{k}")
        }
        for k in range(layer.num_layers)
    ]


def draw(rows, size, dtype="float64"):
    return np.random.default_rng(2).standard_normal((rows, size)).astype(dtype)


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("activation", SQUASHES)
def test_outputs_are_those_of_the_equations(target, gates, activation):
    # float32: three layers of sums of up to 37 products, and tanh to 2e-7.
    for dtype, limit in ("float64", 1e-12), ("float32", 2e-5):
        for rows, size in SIZES:
            layer = make(size, dtype=dtype, gates=gates, activation=activation)
            x = draw(rows, size, dtype)
            wanted = highway(x.astype(float), by_layer(layer), gates, activation)
            scale = 1 + abs(wanted).max()
            assert abs(layer(x) - wanted).max() < limit * scale
            y, _ = layer.forward(x)
            assert y.tobytes() == layer(x).tobytes()


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("activation", SQUASHES)
def test_gradients_are_central_differences(target, gates, activation):
    for rows, size in (1, 1), (3, 5), (66, 9):
        layer = make(size, gates=gates, activation=activation)
        x, dy = draw(rows, size), draw(rows, size)[::-1].copy()
        parameters = {name: a.copy() for name, a in layer.parameters.items()}
        dx, grads = layer.backward(layer.forward(x)[1], dy)
        assert grads.keys() == parameters.keys()
        rng, step = np.random.default_rng(3), 1e-6
        for name, array in [*parameters.items(), ("x", x)]:
            way = rng.standard_normal(array.shape) / array.size**0.5
            saved, losses = array.copy(), []
            for sign in (1, -1):
                array[...] = saved + sign * step * way
                layer.load_parameters(parameters)
                losses.append(float(np.vdot(layer(x), dy)))
            array[...] = saved
            layer.load_parameters(parameters)
            found = float(np.vdot(dx if name == "x" else grads[name], way))
            wanted = (losses[0] - losses[1]) / (2 * step)
            assert abs(found - wanted) < 1e-6 * (1 + abs(wanted)), name


def bits(layer, x, dy, threads):
    y, tape = layer.forward(x, threads=threads)
    dx, grads = layer.backward(tape, dy, threads=threads)
    return [a.tobytes() for a in (layer(x, threads=threads), y, dx, *grads.values())]


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_threads(target, gates, dtype):
    for rows, size in (3, 130), (700, 40):
        layer = make(size, 5, dtype, gates=gates)
        x = draw(rows, size, dtype)
        wanted = bits(layer, x, x[::-1].copy(), 1)
        for threads in 2, 3, 7:
            assert bits(layer, x, x[::-1].copy(), threads) == wanted


@pytest.mark.parametrize("gates", GATES)
def test_bits_do_not_depend_on_company(target, gates):
    layer, x = make(37, 4, "float32", gates=gates), draw(200, 37, "float32")
    y, tape = layer.forward(x)
    dx, _ = layer.backward(tape, y)
    for chosen in [[5], [199, 0], list(range(3, 17)), list(range(60, 190))]:
        own, tape = layer.forward(x[chosen])
        assert own.tobytes() == y[chosen].tobytes() == layer(x[chosen]).tobytes()
        assert layer.backward(tape, own)[0].tobytes() == dx[chosen].tobytes()


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("activation", SQUASHES)
def test_nan_stays_in_its_row(gates, activation):
    layer, x = make(20, gates=gates, activation=activation), draw(80, 20)
    wanted, x[7, 3] = layer(x), np.nan
    y, tape = layer.forward(x)
    assert np.isnan(y[7]).all()
    assert np.delete(y, 7, 0).tobytes() == np.delete(wanted, 7, 0).tobytes()
    dy = np.ones_like(x)
    dy[9, 4] = np.nan
    dx, grads = layer.backward(tape, dy)
    rows = np.unique(np.nonzero(np.isnan(dx))[0]).tolist()
    # A plain layer's input, and relu's, does not show in the slope.
    assert rows == [7, 9] or (rows == [9] and activation in ("relu", "identity"))
    assert np.isnan(grads["weight_h_l0"]).any()


def test_a_shut_gate_hands_on_its_input():
    layer, x = Highway(16, 50, transform_bias=-100, random_state=0), draw(9, 16, "f4")
    y, tape = layer.forward(x)
    assert y.tobytes() == x.tobytes()
    assert layer.backward(tape, x)[0].tobytes() == x.tobytes()


def test_leading_axes_are_kept():
    layer, x = make(5), draw(24, 5)
    cube, dy = x.reshape(2, 3, 4, 5), np.ones((2, 3, 4, 5))
    y, tape = layer.forward(cube)
    dx, _ = layer.backward(tape, dy)
    assert y.shape == dx.shape == cube.shape
    assert y.tobytes() == layer(x).tobytes() == layer(cube).tobytes()
    assert layer(x[0]).shape == (5,)


def test_no_rows_give_no_gradient():
    layer = make(5)
    y, tape = layer.forward(np.empty((0, 5)))
    dx, grads = layer.backward(tape, y)
    assert y.shape == dx.shape == layer(y).shape == (0, 5)
    assert not any(a.any() for a in grads.values())


def test_weights_go_to_and_fro():
    layer, x = make(7, gates="separate"), draw(6, 7)
    for twin in pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer):
        assert twin(x).tobytes() == layer(x).tobytes()
        assert twin.parameters.keys() == layer.parameters.keys()
    assert sum(a.size for a in layer.parameters.values()) == layer.n_weights
    marked = np.zeros(layer.n_weights)
    for part in layer.penalised:
        marked[part] = 1
    views = layer._views(marked)
    assert all(a.all() for name, a in views.items() if name.startswith("weight"))
    assert not any(a.any() for name, a in views.items() if name.startswith("bias"))


def test_denormals_do_no_harm():
    layer = Highway(40, 20, random_state=0, gates="none")
    x = np.full((70, 40), 1e-38, np.float32)
    y, tape = layer.forward(x)
    dx, grads = layer.backward(tape, x)
    smallest = np.finfo(np.float32).tiny
    for a in (y, dx, *grads.values()):
        assert not ((a != 0) & (abs(a) < smallest)).any()
    assert np.float32(1e-40) * np.float32(0.5) > 0  # the caller's mode came back


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "size: expected an integer of at least 1, got 0"),
        ({"num_layers": 0}, "num_layers: expected an integer of at least 1, got 0"),
        ({"gates": "ajar"}, "gates: expected one of .*'none'.*, got 'ajar'"),
        ({"activation": "swish"}, "activation: expected one of .*, got 'swish'"),
        ({"transform_bias": np.inf}, "transform_bias: expected a finite number"),
    ],
)
def test_refuses_options(options, words):
    with pytest.raises(ValueError, match=words):
        Highway(**{"size": 4} | options)


def test_refuses_other_widths_and_used_tapes():
    layer, x = make(5), draw(4, 5)
    with pytest.raises(ValueError, match=r"X: expected shape \(..., 5\), got \(4, 3\)"):
        layer(x[:, :3])
    with pytest.raises(TypeError, match="X: expected arrays of real numbers"):
        layer([["a"] * 5])
    tape = layer.forward(x)[1]
    with pytest.raises(ValueError, match=r"dY: expected shape \(4, 5\), got \(3, 5\)"):
        layer.backward(tape, x[:3])
    layer.backward(tape, x)
    with pytest.raises(ValueError, match="tape: expected a fresh one"):
        layer.backward(tape, x)


def test_a_listing_has_the_equations():
    (row,) = [row for row in lstmc.architectures() if row["name"] == "highway"]
    assert row["layer"] == "Highway" and "H T + x C" in row["equations"]


@pytest.mark.parametrize("phase", ["inference", "forward", "backward"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_hears_an_interrupt(phase, threads):
    layer = Highway(1500, 4, random_state=0)
    few = draw(3, 1500, "f4")
    before, x = layer(few), draw(600, 1500, "f4")
    more = np.tile(x, (3, 1))
    calls = {
        "inference": lambda: layer(more, threads=threads),
        "forward": lambda: layer.forward(more, threads=threads),
    }
    if phase == "backward":
        y, tape = layer.forward(x)
        calls[phase] = lambda: layer.backward(tape, y, threads=threads)
    interrupt(calls[phase])
    assert layer(few).tobytes() == before.tobytes()


def test_too_large_a_stack_is_a_memory_error():
    with pytest.raises(MemoryError, match="product does not fit"):
        Highway(2**31, 2**20)
