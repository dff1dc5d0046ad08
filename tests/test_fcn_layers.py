"""Normalization, ReLU, pooling, attention: against the equations, and the promises."""

import numpy as np
import pytest
import reference_fcn as reference
from test_denormals import float_mode, needs_glibc
from test_interrupt import interrupt

from lstmc import Sequences, _core
from lstmc.layers import AttentionLSTM, BatchNorm, GlobalAveragePooling, ReLU

STEP, LIMIT = 1e-6, 1e-6  # as in test_gradients.py
LENGTHS = [3, 0, 1, 130, 70]  # one longer than two blocks of rows
CHANNELS = [1, 7, 16, 45, 130]  # less than a vector, whole ones, many and a rest
ROUNDING = {"float32": 2e-5, "float64": 1e-12}  # of sums over 204 steps


def draw(rng, shape, dtype="float64"):
    return (2 + 3 * rng.standard_normal(shape)).astype(dtype)


def batch(features, dtype="float64", lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    return [draw(rng, (steps, features), dtype) for steps in lengths]


def fill(layer, seed=1):
    """Random parameters, the running ones possible."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.standard_normal(a.shape) for name, a in layer.parameters.items()}
    for name in {"running_var", "num_batches_tracked"} & set(drawn):
        drawn[name] = abs(drawn[name]) + 1
    layer.load_parameters(drawn)
    return {name: a.astype(np.float64) for name, a in layer.parameters.items()}


KINDS = ["norm", "norm-relu", "relu", "pooling"]


def make(kind, features, dtype="float64"):
    """A layer, with random parameters, and what the reference makes of a batch."""
    if kind == "relu":
        return ReLU(features, dtype=dtype), lambda xs: [reference.relu(x) for x in xs]
    if kind == "pooling":
        layer = GlobalAveragePooling(features, dtype=dtype)
        return layer, lambda xs: [reference.global_average(x) for x in xs]
    squash = kind.partition("-")[2] or "identity"
    layer = BatchNorm(features, activation=squash, dtype=dtype)
    w = fill(layer)

    def norm(xs):
        ys = reference.batch_norm(xs, w, 1e-3)
        return ys if squash == "identity" else [reference.relu(y) for y in ys]

    return layer, norm


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", CHANNELS)
@pytest.mark.parametrize("kind", KINDS)
def test_forward_is_the_equations(target, kind, features, dtype):
    layer, wanted = make(kind, features, dtype)
    X = batch(features, dtype)
    Y = layer.forward(X)[0]
    right = wanted([x.astype(np.float64) for x in X])
    for y, r in zip(Y, right, strict=True):
        assert abs(y - r).max(initial=0) < ROUNDING[dtype] * 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [1, 7, 45])
def test_gradients_are_those_of_differences(target, kind, features):
    layer, _ = make(kind, features)
    X = batch(features, lengths=[3, 0, 1, 70])
    rng = np.random.default_rng(2)
    Y, tape = layer.forward(X)
    dY = [rng.standard_normal(y.shape) for y in Y]
    dY = dY if kind != "pooling" else np.array(dY)
    dX, grads = layer.backward(tape, dY)
    parameters = {k: a.copy() for k, a in layer.parameters.items()}

    def loss():
        layer.load_parameters(parameters)
        return sum((y * dy).sum() for y, dy in zip(layer.forward(X)[0], dY))

    arrays = [(x, dx) for x, dx in zip(X, dX, strict=True)]
    arrays += [(parameters[k], grads[k]) for k in ("weight", "bias") if k in grads]
    assert grads.keys() == parameters.keys()
    check_differences(arrays, loss)


def check_differences(arrays, loss):
    rng = np.random.default_rng(3)
    for array, gradient in arrays:
        assert array.shape == gradient.shape
        along = rng.standard_normal(array.shape) / max(1, array.size) ** 0.5
        array += STEP * along
        above = loss()
        array -= 2 * STEP * along
        below = loss()
        array += STEP * along
        slope = (above - below) / (2 * STEP)
        assert abs(slope - (gradient * along).sum()) < LIMIT * max(1, abs(slope))


# --- batch normalization ----------------------------------------------------------


def test_a_variance_does_not_cancel(target):
    rng = np.random.default_rng(0)
    x = (1000 + rng.standard_normal((5000, 20))).astype("float32")
    mean, variance = np.empty((2, 20))
    _core.moments(x, mean, variance)
    assert abs(mean - x.mean(0, dtype="f8")).max() < 1e-3
    assert abs(variance / x.var(0, dtype="f8") - 1).max() < 1e-3


def test_running_averages_begin_as_means_and_then_forget():
    layer = BatchNorm(2, momentum=0.75, dtype="float64")
    batches = [batch(2, lengths=[5, 4], seed=k) for k in range(9)]
    mean, variance = np.zeros(2), np.ones(2)
    for k, X in enumerate(batches):
        layer.forward(X)
        rows, keep = np.concatenate(X), min(0.75, k / (k + 1))
        mean = keep * mean + (1 - keep) * rows.mean(0)
        variance = keep * variance + (1 - keep) * rows.var(0, ddof=1)
    found = layer.parameters
    assert np.allclose(found["running_mean"], mean, rtol=0, atol=1e-12)
    assert np.allclose(found["running_var"], variance, rtol=0, atol=1e-12)
    assert found["num_batches_tracked"] == [9]
    for x, y in zip(batches[0], layer(batches[0]), strict=True):
        right = reference.batch_norm_running(x, found, 1e-3)
        assert abs(y - right).max() < 1e-12


def test_running_averages_have_no_gradient_and_a_call_moves_nothing():
    layer, _ = make("norm", 3)
    X = batch(3)
    Y, tape = layer.forward(X)
    before = layer.weights.tobytes()
    grads = layer.backward(tape, Y)[1]
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert not grads[name].any()
    layer(X)
    assert layer.weights.tobytes() == before
    layer.forward([np.empty((0, 3))])  # nothing to learn from
    assert layer.weights.tobytes() == before


def test_pytorch_finds_the_same():
    torch = pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    layer = BatchNorm(7, activation="relu", dtype="float64")
    w = fill(layer)
    theirs = torch.nn.BatchNorm1d(7, eps=1e-3, momentum=None, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = map(torch.tensor, (w["weight"], w["bias"]))
    x = torch.tensor(np.concatenate(batch(7)), requires_grad=True)
    y = torch.relu(theirs(x))
    (y * y).sum().backward()
    Y, tape = layer.forward(x.detach().numpy()[None])
    dX, grads = layer.backward(tape, 2 * Y)
    assert np.allclose(Y[0], y.detach().numpy(), rtol=0, atol=1e-12)
    assert np.allclose(dX[0], x.grad.numpy(), rtol=0, atol=1e-10)
    assert np.allclose(grads["weight"], theirs.weight.grad.numpy(), rtol=1e-12)


# --- attention --------------------------------------------------------------------


def states(n, units, seed=5):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((n, units)) for _ in range(2))


@pytest.mark.parametrize(("features", "units"), [(2, 3), (9, 9), (1, 20), (20, 1)])
def test_attention_is_the_equations(target, features, units):
    layer = AttentionLSTM(features, units, dtype="float64")
    w, X = fill(layer), batch(features, lengths=[3, 0, 1, 9])
    before = states(len(X), units)
    Y, after = layer(X, before)
    for j, x in enumerate(X):
        y, h, c = reference.attention_lstm(x, before[0][j], before[1][j], w)
        assert abs(Y[j] - y).max(initial=0) < 1e-12
        assert abs(after[0][j] - h).max() < 1e-12
        assert abs(after[1][j] - c).max() < 1e-12


@pytest.mark.parametrize(("features", "units"), [(2, 3), (9, 9), (1, 20)])
def test_gradients_of_attention(target, features, units):
    layer = AttentionLSTM(features, units, dtype="float64")
    fill(layer)
    X = batch(features, lengths=[3, 0, 1, 5])
    before, dstate = states(len(X), units), states(len(X), units, seed=6)
    Y, _, tape = layer.forward(X, before)
    rng = np.random.default_rng(7)
    dY = [rng.standard_normal(y.shape) for y in Y]
    dX, dbefore, grads = layer.backward(tape, dY, dstate)
    parameters = {k: a.copy() for k, a in layer.parameters.items()}

    def loss():
        layer.load_parameters(parameters)
        Y, after = layer(X, before)
        total = sum((y * dy).sum() for y, dy in zip(Y, dY))
        return total + sum((s * d).sum() for s, d in zip(after, dstate))

    arrays = [*zip(X, dX), *zip(before, dbefore)]
    check_differences(arrays + [(parameters[k], grads[k]) for k in parameters], loss)
    with pytest.raises(ValueError, match="a fresh one"):
        layer.backward(tape, dY)


def test_a_single_step_is_its_own_context():
    layer = AttentionLSTM(4, 3, random_state=0)
    X = batch(4, "float32", lengths=[1])
    context = layer.forward(X)[2].kept[1]
    assert context.tobytes() == X[0].tobytes()


def test_attention_hears_an_interrupt():
    layer = AttentionLSTM(1, 64, random_state=0)
    x = np.zeros((4, 3000, 1), "float32")  # seconds of work
    interrupt(lambda: layer(x, threads=1))


# --- promises ---------------------------------------------------------------------


def every_layer(dtype="float32"):
    layers = [make(kind, 45, dtype)[0] for kind in KINDS]
    return [*layers, AttentionLSTM(45, 20, dtype=dtype, random_state=0)]


def run(layer, X, threads):
    """All results of forward, backward and a call, as bytes."""
    Y, *_, tape = layer.forward(X, threads=threads)
    results = layer.backward(tape, Y, threads=threads)
    called = layer(X, threads=threads)
    called = called[0] if isinstance(called, tuple) else called
    grads = results[-1]
    arrays = [*Y, *results[0], *grads.values(), *called, layer.weights]
    return [np.ascontiguousarray(a).tobytes() for a in arrays]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads(target, dtype):
    X = batch(45, dtype, lengths=[40, 0, 900, 3, 300])
    one = [run(layer, X, 1) for layer in every_layer(dtype)]
    for threads in (2, 3, 8):
        assert [run(layer, X, threads) for layer in every_layer(dtype)] == one


def test_any_company_outside_training():
    X = batch(45, "float32")
    for layer in every_layer():
        every = layer(X)
        every = every[0] if isinstance(every, tuple) else every
        for j in range(len(X)):
            alone = layer(X[j : j + 1])
            alone = alone[0] if isinstance(alone, tuple) else alone
            assert alone[0].tobytes() == every[j].tobytes()


def test_nan_comes_through():
    for layer in every_layer():
        x = Sequences.from_flat(np.zeros((6, 45), "float32"), [2, 4])
        values = x.values.copy()
        values[3, 40] = np.nan
        tainted = x.with_values(values)
        y, *_ = layer.record(tainted)
        assert np.isnan(y).any()
        y = layer.apply(tainted)
        y = y[0] if isinstance(y, tuple) else y
        assert np.isnan(y).any()


@needs_glibc
@pytest.mark.parametrize("threads", [1, 4])
def test_the_mode_comes_back(target, threads):
    before = float_mode()
    for layer in every_layer():
        run(layer, batch(45, "float32"), threads)
        assert float_mode() == before
    tiny = np.full((3, 4), 1e-40, "float32")
    assert not BatchNorm(4)(tiny[None]).any()  # 1e-40 times a scale


@pytest.mark.parametrize(
    ("make_it", "error"),
    [
        (lambda: BatchNorm(0), "input_size: expected at least 1, got 0"),
        (lambda: BatchNorm(1, momentum=1), "0 <= momentum < 1, got 1"),
        (lambda: BatchNorm(1, epsilon=0), "0 < epsilon < inf, got 0"),
        (lambda: BatchNorm(1, activation="tanh"), "'relu'.*, got 'tanh'"),
        (lambda: ReLU(0), "input_size: expected at least 1, got 0"),
        (lambda: GlobalAveragePooling(0), "input_size: expected at least 1, got 0"),
        (lambda: AttentionLSTM(1, 0), "hidden_size: expected at least 1, got 0"),
        (lambda: BatchNorm(2)(np.ones((1, 3, 4))), "has 4 features, expected 2"),
        (lambda: wrong_lengths(), r"lengths \[2, 1\] of X, got \[1, 2\]"),
        (lambda: wrong_state(), r"state h: expected \(2, 3\), got \(1, 3\)"),
        (lambda: negative_variance(), "running_var: expected at least 0, got -1"),
    ],
)
def test_errors_say_what_came(make_it, error):
    with pytest.raises(ValueError, match=error):
        make_it()


def wrong_lengths():
    layer = BatchNorm(1)
    _, tape = layer.forward([np.ones((2, 1)), np.ones((1, 1))])
    layer.backward(tape, [np.ones((1, 1)), np.ones((2, 1))])


def wrong_state():
    AttentionLSTM(1, 3)(np.ones((2, 4, 1)), (np.ones((1, 3)), np.ones((2, 3))))


def negative_variance():
    layer = BatchNorm(1)
    layer.load_parameters(layer.parameters | {"running_var": np.array([-1.0])})
