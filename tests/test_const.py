"""Calling a layer or predicting writes nothing, so that threads may share it."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import lstmc


def snapshot(thing):
    """Everything that an object holds, as bytes; the addresses of its arrays."""
    addresses = {
        name: value.__array_interface__["data"][0]
        for name, value in vars(thing).items()
        if isinstance(value, np.ndarray)
    }
    held = {k: id(v) for k, v in vars(thing).items()}
    return pickle.dumps(thing), addresses, held


def test_a_call_writes_nothing(make_layer, make_batch):
    layer = make_layer(3, 9, num_layers=2, bidirectional=True, dropout=0.5)
    X, state, _, _ = make_batch(layer, [3, 0, 5])
    before = snapshot(layer), pickle.dumps((X, state))
    Y, after = layer(X, state)
    assert (snapshot(layer), pickle.dumps((X, state))) == before
    again, final = layer(X, state)  # and dropout is for training alone
    for a, b in zip([*Y, *after], [*again, *final], strict=True):
        assert a.tobytes() == b.tobytes()


def test_training_writes_no_argument(make_layer, make_batch):
    layer = make_layer(3, 9, num_layers=2, bidirectional=True, dropout=0.5)
    batch = make_batch(layer, [3, 0, 5])
    X, state, dY, dstate = batch
    before = snapshot(layer), pickle.dumps(batch)
    tape = layer.forward(X, state)[2]
    layer.backward(tape, dY, dstate)
    assert (snapshot(layer), pickle.dumps(batch)) == before


def test_threads_share_a_layer(make_layer, make_batch):
    layer = make_layer(6, 32, num_layers=2, bidirectional=True)
    batches = [make_batch(layer, [k % 9, 7, 30], seed=k)[:2] for k in range(64)]

    def call(batch):
        Y, after = layer(*batch)
        return [a.tobytes() for a in (*Y, *after)]

    wanted = [call(batch) for batch in batches]
    before = snapshot(layer)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(call, batches)) == wanted
    assert snapshot(layer) == before


def test_threads_share_an_estimator():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((length, 3)) for length in rng.integers(1, 20, 60)]
    y = np.arange(60) % 3
    est = lstmc.LSTMClassifier(16, max_iter=2, random_state=0).fit(X, y)
    parts = [X[k : k + 7] for k in range(0, 54, 2)]

    def predict(part):
        return est.predict_proba(part).tobytes(), est.predict(part).tobytes()

    before = snapshot(est)
    wanted = [predict(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(predict, parts * 4)) == wanted * 4
    assert snapshot(est) == before
