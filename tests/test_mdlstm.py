"""The multidimensional LSTM: its equations, gradients, and every promise."""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference_mdlstm import mdlstm
from test_denormals import float_mode, needs_glibc
from test_interrupt import interrupt

from lstmc import _core
from lstmc.images import Images
from lstmc.layers import MDLSTM

STEP, LIMIT = 1e-6, 1e-6  # as in test_gradients
SIZES = {
    1: [(4,), (1,)],
    2: [(1, 1), (1, 5), (4, 1), (3, 4), (5, 3)],
    3: [(1, 1, 1), (2, 3, 4), (3, 1, 2)],
}
LARGE = {2: [(9, 31), (40, 7), (16, 16), (1, 50)], 3: [(7, 5, 6), (2, 9, 3)]}


def make_layer(*sizes, **options):
    """A layer whose weights all differ from where they start."""
    layer = MDLSTM(*sizes, random_state=0, **options)
    rng = np.random.default_rng(1)
    layer.load_parameters(
        {
            name: array + 0.2 * rng.standard_normal(array.shape)
            for name, array in layer.parameters.items()
        }
    )
    return layer


def draw(layer, sizes, channels=None, seed=2):
    rng = np.random.default_rng(seed)
    channels = channels or layer.input_size
    return [rng.standard_normal((*s, channels)).astype(layer.dtype) for s in sizes]


def solve(layer, x):
    """The reference's answer for one image."""
    own = layer.parameters
    kinds = ("weight_ih", "weight_hh", "bias", "peephole")
    weights = [
        [own[f"{kind}_d{k}"].astype(float) for kind in kinds]
        for k in range(len(layer.codes))
    ]
    y = mdlstm(x.astype(float), weights, layer.codes)
    if layer.merge == "sum":
        return y.reshape(*y.shape[:-1], len(layer.codes), -1).sum(-2)
    return y


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (3, 16), (20, 21)])
def test_equations(target, ndim, merge, inputs, units):
    for dtype in ("float32", "float64"):
        layer = make_layer(inputs, units, ndim, merge=merge, dtype=dtype)
        X = draw(layer, SIZES[ndim])
        for x, y in zip(X, layer(X), strict=True):
            # Roundings grow from cell to cell, as c does.
            limit = 2e4 * np.finfo(dtype).eps
            np.testing.assert_allclose(y, solve(layer, x), rtol=limit, atol=limit)


def test_some_directions():
    layer = make_layer(2, 3, directions=["-+", "++"], dtype="float64")
    assert layer.codes == (1, 0) and layer.output_size == 6
    [x] = draw(layer, [(4, 3)])
    np.testing.assert_allclose(layer([x])[0], solve(layer, x), atol=1e-13)


def test_parameters_are_counted_as_in_the_paper():
    for ndim, n, m in [(2, 5, 3), (3, 4, 7)]:
        layer = MDLSTM(m, n, ndim)
        own = (ndim + 3) * n * (m + ndim * n + 1) + (ndim + 2) * n
        assert layer.n_weights == 2**ndim * own
        total = sum(array.size for array in layer.parameters.values())
        assert total == layer.n_weights


def test_forget_gates_start_at_a_sum_of_one():
    for ndim in (2, 3):
        bias = MDLSTM(2, 4, ndim).parameters["bias_d0"].reshape(ndim + 3, 4)
        np.testing.assert_allclose((1 / (1 + np.exp(-bias[1:-2]))).sum(0), 1, 1e-6)
        assert not bias[[0, -2, -1]].any()
    assert (MDLSTM(2, 4, forget_bias=1.5).parameters["bias_d1"][4:12] == 1.5).all()


@pytest.mark.parametrize(
    ("inputs", "units", "ndim", "options"),
    [
        (2, 3, 1, {}),
        (2, 3, 2, {}),
        (2, 3, 2, {"merge": "sum"}),
        (9, 9, 2, {}),  # 8 float64 fill a panel
        (1, 17, 2, {"directions": ["+-"]}),
        (2, 3, 3, {}),
    ],
)
def test_gradients(target, inputs, units, ndim, options):
    layer = make_layer(inputs, units, ndim, dtype="float64", **options)
    X = draw(layer, SIZES[ndim])
    dY = draw(layer, SIZES[ndim], layer.output_size, seed=3)
    _, tape = layer.forward(X)
    dX, grads = layer.backward(tape, dY)
    parameters = {name: array.copy() for name, array in layer.parameters.items()}
    assert grads.keys() == parameters.keys()

    def loss():
        layer.load_parameters(parameters)
        return sum(np.vdot(y, dy) for y, dy in zip(layer(X), dY, strict=True))

    pairs = [*zip(X, dX, strict=True)]
    pairs += [(parameters[name], grads[name]) for name in grads]
    rng = np.random.default_rng(6)
    for array, gradient in pairs:
        assert gradient.shape == array.shape
        direction = rng.standard_normal(array.shape) / array.size**0.5
        saved, losses = array.copy(), []
        for sign in (1, -1):
            array[...] = saved + sign * STEP * direction
            losses.append(loss())
        array[...] = saved
        wanted = (losses[0] - losses[1]) / (2 * STEP)
        assert abs(np.vdot(gradient, direction) - wanted) < LIMIT * max(1, abs(wanted))


def test_every_element():
    layer = make_layer(1, 2, dtype="float64")
    X, dY = draw(layer, [(2, 3)]), draw(layer, [(2, 3)], 8, seed=3)
    _, tape = layer.forward(X)
    _, grads = layer.backward(tape, dY)
    parameters = {name: array.copy() for name, array in layer.parameters.items()}
    for name, array in parameters.items():
        for k in range(array.size):
            losses = []
            for sign in (1, -1):
                array.flat[k] += sign * STEP
                layer.load_parameters(parameters)
                losses.append(np.vdot(layer(X)[0], dY[0]))
                array.flat[k] -= sign * STEP
            wanted = (losses[0] - losses[1]) / (2 * STEP)
            assert abs(grads[name].flat[k] - wanted) < LIMIT, name


def train(layer, X, threads=0):
    """Bits of everything that a training step gives."""
    Y, tape = layer.forward(X, threads=threads)
    dX, grads = layer.backward(tape, [y + 1 for y in Y], threads=threads)
    return [a.tobytes() for a in (*Y, *dX, *grads.values())]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("few", [False, True])  # jobs, so that crews share one
def test_any_number_of_threads(dtype, ndim, merge, few):
    own = {"directions": ["+" * ndim]} if few else {}
    layer = make_layer(5, 18, ndim, dtype=dtype, merge=merge, **own)
    X = draw(layer, LARGE[ndim][: 1 if few else None])
    if few:  # enough work for threads
        X = [np.concatenate([x] * 6) for x in X]
    one = train(layer, X, threads=1)
    called = [y.tobytes() for y in layer(X, threads=1)]
    assert called == one[: len(called)]
    for threads in (2, 3, 8, 16):
        assert train(layer, X, threads) == one


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_company(dtype):
    layer = make_layer(5, 18, dtype=dtype)
    sizes = LARGE[2] + SIZES[2] + [(30, 30)]
    X, dY = draw(layer, sizes), draw(layer, sizes, layer.output_size, 3)

    def run(chosen):
        Y, tape = layer.forward([X[j] for j in chosen])
        dX, _ = layer.backward(tape, [dY[j] for j in chosen])
        return [(y.tobytes(), dx.tobytes()) for y, dx in zip(Y, dX, strict=True)]

    together = run(range(len(X)))
    assert [run([j])[0] for j in range(len(X))] == together
    order = np.random.default_rng(4).permutation(len(X))
    assert run(order) == [together[j] for j in order]


def test_forms_of_images():
    layer = make_layer(1, 2)
    X = np.random.default_rng(0).standard_normal((3, 4, 5, 1)).astype(np.float32)
    wanted = layer(X)
    assert wanted.shape == (3, 4, 5, 8)
    assert (layer(X[..., 0]) == wanted).all()  # one channel need not be said
    assert (np.stack(layer([*X])) == wanted).all()
    images = Images(X.reshape(-1, 1), np.tile([4, 5], (3, 1)))
    assert (layer(images).values == wanted.reshape(-1, 8)).all()
    Y, tape = layer.forward(X)
    dX, _ = layer.backward(tape, Y)
    assert dX.shape == X.shape


def test_a_call_writes_nothing():
    layer = make_layer(3, 9)
    X = draw(layer, LARGE[2])
    before = pickle.dumps((layer, X)), {k: id(v) for k, v in vars(layer).items()}
    wanted = [y.tobytes() for y in layer(X)]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(layer, [X] * 30):
            assert [y.tobytes() for y in found] == wanted
    after = pickle.dumps((layer, X)), {k: id(v) for k, v in vars(layer).items()}
    assert after == before
    twin = pickle.loads(pickle.dumps(layer))
    assert [y.tobytes() for y in twin(X)] == wanted


def test_training_writes_no_argument():
    layer = make_layer(3, 9)
    X, dY = draw(layer, LARGE[2]), draw(layer, LARGE[2], 36, 3)
    before = pickle.dumps((layer, X, dY))
    _, tape = layer.forward(X)
    layer.backward(tape, dY)
    assert pickle.dumps((layer, X, dY)) == before


@pytest.mark.parametrize("phase", ["inference", "forward", "backward"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_hears_an_interrupt(phase, threads):
    layer = MDLSTM(100, 128, directions=["++"], random_state=0)
    X = np.ones((24, 100, 100, 100), np.float32)  # seconds of work
    call = layer if phase == "inference" else layer.forward
    if phase == "backward":
        Y, tape = layer.forward(X)
        interrupt(lambda: layer.backward(tape, Y, threads=threads))
    else:
        interrupt(lambda: call(X, threads=threads))
    assert np.isfinite(layer(X[:1, :3, :3])).all()


@needs_glibc
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("size", [1e-40, 1e-20])
def test_denormals_are_flushed_and_the_mode_comes_back(threads, size):
    layer = make_layer(6, 40)
    tiny = {name: np.float32(size) * a for name, a in layer.parameters.items()}
    layer.load_parameters(tiny)
    before = float_mode()
    X = [np.float32(size) * x for x in draw(layer, LARGE[2])]
    Y, tape = layer.forward(X, threads=threads)
    dX, grads = layer.backward(tape, Y, threads=threads)
    assert float_mode() == before
    for array in (*Y, *dX, *grads.values()):
        assert np.isfinite(array).all()
        assert not ((array != 0) & (abs(array) < np.finfo(np.float32).tiny)).any()


def test_nan_in_nan_out_and_nowhere_else():
    layer = make_layer(2, 5)
    X = draw(layer, [(4, 6), (3, 3)])
    values = np.concatenate([x.reshape(-1, 2) for x in X])
    images = Images(values.copy(), np.array([(4, 6), (3, 3)]))
    wanted = layer.apply(images)
    values[7] = np.nan
    y = layer.apply(Images(values, images.shapes))
    assert np.isnan(y[7]).all() and np.isnan(y[23, :5]).all()
    assert not np.isnan(y[0, :5]).any()  # the first sweep has not been there yet
    assert (y[24:] == wanted[24:]).all()
    with pytest.raises(ValueError, match=r"image 0, cell \(1, 1\), channel 0: .*NaN"):
        layer(Images(values, images.shapes))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ndim": 4}, "ndim: expected 1, 2 or 3, got 4"),
        ({"hidden_size": 0}, "hidden_size: expected at least 1, got 0"),
        ({"input_size": 0}, "input_size: expected at least 1, got 0"),
        ({"merge": "mean"}, "merge: expected one of .*, got 'mean'"),
        ({"directions": "some"}, 'directions: expected "all" or a list'),
        ({"directions": ["++", "++"]}, "each once"),
        ({"directions": ["+++"]}, r"got \['\+\+\+'\]"),
        ({"directions": []}, "directions: expected some of"),
    ],
)
def test_options_that_do_not_exist(wrong, message):
    with pytest.raises(ValueError, match=message):
        MDLSTM(**{"input_size": 2, "hidden_size": 3} | wrong)
    with pytest.raises(TypeError, match="float16"):
        MDLSTM(2, 3, dtype="float16")


def test_images_that_do_not_fit():
    layer = MDLSTM(2, 3, random_state=0)
    with pytest.raises(ValueError, match="X has 3 channels, expected 2"):
        layer(np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"got shape \(4, 4\)"):
        layer(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"image 1: .*got \(2, 2, 2, 2\)"):
        layer([np.zeros((2, 2, 2)), np.zeros((2, 2, 2, 2))])
    with pytest.raises(ValueError, match=r"image 1: .*got \(0, 2, 2\)"):
        layer([np.zeros((2, 2, 2)), np.zeros((0, 2, 2))])
    with pytest.raises(ValueError, match="0 sample"):
        layer([])
    Y, tape = layer.forward([np.zeros((4, 5, 2))])
    with pytest.raises(ValueError, match=r"dY: expected the sizes \[\[4, 5\]\], got"):
        layer.backward(tape, [np.zeros((5, 4, 12))])
    with pytest.raises(ValueError, match="dY has 3 channels, expected 12"):
        layer.backward(tape, [np.zeros((4, 5, 3))])
    layer.backward(tape, Y)
    with pytest.raises(ValueError, match="no backward has used"):
        layer.backward(tape, Y)


def test_the_door_refuses_what_does_not_fit():
    layer = MDLSTM(2, 3, random_state=0)
    shapes, x = np.array([[2, 2]]), np.zeros((4, 2), np.float32)
    y = np.zeros((4, 12), np.float32)

    def run(weights=layer.weights, shapes=shapes, x=x, y=y, codes=layer.codes):
        _core.mdlstm_forward(weights, shapes, codes, 3, x, y, None, 1)

    run()
    for wrong in [
        {"weights": layer.weights[1:]}, {"shapes": np.array([[2, 3]])},
        {"shapes": np.array([[2, 2, 1, 1]])}, {"y": y[:, 1:].copy()}, {"x": x[1:]},
        {"codes": (0, 1, 2, 4)}, {"codes": ()}, {"shapes": np.array([[-2, -2]])},
    ]:  # fmt: skip
        with pytest.raises(ValueError):
            run(**wrong)
    with pytest.raises(ValueError, match="tape: expected"):
        _core.mdlstm_forward(
            layer.weights, shapes, layer.codes, 3, x, y, np.zeros(3, np.float32), 1
        )


def test_sizes_beyond_any_address():
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        _core.mdlstm_tape_size(np.array([[1 << 16, 1 << 15]]), 4, 1, 8, False)
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        _core.mdlstm_tape_size(np.array([[1 << 10, 1 << 10]]), 4, 1, 1 << 40, False)


def test_initial_weights_follow_the_seed():
    one, two, other = (MDLSTM(2, 3, random_state=s).weights for s in (0, 0, 1))
    assert (one == two).all() and (one != other).any()
    peepholes = MDLSTM(2, 3, random_state=0).parameters["peephole_d3"]
    assert peepholes.shape == (4, 3) and abs(peepholes).max() <= 0.1
    assert math.isclose(
        MDLSTM(2, 3, recurrent_initializer="identity").parameters["weight_hh_d0"].sum(),
        5 * 6,
    )
