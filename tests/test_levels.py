"""Levels: hierarchical CTC, from the gradient to the estimator."""

import numpy as np
import pytest
from transcripts import able, render, small

from lstmc import LSTMTranscriber
from lstmc.labels import Labels
from lstmc.losses import ctc
from lstmc.metrics import label_error_rate
from lstmc.networks.levels import LevelNetwork
from lstmc.networks.recurrent import Network
from lstmc.sequences import as_sequences

LENGTHS = (5, 0, 3, 1, 7)
PHONES = Labels.from_lists([[1, 2], [], [2], [1], [3, 3, 1]])
WORDS = Labels.from_lists([[1], [], [], [1], [1, 2]])


def make(levels, **options):
    sizes = (3, [5, 4], [4, 3]) if levels else (3, 5, 4)
    kind = LevelNetwork if levels else Network
    return kind(
        *sizes[:2], output_size=sizes[2], pooling="steps", dtype="float64",
        random_state=0, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {}, {"bidirectional": True, "num_layers": 2}, {"dropout": 0.4, "num_layers": 2},
        {"cell": "gru", "recurrent_dropout": 0.3, "zoneout": 0.2},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("levels", [False, True])
def test_gradient_at_every_step(levels, options):
    rng = np.random.default_rng(0)
    x = as_sequences([rng.normal(size=(k, 3)) for k in LENGTHS], dtype="float64")
    network, weight = make(levels, **options), rng.uniform(size=5)
    target = Labels.stack([PHONES, WORDS]) if levels else PHONES

    def loss():
        return network.loss_and_gradient(
            x, target, weight, ctc, dropout_key=(3, 4)
        ) + network.penalise(0.1)

    loss()
    gradient = network.gradient.copy()
    used = np.flatnonzero(network.weights)
    for k in rng.choice(used, 80, replace=False):
        middle, values = network.weights[k], []
        for step in (1e-5, -1e-5):
            network.weights[k] = middle + step
            values.append(loss())
        network.weights[k] = middle
        slope = (values[0] - values[1]) / 2e-5
        assert gradient[k] == pytest.approx(slope, abs=1e-8)  # error ~ step**2


@pytest.mark.parametrize("tbptt", [2, 3, 100])
def test_truncation_reaches_every_step(tbptt):
    # With one chunk for all, gradients are the full ones; else they are others.
    rng = np.random.default_rng(0)
    x = as_sequences([rng.normal(size=(k, 3)) for k in LENGTHS], dtype="float64")
    network, weight = make(False), np.ones(5)
    whole = network.loss_and_gradient(x, PHONES, weight, ctc)
    gradient = network.gradient.copy()
    assert network.loss_and_gradient(x, PHONES, weight, ctc, tbptt=tbptt) == whole
    assert (network.gradient == gradient).all() == (tbptt == 100)


@pytest.mark.parametrize("levels", [False, True])
def test_logits_do_not_depend_on_the_batch(levels, monkeypatch):
    rng = np.random.default_rng(0)
    x = as_sequences([rng.normal(size=(k, 3)) for k in LENGTHS * 9], dtype="float64")
    network = make(levels, bidirectional=True)

    def top(x):
        found = network.apply(x)
        return found[-1] if levels else found

    together = top(x)
    for k in range(len(x)):
        assert together[k].tobytes() == top(x[[k]])[0].tobytes()
    monkeypatch.setattr("lstmc.networks.recurrent.WORK", 1)
    monkeypatch.setattr("lstmc.networks.recurrent.FEWEST", 7)
    assert top(x).values.tobytes() == together.values.tobytes()
    assert len(top(x[:0])) == 0


def spelled(n=100, seed=0):
    """Frames, the letters they show, and the words that the letters spell."""
    rng, spelling = np.random.default_rng(seed), {"one": "ab", "two": "bca", "ten": "c"}
    words = [[*rng.choice([*spelling], rng.integers(0, 4))] for _ in range(n)]
    words = [[str(word) for word in row] for row in words]
    letters = ["".join(spelling[word] for word in row) for row in words]
    return [render(text, rng) for text in letters], letters, words


def test_learns_two_levels():
    X, letters, words = spelled(300)
    est = able(levels=2, hidden_size=24, max_iter=100).fit(X, (letters, words))
    X_test, letters_test, words_test = spelled(100, seed=1)
    low, high = est.predict_levels(X_test)
    assert high == est.predict(X_test)
    assert label_error_rate(letters_test, low) < 0.05
    assert est.score(X_test, (letters_test, words_test)) > 0.8
    rows = [*zip(letters_test, words_test)]  # as scikit-learn's tools cut it
    assert est.score(X_test, rows) == est.score(X_test, (letters_test, words_test))
    assert [classes.tolist() for classes in est.classes_] == [
        ["a", "b", "c"], ["one", "ten", "two"],
    ]  # fmt: skip
    assert est.n_outputs_ == [4, 4]
    assert {p.shape[1] for p in est.predict_proba(X_test)} == {4}


def test_forms_of_targets_and_sizes():
    X, letters, words = spelled(20)
    one = small(levels=2).fit(X, (letters, words))
    two = small(levels=(8, 8), hidden_size=99).fit(X, [*zip(letters, words)])
    assert one.loss_curve_ == two.loss_curve_
    config = small(levels=(6, 5)).fit(X, (letters, words)).model_.network.config
    assert config["hidden_size"] == [6, 5]
    assert small(levels=1).fit(X, (letters,)).predict_levels(X) == [
        small(levels=(8,)).fit(X, [(text,) for text in letters]).predict(X)
    ]
    part = small(levels=2).partial_fit(
        X, (letters, words), [list("abc"), ["one", "two", "ten"]]
    )
    assert len(part.loss_curve_) == 1


def test_refuses_targets_that_are_not_of_all_levels():
    X, letters, words = spelled(20)
    est = small(levels=2)
    with pytest.raises(ValueError, match="a tuple of 2 targets, one for each level"):
        est.fit(X, (letters, words, words))
    with pytest.raises(ValueError, match="sample 0: expected 2 label sequences"):
        est.fit(X, letters)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, (letters, words[:-1]))
    with pytest.raises(TypeError, match="y of level 1: sample 1: expected a sequence"):
        est.fit(X, (letters, [["one"], 5, *words[2:]]))
    with pytest.raises(ValueError, match=r"y of level 1: .* sample 0: .* needed"):
        est.fit(X, (letters, [["one"] * 99, *words[1:]]))
    with pytest.raises(ValueError, match="tbptt: expected None with levels"):
        small(levels=2, bidirectional=False, tbptt=5).fit(X, (letters, words))
    assert isinstance(est, LSTMTranscriber)
