"""Truncated backpropagation: gradients of a loss that holds states at cuts fixed."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone

from lstmc import LSTMClassifier, LSTMRegressor, cells
from lstmc.layers.layer import aligned
from lstmc.losses import LOSSES
from lstmc.networks.recurrent import POOLINGS, Network
from lstmc.networks.truncation import FEWEST, Truncated, steps_before_end
from lstmc.sequences import as_sequences

LENGTHS = (7, 0, 3, 1, 8, 6)
STEP, LIMIT = 1e-5, 1e-6  # as in test_gradients.py
LOSS = LOSSES["cross_entropy"].gradient
CELLS = {facts["name"]: facts for facts in cells()}


def problem(lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(k, 3)) for k in lengths]
    return X, rng.integers(0, 2, len(X)), rng.uniform(0.5, 1, len(X))


def make(pooling, **more):
    options = {"output_size": 2, "dtype": "float64", "random_state": 0} | more
    return Network(3, 4, pooling=pooling, **options)


def chunks_of(x, k):
    """The steps of one sequence in chunks of k counted from its end."""
    starts = list(range(len(x), 0, -k))[::-1]
    return [x[max(0, end - k) : end] for end in starts]


def extras_of(facts, lengths, seed=2):
    """Times (sum T,) and static features (n, 2), if the cell reads them."""
    rng, extras = np.random.default_rng(seed), {}
    if facts["timed"]:
        extras["time"] = rng.exponential(size=sum(lengths))
    if facts["statics"]:
        extras["static"] = rng.normal(size=(len(lengths), 2))
    return extras


def of_one(extras, offsets, j):
    """The extras of one sequence, as the layer's own methods take them."""
    given = {}
    if "time" in extras:
        given["time"] = extras["time"][offsets[j] : offsets[j + 1]]
    if "static" in extras:
        given["static"] = extras["static"][j : j + 1]
    return given


def run(network, x, state, extras, steps):
    """One sequence's steps from a state on: outputs and state."""
    given = extras | ({"time": [extras["time"][steps]]} if "time" in extras else {})
    return network.recurrent([x[steps]], state, **given)


def cuts(x, k):
    """Where chunks of k steps, counted from the end, start and stop."""
    return np.cumsum([0] + [len(c) for c in chunks_of(x, k)])


def states_at_cuts(network, x, k, extras):
    """What stands before each chunk, by one run over all that comes before it."""
    return [
        run(network, x, None, extras, slice(0, end))[1] if end else None
        for end in cuts(x, k)[:-1]
    ]


def pooled(network, x, k, states, extras):
    """What the head sees of one sequence; states at cuts are constants."""
    if len(x) == 0:
        return np.zeros(network.recurrent.output_size)
    outs = [
        run(network, x, state, extras, slice(*pair))[0][0]
        for pair, state in zip(pairwise(cuts(x, k)), states, strict=True)
    ]
    y, pooling = np.concatenate(outs), network.config["pooling"]
    return {"last": y[-1], "mean": y.mean(axis=0), "max": y.max(axis=0)}[pooling]


def slope(network, j, loss):
    """The derivative of a loss by one weight, by central differences."""
    middle, values = network.weights[j], []
    for step in (STEP, -STEP):
        network.weights[j] = middle + step
        values.append(loss())
    network.weights[j] = middle
    return (values[0] - values[1]) / (2 * STEP)


@pytest.mark.parametrize(("num_layers", "k"), [(1, 3), (2, 1), (2, 5)])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient(cell, pooling, num_layers, k):
    X, target, weight = problem()
    facts = CELLS[cell]
    extras = extras_of(facts, LENGTHS)
    network = make(
        pooling, cell=cell, num_layers=num_layers,
        static_size=2 if facts["statics"] else 0,
        proj_size=3 if facts["projects"] else 0,
    )  # fmt: skip
    x = as_sequences(X, dtype="float64")
    value = network.loss_and_gradient(x, target, weight, LOSS, tbptt=k, **extras)
    gradient = network.gradient.copy()
    own = [of_one(extras, x.offsets, j) for j in range(len(X))]
    states = [states_at_cuts(network, *pair) for pair in zip(X, [k] * len(X), own)]

    def loss():
        rows = zip(X, states, own, strict=True)
        features = [pooled(network, x, k, s, given) for x, s, given in rows]
        return LOSS(network.head.apply(np.array(features)), target, weight)[0]

    assert loss() == pytest.approx(value, rel=1e-12)
    rng = np.random.default_rng(1)
    used = rng.permutation(np.flatnonzero(network.weights))
    for j in used[:12]:
        wanted = slope(network, j, loss)
        assert abs(gradient[j] - wanted) < LIMIT * max(1, abs(wanted))


@pytest.mark.parametrize(
    "noise",
    [
        {"recurrent_dropout": 0.3}, {"zoneout": (0.2, 0.3)}, {"drop_connect": 0.3},
        {"dropout": 0.3, "variational": True}, {"dropout": 0.3, "zoneout": 0.2},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_gradient_with_noise(noise, checkpoint):
    x = as_sequences(problem()[0], dtype="float64")
    network = make("mean", num_layers=2, **noise)
    stack, rng = network.recurrent, np.random.default_rng(1)
    way = Truncated(stack, 3, outputs=True)
    y, _, tape = way.record(x, dropout_key=(3, 4), checkpoint=checkpoint)
    dy = rng.normal(size=y.shape)
    parts = [(c, *steps_before_end(x, c.near, c.far)) for c in tape.chunks]

    def loss():
        """Each chunk by itself, from the state that it had."""
        return sum(
            (stack.apply(part, chunk.state, dropout_key=chunk.key)[0] * dy[index]).sum()
            for chunk, part, index in parts
        )

    assert loss() == pytest.approx((y * dy).sum(), rel=1e-12)
    gradient = aligned(stack.n_weights, stack.dtype)
    way.pull(tape, dy, None, gradient)
    for j in rng.permutation(np.flatnonzero(stack.weights))[:30]:
        wanted = slope(network, j, loss)
        assert abs(gradient[j] - wanted) < LIMIT * max(1, abs(wanted))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("k", [8, 9, 10**9])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_nothing_to_cut_is_the_plain_run(pooling, k, dropout):
    X, target, weight = problem()
    x = as_sequences(X, dtype="float64")
    network = make(pooling, num_layers=2, dropout=dropout)
    results = []
    for steps in (None, k):
        loss = network.loss_and_gradient(
            x, target, weight, LOSS, dropout_key=(1, 2), tbptt=steps
        )
        results.append((loss, network.gradient.tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_is_not_the_plain_gradient(pooling):
    X, target, weight = problem()
    x = as_sequences(X, dtype="float64")
    network = make(pooling)
    gradients = []
    for k in (None, 2):
        network.loss_and_gradient(x, target, weight, LOSS, tbptt=k)
        gradients.append(network.gradient.copy())
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-4


@pytest.mark.parametrize("pooling", POOLINGS)
def test_threads_and_checkpoints_change_no_bit(pooling):
    X, target, weight = problem(np.random.default_rng(0).integers(0, 90, 80))
    x = as_sequences(X, dtype="float32")
    network = make(pooling, dtype="float32", num_layers=2, dropout=0.3)
    results = set()
    for threads in (1, 3):
        for checkpoint in (False, True):
            network.loss_and_gradient(
                x, target, weight, LOSS, dropout_key=(5, 6), tbptt=33,
                checkpoint=checkpoint, threads=threads,
            )  # fmt: skip
            results.add(network.gradient.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("more", [{}, {"zoneout": 0.3, "drop_connect": 0.3}], ids=str)
def test_noise_is_the_same_both_times(more):
    X, _, _ = problem()
    x = as_sequences(X, dtype="float64")
    stack = make("mean", num_layers=3, dropout=0.5, **more).recurrent
    way = Truncated(stack, 2, outputs=True)
    y, _, tape = way.record(x, dropout_key=(3, 4))
    for chunk in tape.chunks:
        part, index = steps_before_end(x, chunk.near, chunk.far)
        again, _, _ = stack.record(part, chunk.state, dropout_key=chunk.key)
        assert again.tobytes() == y[index].tobytes()
    # Four seeds a chunk, for noise of every kind, and no seed twice.
    seeds = [chunk.key[0] + k for chunk in tape.chunks for k in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert tape.chunks[-1].key == (3, 4)


def test_the_last_state_needs_the_last_chunk_alone():
    x = as_sequences(problem((3 * FEWEST, 4, 0, 70))[0], dtype="float64")
    stack = make("last").recurrent
    y, state, tape = Truncated(stack, 5, outputs=False).record(x)
    assert y is None
    assert len(tape.last.inputs[0].values) == 5 + 4 + 0 + 5
    assert [s.tobytes() for s in state] == [s.tobytes() for s in stack.apply(x)[1]]


def test_no_gradient_beyond_the_first_cut():
    x = as_sequences(problem()[0], dtype="float64")
    stack = make("mean").recurrent
    way = Truncated(stack, 2, outputs=True)
    y, _, tape = way.record(x)
    with pytest.raises(ValueError, match="input_gradient: expected False"):
        way.pull(tape, y, None, np.empty(stack.n_weights), input_gradient=True)


@pytest.mark.parametrize("make_estimator", [LSTMClassifier, LSTMRegressor])
def test_two_directions_cannot_be_cut(make_estimator):
    X, target, weight = problem()
    est = make_estimator(4, bidirectional=True, tbptt=3)
    with pytest.raises(ValueError, match="the reverse direction starts at"):
        est.fit(X, target)
    assert not hasattr(est, "model_")
    network = make("last", bidirectional=True)
    with pytest.raises(ValueError, match="tbptt: expected None"):
        network.loss_and_gradient(
            as_sequences(X, dtype="float64"), target, weight, LOSS, tbptt=100
        )


@pytest.mark.parametrize("name", ["tbptt", "checkpoint"])
def test_parameters_are_checked(name):
    X, target, _ = problem()
    wrong = {"tbptt": (0, -1, 2.0, True, "all"), "checkpoint": (1, None, "yes")}
    for value in wrong[name]:
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            LSTMClassifier(**{name: value}).fit(X, target)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("make_estimator", [LSTMClassifier, LSTMRegressor])
def test_fit_learns(make_estimator, pooling):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(k, 2)) for k in rng.integers(20, 40, 60)]
    recent = np.array([x[-4:, 0].sum() for x in X])
    if pooling != "last":
        recent = np.array([x[:, 0].mean() for x in X])
    y = recent > 0 if make_estimator is LSTMClassifier else recent
    est = make_estimator(
        8, pooling=pooling, tbptt=6, checkpoint=True, max_iter=60,
        learning_rate_init=0.01, tol=0.0, random_state=0,
    )  # fmt: skip
    assert clone(est).get_params() == est.get_params()
    assert est.fit(X, y).score(X, y) > 0.7


def test_a_fit_with_checkpoints_has_the_same_bits():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(k, 2)) for k in rng.integers(0, 60, 100)]
    y = np.arange(100) % 2
    weights = [
        LSTMClassifier(
            8, num_layers=2, bidirectional=True, batch_size=80, dropout=0.2,
            checkpoint=checkpoint, max_iter=2, random_state=0,
        ).fit(X, y).model_.network.weights.tobytes()
        for checkpoint in (False, True)
    ]  # fmt: skip
    assert weights[0] == weights[1]
