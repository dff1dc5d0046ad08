"""Options of the networks behind the estimators: each acts, is checked and is kept."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor
from lstmc.estimators._sequence import ARCHITECTURE, INITIAL

PLAIN = [
    facts["name"] for facts in lstmc.cells() if not (facts["timed"] or facts["statics"])
]
BOTH = [LSTMClassifier, LSTMRegressor]
NOISE = [
    {"recurrent_dropout": 0.4}, {"zoneout": 0.4}, {"zoneout": (0.0, 0.4)},
    {"drop_connect": 0.4}, {"dropout": 0.4, "num_layers": 2, "variational": True},
]  # fmt: skip
OPTIONS = [
    *NOISE, {"proj_size": 3}, {"num_heads": 2}, {"block_size": 2},
    {"cell_bias": False}, {"gradient": "truncated"}, {"forget_bias": "power_law"},
    {"forget_bias": -2}, {"input_initializer": "uniform"},
    {"recurrent_initializer": "identity"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


def problem(n=40, seed=0):
    """Sequences of unequal length and classes that they determine."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(k, 2)) for k in rng.integers(1, 9, n)]
    return X, np.array([int(x.sum() > 0) for x in X])


def small(make=LSTMClassifier, **options):
    given = {"hidden_size": 6, "max_iter": 2, "batch_size": 16, "random_state": 0}
    return make(**given | options)


def bits(model, X):
    return getattr(model, "predict_proba", model.predict)(X).tobytes()


def digest(est, X):
    """The bits of all that a fit may change."""
    return est.model_.network.weights.tobytes() + bits(est, X)


def named(value):
    return "-".join(f"{k}={v}" for k, v in value.items()) if value else "none"


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("options", OPTIONS, ids=named)
def test_every_option_does_something_and_is_kept(tmp_path, make, options):
    X, y = problem()
    est = small(make, **options).fit(X, y)
    assert np.isfinite(est.predict(X)).all()
    again = clone(est)
    assert again.get_params() == est.get_params()
    wanted = digest(est, X)
    assert digest(again.set_params(n_jobs=2).fit(X, y), X) == wanted
    plain = small(make, num_layers=est.num_layers, dropout=est.dropout).fit(X, y)
    assert digest(plain, X) != wanted
    est.save(tmp_path / "model")
    loaded = lstmc.load(tmp_path / "model")
    assert bits(loaded, X) == bits(est, X)
    twin = make.from_model(loaded)
    for name in ARCHITECTURE:
        given = getattr(est, name)
        assert getattr(twin, name) == (list(given) if type(given) is tuple else given)
    assert bits(twin.partial_fit(X, y), X) != bits(est, X)


@pytest.mark.parametrize("noise", NOISE, ids=named)
def test_noise_is_drawn_in_training_alone(noise):
    X, y = problem()
    still = {"learning_rate_init": 1e-30, "batch_size": None, "max_iter": 4}
    noisy = small(**still, **noise).fit(X, y)
    assert len(set(noisy.loss_curve_)) == 4  # no weight changes: only masks differ
    proba = noisy.predict_proba(X).tobytes()
    assert proba == noisy.predict_proba(X).tobytes()
    quiet = small(**still, num_layers=noisy.num_layers).fit(X, y)
    weights = [est.model_.network.weights for est in (noisy, quiet)]
    np.testing.assert_allclose(*weights, rtol=0, atol=1e-28)  # 4 steps of 1e-30
    # Zoneout alone leaves its mark: predictions take the expectation.
    assert (proba == quiet.predict_proba(X).tobytes()) == ("zoneout" not in noise)


@pytest.mark.parametrize("noise", NOISE, ids=named)
@pytest.mark.parametrize("tbptt", [None, 3])
def test_checkpoints_draw_the_same_noise(noise, tbptt):
    X = np.random.default_rng(0).normal(size=(8, 200, 1))
    y = np.arange(8) % 2
    fits = [
        small(**noise, tbptt=tbptt, checkpoint=checkpoint, pooling="max").fit(X, y)
        for checkpoint in (False, True)
    ]
    assert digest(fits[0], X) == digest(fits[1], X)


def test_what_starts_the_weights_is_not_what_predicts():
    X, y = problem()
    config = small().fit(X, y).model_.network.config
    assert set(ARCHITECTURE) < set(config)
    assert not set(INITIAL) & set(config)


def test_a_search_over_options():
    X, y = problem()
    grid = {"zoneout": [0.0, (0.1, 0.3)], "cell": PLAIN[:2], "forget_bias": [1, 0.5]}
    search = GridSearchCV(small(), grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_warm_start_wants_the_same_architecture():
    X, y = problem()
    est = small(warm_start=True, zoneout=(0.1, 0.1)).fit(X, y)
    est.set_params(zoneout=0.1, forget_bias=5.0).fit(X, y)  # the same, and no matter
    with pytest.raises(ValueError, match=r"expected zoneout=0.1 as fitted, got \(0"):
        est.set_params(zoneout=(0.1, 0.2)).fit(X, y)
    est.set_params(zoneout=0.1, cell=PLAIN[1])
    with pytest.raises(ValueError, match="expected cell='lstm' as fitted"):
        est.fit(X, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": "lsmt"}, "'cell' parameter of LSTMClassifier must be a str among"),
        ({"proj_size": -1}, "'proj_size' .* an int in the range .0, inf"),
        ({"zoneout": 1.0}, r"'zoneout' .* range \[0, 1\) or a pair of them"),
        ({"zoneout": (0.1,)}, r"or a pair of them, .*Got \(0.1,\) instead"),
        ({"zoneout": (0.1, "no")}, "or a pair of them"),
        ({"recurrent_dropout": -0.1}, "'recurrent_dropout' .* a float in the range"),
        ({"drop_connect": 1}, "'drop_connect' .* a float in the range"),
        ({"variational": 1}, "'variational' .* a bool"),
        ({"gradient": "none"}, r"'gradient' .* among \['full', 'truncated'\]"),
        ({"forget_bias": "large"}, r"'forget_bias' .* float .* or .*'power_law'"),
        ({"forget_bias": np.nan}, "'forget_bias' .* Got nan instead"),
        ({"input_initializer": np.zeros}, "'input_initializer' .* a str among"),
        ({"recurrent_initializer": "ones"}, "'recurrent_initializer' .*'orthogonal'"),
        ({"num_heads": 4}, "num_heads: expected a divisor of hidden_size 6, got 4"),
        ({"block_size": 4}, "block_size: expected a divisor of hidden_size 6"),
        ({"proj_size": 7}, "proj_size: expected at most hidden_size 6"),
        ({"cell": "gru", "proj_size": 2}, "proj_size: the cell 'gru' has no"),
        ({"cell": "rnn", "block_size": 2}, "the cell 'rnn' has no gates to share"),
    ],
)
def test_options_are_checked(options, words):
    est = small(**options)
    with pytest.raises(ValueError, match=words):
        est.fit([[[np.nan]]], [0])  # before the data are
    assert not hasattr(est, "n_features_in_")
