"""Training: gradients of whole networks, batches, stopping, and falling back."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.base import clone

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor
from lstmc.losses import LOSSES
from lstmc.networks.recurrent import POOLINGS, Network
from lstmc.progress import Progress
from lstmc.sequences import as_sequences
from lstmc.training import WINDOW, DivergenceError, bucket

LENGTHS = (5, 0, 3, 1, 7)


def ragged(n=40, features=2, longest=9, seed=0):
    """Sequences of unequal length, classes that they determine."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(k, features)) for k in rng.integers(1, longest + 1, n)]
    return X, np.array([int(x.sum() > 0) for x in X])


def digest(estimator):
    return hashlib.sha256(estimator.model_.network.weights.tobytes()).hexdigest()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"dropout": 0.4}, {"dropout": 0.4, "variational": True}, {"proj_size": 3},
        {"zoneout": (0.2, 0.4), "recurrent_dropout": 0.3, "drop_connect": 0.3},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_of_the_network(pooling, bidirectional, options):
    rng = np.random.default_rng(0)
    x = as_sequences([rng.normal(size=(k, 3)) for k in LENGTHS], dtype="float64")
    network = Network(
        3, 4, output_size=2, pooling=pooling, bidirectional=bidirectional,
        num_layers=2, dtype="float64", random_state=0, **options,
    )  # fmt: skip
    target, weight = np.array([0, 1, 1, 0, 1]), rng.uniform(size=5)

    def loss():
        return network.loss_and_gradient(
            x, target, weight, LOSSES["cross_entropy"].gradient, dropout_key=(3, 4)
        ) + network.penalise(0.1)

    loss()
    gradient = network.gradient.copy()
    used = np.flatnonzero(network.weights)
    for k in rng.choice(used, 60, replace=False):
        middle, values = network.weights[k], []
        for step in (1e-5, -1e-5):
            network.weights[k] = middle + step
            values.append(loss())
        network.weights[k] = middle
        slope = (values[0] - values[1]) / 2e-5
        assert gradient[k] == pytest.approx(slope, abs=1e-9)  # error ~ step**2


def test_every_step_drops_other_units():
    X, y = ragged()
    est = LSTMClassifier(  # steps too short to change a weight: only masks differ
        8, dropout=0.5, learning_rate_init=1e-30, batch_size=None, max_iter=5
    ).fit(X, y)
    assert len(set(est.loss_curve_)) == 5
    assert len(set(est.set_params(dropout=0.0).fit(X, y).loss_curve_)) == 1


@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_do_not_depend_on_the_batch(pooling):
    rng = np.random.default_rng(0)
    x = as_sequences([rng.normal(size=(k, 3)) for k in LENGTHS * 9])
    network = Network(3, 16, output_size=3, pooling=pooling, random_state=0)
    together = network.apply(x)
    for k in range(len(x)):
        assert together[k].tobytes() == network.apply(x[[k]]).tobytes()
    assert network.apply(x[:0]).shape == (0, 3)
    # A sequence without steps is seen as zeros: what is left is the head's bias.
    assert (together[1] == network.parameters["head.bias"]).all()


def test_large_inputs_go_through_in_parts(monkeypatch):
    x = as_sequences(np.random.default_rng(0).normal(size=(50, 4, 3)))
    network = Network(3, 16, output_size=3, random_state=0)
    whole = network.apply(x)
    monkeypatch.setattr("lstmc.networks.recurrent.WORK", 1)
    monkeypatch.setattr("lstmc.networks.recurrent.FEWEST", 7)
    assert network.apply(x).tobytes() == whole.tobytes()


def test_batches_hold_every_sample_once_and_similar_lengths():
    lengths = np.random.default_rng(0).integers(1, 200, 1000)
    batches = bucket(lengths, 16, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert sorted(map(len, batches)) == [8] + [16] * 62
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    # Of a window's 256 lengths a batch holds a 16th: about 200 / 16.
    assert spread < 2 * 200 / WINDOW
    again = bucket(lengths, 16, np.random.default_rng(1))
    assert all((a == b).all() for a, b in zip(batches, again))


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize(
    "noise", [{}, {"zoneout": 0.1, "recurrent_dropout": 0.1, "drop_connect": 0.1}]
)
def test_the_same_bits_for_any_number_of_threads(noise, threads):
    X, y = ragged(120, longest=30)
    est = LSTMClassifier(
        40, dropout=0.3, num_layers=2, pooling="mean", max_iter=2, batch_size=100,
        random_state=0, **noise,
    )  # fmt: skip
    fits = [clone(est).set_params(n_jobs=n).fit(X, y) for n in (1, threads)]
    assert digest(fits[0]) == digest(fits[1])
    assert fits[0].loss_curve_ == fits[1].loss_curve_


def test_gradients_are_clipped():
    X, y = ragged()
    est = LSTMClassifier(
        8, solver="sgd", momentum=0.0, batch_size=None, max_iter=1, random_state=0
    )

    def moved(**options):
        weights = [
            clone(est).set_params(learning_rate_init=rate, **options).fit(X, y)
            for rate in (1e-30, 1.0)
        ]
        before, after = (fit.model_.network.weights for fit in weights)
        return np.linalg.norm(after - before)

    assert moved(max_grad_norm=1e-3) == pytest.approx(1e-3, rel=1e-3)
    assert moved(max_grad_norm=None) == moved(max_grad_norm=1e3) > 1e-2


def test_the_seed_decides():
    X, y = ragged()
    digests = [
        digest(LSTMClassifier(8, max_iter=2, random_state=seed).fit(X, y))
        for seed in (0, 0, 1, np.random.RandomState(0), np.random.default_rng(0))
    ]
    assert digests[0] == digests[1] == digests[3]
    assert len(set(digests)) == 3


def test_restores_the_best_weights():
    X, y = ragged(60)
    X_val, y_val = ragged(60, seed=1)
    est = LSTMClassifier(
        8, max_iter=40, learning_rate_init=0.1, early_stopping=True, random_state=0
    ).fit(X, y, X_val=X_val, y_val=y_val)
    scores = est.validation_scores_
    assert scores[-1] < max(scores)  # else there was nothing to restore
    assert est.best_validation_score_ == max(scores) == est.score(X_val, y_val)
    assert len(est.validation_loss_curve_) == len(scores) == est.n_iter_
    assert est.best_loss_ is None


def test_stops_when_idle():
    X, y = ragged()
    est = LSTMClassifier(4, tol=10.0, n_iter_no_change=3, max_iter=50).fit(X, y)
    assert est.n_iter_ == 1 + 3 + 1  # the first counts as better than nothing
    lower = LSTMClassifier(
        4, tol=10.0, n_iter_no_change=1, learning_rate="adaptive", max_iter=50
    ).fit(X, y)
    # 0.001 / 5**5 is the first rate below 1e-6: five times lowered, then stopped.
    assert lower.n_iter_ == 1 + 6 * 2


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("rate", [1e6, 1e30])
@pytest.mark.parametrize("make", [LSTMClassifier, LSTMRegressor])
def test_never_leaves_weights_that_are_not_finite(make, rate, solver):
    X, y = ragged()
    est = make(
        4, solver=solver, learning_rate_init=rate, max_grad_norm=None, max_iter=5
    )
    with contextlib.suppress(DivergenceError):  # to end well is right, too
        est.fit(X, y)
    assert np.isfinite(est.model_.network.weights).all()
    assert est.predict(X).shape == (len(X),)


def test_divergence_keeps_the_last_good_epoch():
    X, y = ragged()
    est = LSTMRegressor(4, max_iter=3, random_state=0, warm_start=True).fit(X, y)
    good = est.predict(X)
    est.set_params(learning_rate_init=1e38, solver="sgd", max_grad_norm=None)
    with pytest.raises(DivergenceError, match=r"epoch 1: .*norm .*rate 1e\+38"):
        est.fit(X, y)
    assert est.predict(X).tobytes() == good.tobytes()
    assert est.n_iter_ == 0
    assert len(est.loss_curve_) == 3


def test_concurrent_predictions_see_one_model_or_the_other():
    X, y = ragged(100)
    est = LSTMClassifier(8, max_iter=30, random_state=0, warm_start=True).fit(X, y)
    before = est.predict_proba(X).tobytes()
    thread = threading.Thread(target=est.fit, args=(X, y))
    seen = set()
    thread.start()
    while thread.is_alive():
        seen.add(est.predict_proba(X).tobytes())
    thread.join()
    assert before in seen
    assert seen <= {before, est.predict_proba(X).tobytes()}


class InterruptedIn(Progress):
    """Ctrl-C in the second batch of one epoch."""

    def __init__(self, epoch):
        self.left = 2 * (epoch - 1) + 2

    def batch(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupt_keeps_the_last_finished_epoch(monkeypatch, early_stopping):
    X, y = ragged(60)
    est = LSTMClassifier(
        4, max_iter=6, random_state=0, early_stopping=early_stopping,
        learning_rate_init=0.1,
    )  # fmt: skip
    short = clone(est).set_params(max_iter=5).fit(X, y)
    monkeypatch.setattr(
        "lstmc.estimators._base.make_progress", lambda *_: InterruptedIn(epoch=6)
    )
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, y)
    assert digest(est) == digest(short)
    assert (est.n_iter_, est.loss_curve_) == (5, short.loss_curve_)
    assert est.validation_scores_ == short.validation_scores_


FIT_UNTIL_INTERRUPTED = """
import time
import numpy as np
from lstmc import LSTMClassifier

X = np.random.default_rng(0).normal(size=(400, 20, 4))
y = (X.sum(axis=(1, 2)) > 0).astype(int)
est = LSTMClassifier(64, max_iter=100000, tol=0, n_iter_no_change=np.inf)
print("ready", flush=True)
try:
    est.fit(X, y)
except KeyboardInterrupt:
    print(time.time(), flush=True)
    assert est.predict(X).shape == (400,)
    assert len(est.loss_curve_) == est.n_iter_
    assert np.isfinite(est.predict_proba(X)).all()
    print("usable", est.n_iter_, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")
@pytest.mark.parametrize("seed", range(3))
def test_an_interrupt_is_heard_and_leaves_a_usable_estimator(seed):
    child = subprocess.Popen(
        [sys.executable, "-c", FIT_UNTIL_INTERRUPTED],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.path.dirname(lstmc.__path__[0])},
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(np.random.default_rng(seed).uniform(0.2, 1.0))
    sent = time.time()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    heard, said = out.splitlines()
    # 0.2 s is promised to a fit that has its cores; the tests may have to share them.
    assert float(heard) - sent < 0.2 + 0.3
    assert said.startswith("usable")
    assert child.returncode == 0
