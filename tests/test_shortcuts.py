"""Residual and highway connections between recurrent layers."""

import copy
import pickle

import numpy as np
import pytest
from reference_highway import SQUASHES
from test_gradients import Case
from test_stream import bits, numbers, random_state, stepped

import lstmc
from lstmc.layers import Recurrent, Stream
from lstmc.losses import squared_error
from lstmc.networks.recurrent import Network
from lstmc.sequences import as_sequences

KINDS = ["residual", "highway"]
LENGTHS = [3, 0, 5, 1]


def make(kind, inputs=3, units=5, num_layers=3, dtype="float64", **options):
    options = {kind: True, "dtype": dtype, "random_state": 0} | options
    layer = Recurrent(inputs, units, num_layers=num_layers, **options)
    rng = np.random.default_rng(1)
    layer.load_parameters(
        {k: a + 0.3 * rng.standard_normal(a.shape) for k, a in layer.parameters.items()}
    )
    return layer


def ragged(layer):
    return [numbers(layer, t, layer.input_size, seed=t) for t in LENGTHS]


def one_by_one(layer, kind, X):
    """Layers on their own, and the equations of what goes past them."""
    p, y = layer.parameters, None
    sides = ("_reverse", "") if layer.bidirectional else ("",)
    for k in range(layer.num_layers):
        own = Recurrent(
            X[0].shape[1], layer.hidden_size, layer.cell, dtype="float64",
            bidirectional=layer.bidirectional, proj_size=layer.proj_size,
        )  # fmt: skip
        own.load_parameters({
            name: p[name.replace("_l0", f"_l{k}")] for name in own.parameters
        })  # fmt: skip
        assert all(name.endswith(("_l0", *sides)) for name in own.parameters)
        y = own(X)[0]
        if k and kind == "residual":
            y = [a + b for a, b in zip(y, X, strict=True)]
        elif k:
            w, b = p[f"weight_transform_l{k}"], p[f"bias_transform_l{k}"]
            gates = [SQUASHES["logistic"](x @ w.T + b) for x in X]
            y = [a * t + x * (1 - t) for a, t, x in zip(y, gates, X, strict=True)]
        X = y
    return y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"proj_size": 2}])
def test_outputs_are_those_of_the_equations(kind, options):
    layer = make(kind, **options)
    X = ragged(layer)
    for found, wanted in zip(layer(X)[0], one_by_one(layer, kind, X), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


OPTIONS = {
    "plain": {},
    "both-sides": {"bidirectional": True},
    "projection": {"proj_size": 2},
    "heads": {"num_heads": 5, "cell": "gru"},
    "blocks": {"block_size": 5},
    "noise": {"dropout": 0.3, "zoneout": 0.2, "drop_connect": 0.2},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradients_are_central_differences(kind, options):
    layer = make(kind, **options)
    rows = layer.num_layers * layer.directions
    sizes = [layer.state_size, *[layer.hidden_size] * (len(layer.state_names) - 1)]
    states = [
        tuple(numbers(layer, rows, 4, n, seed=k + n) for n in sizes) for k in (7, 8)
    ]
    dY = [numbers(layer, t, layer.output_size, seed=9) for t in LENGTHS]
    key = (3, 5) if "dropout" in options else None
    Case(layer, (ragged(layer), states[0], dY, states[1]), {}, key).check()


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_at_the_outputs_is_one_of_zeros(kind):
    layer = make(kind)
    X, dstate = ragged(layer), random_state(layer, 4)
    Y, _, tape = layer.forward(X)
    none = layer.backward(tape, None, dstate)
    zeros = layer.backward(layer.forward(X)[2], [0 * y for y in Y], dstate)
    for a, b in zip(none[0] + [*none[2].values()], zeros[0] + [*zeros[2].values()]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 3, 70])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streams_have_the_bits_of_the_whole(kind, batch_size, dtype):
    layer = make(kind, 3, 40, dtype=dtype)
    X, state = numbers(layer, batch_size, 7, 3), random_state(layer, batch_size)
    Y, after = layer(X, state)
    stream = layer.stream(batch_size)
    assert type(Stream(layer)) is type(stream) is not Stream
    stream.set_state(state)
    assert stepped(stream, X[:, :4]).tobytes() == Y[:, :4].tobytes()
    for twin in stream.copy(), copy.copy(stream), pickle.loads(pickle.dumps(stream)):
        assert stepped(twin, X[:, 4:]).tobytes() == Y[:, 4:].tobytes()
        assert bits(twin.get_state()) == bits(after)
    stream.reset()
    fresh = layer(X)[0]
    assert stepped(stream, X).tobytes() == fresh.tobytes()
    if batch_size == 1:
        stream.reset([0])
        assert stream.step(X[0, 0]).tobytes() == fresh[0, 0].tobytes()
    with pytest.raises(ValueError, match="x: expected shape"):
        stream.step(np.ones((batch_size, 4)))


@pytest.mark.parametrize("kind", KINDS)
def test_bits_depend_on_neither_threads_nor_company(kind):
    layer = make(kind, 3, 40, dtype="float32", bidirectional=True)
    X = [numbers(layer, t, 3, seed=t) for t in range(40)]
    results = []
    for threads in (1, 2, 5):
        Y, _, tape = layer.forward(X, threads=threads)
        dX, _, grads = layer.backward(tape, Y, threads=threads)
        results.append(bits([*layer(X, threads=threads)[0], *dX, *grads.values()]))
    assert results[0] == results[1] == results[2]
    assert bits(layer(X[7:9])[0]) == bits(Y[7:9])


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_checkpoints(kind):
    layer = make(kind)
    X = [numbers(layer, 300, 3)]
    twin = pickle.loads(pickle.dumps(layer))
    assert bits(twin(X)[0]) == bits(layer(X)[0])
    found = []
    for checkpoint in (False, True):
        Y, _, tape = twin.forward(X, checkpoint=checkpoint)
        found.append(bits(twin.backward(tape, Y)[2].values()))
    assert found[0] == found[1]
    gates = [name for name in layer.parameters if "transform" in name]
    assert len(gates) == (4 if kind == "highway" else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
@pytest.mark.parametrize("tbptt", [None, 2])
def test_the_networks_gradient_is_central_differences(kind, pooling, tbptt):
    network = Network(
        3, 5, output_size=2, num_layers=2, pooling=pooling, dtype="float64",
        random_state=0, bidirectional=tbptt is None, **{kind: True},
    )  # fmt: skip
    # Truncated: two steps a chunk are all steps, so that the gradient is whole.
    X = [
        numbers(network.recurrent, t, 3, seed=t)
        for t in ([2, 0, 1] if tbptt else LENGTHS)
    ]
    x = as_sequences(X, dtype="float64", allow_empty=True)
    rows = len(x.values) if pooling == "steps" else len(x)
    target = numbers(network.recurrent, rows, 2, seed=4)

    def error(logits, target, weight):
        return squared_error(getattr(logits, "values", logits), target, weight)

    def loss():
        return network.loss_and_gradient(x, target, np.ones(rows), error, tbptt=tbptt)

    loss()
    gradient, step = network.gradient.copy(), 1e-6
    assert gradient.any()
    for seed in range(3):
        way = np.random.default_rng(seed).standard_normal(gradient.shape)
        way *= network.weights != 0  # biases of zero are left out, and padding
        saved, found = network.weights.copy(), []
        for sign in (1, -1):
            network.weights[:] = saved + sign * step * way
            found.append(loss())
        network.weights[:] = saved
        wanted = (found[0] - found[1]) / (2 * step)
        assert abs(gradient @ way - wanted) < 1e-6 * (1 + abs(wanted))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_estimators_take_them(kind, pooling, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 6, 2)), np.arange(30) % 3
    est = lstmc.LSTMClassifier(
        6, num_layers=4, max_iter=3, pooling=pooling, random_state=0, **{kind: True}
    ).fit(X, y)
    est.save(tmp_path / "model.safetensors")
    model = lstmc.load(tmp_path / "model.safetensors")
    assert model.predict_proba(X).tobytes() == est.predict_proba(X).tobytes()
    assert getattr(lstmc.LSTMClassifier.from_model(model), kind) is True
    with pytest.raises(ValueError, match=f"expected {kind}=True as fitted, got False"):
        est.set_params(warm_start=True, **{kind: False}).fit(X, y)
    regressor = lstmc.LSTMRegressor(6, num_layers=2, max_iter=2, **{kind: True})
    assert np.isfinite(regressor.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_transcriber_reads_as_it_goes(kind):
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=(9, 2)) for _ in range(8)], [["a", "b"]] * 8
    est = lstmc.LSTMTranscriber(
        7, num_layers=3, max_iter=100, bidirectional=False, random_state=0,
        learning_rate_init=0.01, **{kind: True},
    )  # fmt: skip
    with pytest.warns(match="hasn't converged"):
        est.fit(X, y)
    stream = est.stream()
    for x in X[0]:
        stream.push(x[None])
    found = list(stream.finish())
    assert found == list(est.predict(X[:1])[0]) and found


def test_refuses_what_does_not_go_together():
    with pytest.raises(ValueError, match="expected one of them at most, got both"):
        Recurrent(3, 5, num_layers=2, residual=True, highway=True)
    for kind in KINDS:
        words = f"{kind}: expected num_layers of at least 2, .* got 1"
        with pytest.raises(ValueError, match=words):
            Recurrent(3, 5, **{kind: True})
        with pytest.raises(ValueError, match=words):
            lstmc.LSTMClassifier(**{kind: True}).fit(np.zeros((4, 3, 1)), [0, 1] * 2)
