"""Truncated backpropagation: gradients of a loss that holds states at cuts fixed."""

import numpy as np
import pytest
from sklearn.base import clone

from lstmc import LSTMClassifier, LSTMRegressor
from lstmc.losses import LOSSES
from lstmc.network import POOLINGS, Network
from lstmc.sequences import as_sequences
from lstmc.truncation import FEWEST, Truncated, steps_before_end

LENGTHS = (7, 0, 3, 1, 8, 6)
STEP, LIMIT = 1e-5, 1e-6  # as in test_gradients.py
LOSS = LOSSES["cross_entropy"].gradient


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


def states_at_cuts(network, x, k):
    """What stands before each chunk, by one run over all that comes before it."""
    ends = np.cumsum([0] + [len(c) for c in chunks_of(x, k)])
    return [network.recurrent([x[:end]])[1] if end else None for end in ends[:-1]]


def pooled(network, x, k, states, pooling):
    """What the head sees of one sequence; states at cuts are constants."""
    if len(x) == 0:
        return np.zeros(4)
    outs = [
        network.recurrent([c], s)[0][0]
        for c, s in zip(chunks_of(x, k), states, strict=True)
    ]
    y = np.concatenate(outs)
    return {"last": y[-1], "mean": y.mean(axis=0), "max": y.max(axis=0)}[pooling]


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_gradient(option, pooling, num_layers, k):
    X, target, weight = problem()
    cell, activation = option
    network = make(
        pooling, cell=cell, output_activation=activation, num_layers=num_layers
    )
    value = network.loss_and_gradient(
        as_sequences(X, dtype="float64"), target, weight, LOSS, tbptt=k
    )
    gradient = network.gradient.copy()
    states = [states_at_cuts(network, x, k) for x in X]

    def loss():
        rows = zip(X, states, strict=True)
        features = [pooled(network, x, k, s, pooling) for x, s in rows]
        return LOSS(network.head.apply(np.array(features)), target, weight)[0]

    assert loss() == pytest.approx(value, rel=1e-12)
    rng = np.random.default_rng(1)
    used = rng.permutation(np.flatnonzero(network.weights))
    for j in used[:40]:
        middle, values = network.weights[j], []
        for step in (STEP, -STEP):
            network.weights[j] = middle + step
            values.append(loss())
        network.weights[j] = middle
        wanted = (values[0] - values[1]) / (2 * STEP)
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


def test_dropout_drops_the_same_both_times():
    X, _, _ = problem()
    x = as_sequences(X, dtype="float64")
    stack = make("mean", num_layers=3, dropout=0.5).recurrent
    way = Truncated(stack, 2, outputs=True)
    y, _, tape = way.record(x, dropout_key=(3, 4))
    for chunk in tape.chunks:
        part, index = steps_before_end(x, chunk.near, chunk.far)
        again, _, _ = stack.record(part, chunk.state, dropout_key=chunk.key)
        assert again.tobytes() == y[index].tobytes()
    keys = [chunk.key for chunk in tape.chunks]
    # Not twice the same masks, nor those before the head, of seed 3 + 1.
    assert len(set(keys)) == len(keys) and (4, 4) not in keys


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
