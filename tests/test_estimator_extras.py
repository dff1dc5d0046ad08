"""Times and static features, on their way through the estimators to the cells."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor, Sequences

CELLS = {facts["name"]: facts for facts in lstmc.cells()}
TIMED = [name for name, facts in CELLS.items() if facts["timed"]]
STATIC = [name for name, facts in CELLS.items() if facts["statics"]]
PLAIN = [name for name in CELLS if name not in TIMED + STATIC]
BOTH = [LSTMClassifier, LSTMRegressor]


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


def problem(cell, n=40, seed=0):
    """Sequences, classes that all which the cell reads determines, and its extras."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n)
    X = [rng.normal(size=(k, 2)) for k in lengths]
    extras, level = {}, np.array([x.sum() for x in X])
    if CELLS[cell]["timed"]:
        extras["time"] = [rng.exponential(size=k) for k in lengths]
    if CELLS[cell]["statics"]:
        extras["static"] = rng.normal(size=(n, 3))
        level = level + 5 * extras["static"][:, 0]
    return X, (level > np.median(level)).astype(int), extras


def small(make=LSTMClassifier, **options):
    given = {"hidden_size": 6, "max_iter": 2, "batch_size": 16, "random_state": 0}
    return make(**given | options)


def part(extras, index):
    """The extras of some samples."""
    if not hasattr(index, "__len__"):
        index = range(*index.indices(40))
    return {
        name: [value[k] for k in index] if name == "time" else value[list(index)]
        for name, value in extras.items()
    }


def bits(model, X, extras):
    predict = getattr(model, "predict_proba", model.predict)
    return predict(X, **extras).tobytes()


def digest(est, X, extras):
    """The bits of all that a fit may change."""
    return est.model_.network.weights.tobytes() + bits(est, X, extras)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("make", BOTH)
def test_every_cell_goes_through_a_file(tmp_path, make, cell):
    X, y, extras = problem(cell)
    facts = CELLS[cell]
    est = small(
        make, cell=cell, bidirectional=True, num_layers=2, zoneout=0.1, pooling="mean",
        proj_size=3 if facts["projects"] else 0,
        recurrent_dropout=0.1 if facts["reads_h"] else 0.0,
    ).fit(X, y, **extras)  # fmt: skip
    est.save(tmp_path / "model")
    loaded = lstmc.load(tmp_path / "model")
    for found in (loaded, make.from_model(loaded)):
        assert bits(found, X, extras) == bits(est, X, extras)
    threaded = clone(est).set_params(n_jobs=2).fit(X, y, **extras)
    assert digest(threaded, X, extras) == digest(est, X, extras)


@pytest.mark.parametrize("cell", TIMED + STATIC)
@pytest.mark.parametrize("make", BOTH)
def test_extras_reach_the_cell(make, cell):
    X, y, extras = problem(cell)
    est = small(make, cell=cell).fit(X, y, **extras)
    other = {name: [2 * v for v in value] for name, value in extras.items()}
    assert bits(est, X, other) != bits(est, X, extras)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(est, method):
            whole = getattr(est, method)(X, **extras)
            pieces = [
                getattr(est, method)(X[k : k + 1], **part(extras, [k]))
                for k in range(len(X))
            ]
            assert whole.tobytes() == np.concatenate(pieces).tobytes()
    assert est.score(X, est.predict(X, **extras), **extras) == 1


@pytest.mark.parametrize("cell", STATIC)
def test_learns_from_static_features(cell):
    X, y, extras = problem(cell)
    est = small(cell=cell, max_iter=60, learning_rate_init=0.03, tol=0.0)
    assert est.fit(X, y, **extras).score(X, y, **extras) > 0.9
    assert est.n_static_features_in_ == 3
    assert small().fit(X, y).n_static_features_in_ == 0


@pytest.mark.parametrize("cell", TIMED)
def test_forms_of_times_give_the_same_bits(cell):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 5)), np.arange(20) % 2
    time = rng.exponential(size=(20, 5))
    forms = [
        time, list(time), time.tolist(), time[:, :, None], Sequences.from_padded(time),
        np.asfortranarray(time), time.astype("f4"),
    ]  # fmt: skip
    fits = [small(cell=cell).fit(X, y, time=form) for form in forms]
    assert len({digest(fit, X, {"time": time}) for fit in fits}) == 1
    assert len({bits(fits[0], X, {"time": form}) for form in forms}) == 1


@pytest.mark.parametrize("cell", TIMED + STATIC)
@pytest.mark.parametrize("way", [{"early_stopping": True}, {"tbptt": 2}, {"tbptt": 99}])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_extras_go_through_every_way_of_training(cell, way, pooling):
    X, y, extras = problem(cell)
    est = small(cell=cell, pooling=pooling, **way).fit(X, y, **extras)
    twin = clone(est).set_params(n_jobs=2, checkpoint=True).fit(X, y, **extras)
    assert digest(twin, X, extras) == digest(est, X, extras)
    plain = small(cell=cell, pooling=pooling).fit(X, y, **extras)
    same = digest(plain, X, extras) == digest(est, X, extras)
    assert same == (way == {"tbptt": 99})  # nothing to cut


@pytest.mark.parametrize("cell", TIMED + STATIC)
def test_validation_samples_bring_their_own(cell):
    X, y, extras = problem(cell)
    val, train = slice(30, 40), slice(0, 30)
    given = {f"{name}_val": value for name, value in part(extras, val).items()}
    est = small(cell=cell).fit(
        X[train], y[train], **part(extras, train), X_val=X[val], y_val=y[val], **given
    )
    score = est.score(X[val], y[val], **part(extras, val))
    assert est.validation_scores_[-1] == score
    with pytest.raises(ValueError, match=r"(time|static): expected .*, got None"):
        est.fit(X, y, **extras, X_val=X[val], y_val=y[val])
    with pytest.raises(ValueError, match="X_val"):
        est.fit(X, y, **extras, **given)


@pytest.mark.parametrize("cell", TIMED + STATIC)
@pytest.mark.parametrize("make", BOTH)
def test_partial_fits_with_extras_are_one_long_fit(make, cell):
    X, y, extras = problem(cell)
    est = small(make, cell=cell, zoneout=0.2)
    long, parts = clone(est).fit(X, y, **extras), clone(est)
    for _ in range(2):
        classes = {"classes": [0, 1]} if make is LSTMClassifier else {}
        parts.partial_fit(X, y, **extras, **classes)
    assert digest(parts, X, extras) == digest(long, X, extras)


@pytest.mark.parametrize("cell", TIMED + STATIC)
def test_samples_are_equal_only_if_their_extras_are(cell):
    X, y, extras = problem(cell)
    twice = np.r_[:40, 0:40]
    doubled = part(extras, twice), [X[k] for k in twice], y[twice]
    est = small(cell=cell, batch_size=None, alpha=0.1)
    once = clone(est).fit(X, y, sample_weight=np.full(40, 2.0), **extras)
    again = clone(est).fit(*doubled[1:], **doubled[0])
    assert digest(again, X, extras) == digest(once, X, extras)
    assert again.t_ == once.t_ == 2 * 40
    for name, value in doubled[0].items():  # now the second half differs
        moved = [v + (k >= 40) for k, v in enumerate(value)]
        other = clone(est).fit(*doubled[1:], **{name: moved})
        assert other.t_ == 2 * 80


@pytest.mark.parametrize("cell", TIMED + STATIC)
def test_samples_without_weight_are_not_there(cell):
    X, y, extras = problem(cell)
    weight = (np.arange(40) % 3 > 0).astype(float)
    kept = np.flatnonzero(weight)
    est = small(cell=cell, batch_size=8)
    weighted = clone(est).fit(X, y, weight, **extras)
    alone = clone(est).fit([X[k] for k in kept], y[kept], **part(extras, kept))
    assert digest(weighted, X, extras) == digest(alone, X, extras)


def test_large_inputs_go_through_in_parts(monkeypatch):
    for cell in TIMED + STATIC:
        X, y, extras = problem(cell)
        est = small(cell=cell).fit(X, y, **extras)
        whole = est.predict_proba(X, **extras).tobytes()
        with monkeypatch.context() as patch:
            patch.setattr("lstmc.networks.recurrent.WORK", 1)
            patch.setattr("lstmc.networks.recurrent.FEWEST", 7)
            assert est.predict_proba(X, **extras).tobytes() == whole


@pytest.mark.parametrize("cell", TIMED)
def test_times_are_checked(cell):
    X, y, extras = problem(cell)
    time = extras["time"]
    est = small(cell=cell).fit(X, y, time=time)
    longest = max(range(40), key=lambda k: len(X[k]))
    last = len(X[longest]) - 1
    negative, missing = ([t.copy() for t in time] for _ in range(2))
    negative[longest][last], missing[longest][last] = -0.5, np.nan
    wrong = [
        (None, f"time: expected the time elapsed before each step with '{cell}'"),
        (time[:-1], "time: expected the lengths of X, got others"),
        (time[::-1], "time: expected the lengths of X, got others"),
        (negative, f"at least 0, got -0.5 in sequence {longest} at step {last}"),
        (missing, f"time: sequence {longest}, step {last}.* got NaN"),
        (np.ones((40, 9)), "time: expected the lengths of X, got others"),
    ]
    for value, words in wrong:
        for call in (est.predict, est.model_.predict):
            with pytest.raises(ValueError, match=words):
                call(X, time=value)
        with pytest.raises(ValueError, match=words):
            clone(est).fit(X, y, time=value)
    with pytest.raises(ValueError, match=r"static: expected None .*, got static f"):
        est.predict(X, time=time, static=np.ones((40, 1)))


@pytest.mark.parametrize("cell", STATIC)
def test_static_features_are_checked(cell):
    X, y, extras = problem(cell)
    static = extras["static"]
    est = small(cell=cell).fit(X, y, static=static)
    wrong = [
        (None, f"static: expected static features with '{cell}', got None"),
        (static[:-1], r"static: expected shape \(40, 3\), got \(39, 3\)"),
        (static[:, 0], r"static: expected shape \(40, \d\), got \(40,\)"),
        (np.where(static > 2, np.inf, static), "static: expected finite values, got"),
    ]
    for value, words in wrong:
        for call in (est.predict, est.model_.predict):
            with pytest.raises(ValueError, match=words):
                call(X, static=value)
        with pytest.raises(ValueError, match=words):
            clone(est).fit(X, y, static=value)
    with pytest.raises(ValueError, match=r"expected shape \(40, 3\), got \(40, 2\)"):
        est.predict(X, static=static[:, :2])
    with pytest.raises(ValueError, match=r"expected shape \(40, 1\), got \(40, 0\)"):
        clone(est).fit(X, y, static=static[:, :0])
    with pytest.raises(TypeError, match="static: expected arrays of real n"):
        clone(est).fit(X, y, static=np.full((40, 3), "a"))
    with pytest.raises(ValueError, match=r"time: expected None .*, got times"):
        est.predict(X, static=static, time=[np.ones(len(x)) for x in X])


@pytest.mark.parametrize("name", ["time", "static"])
def test_extras_are_not_wanted_by_other_cells(name):
    X, y, _ = problem(PLAIN[0])
    extras = {"time": [np.ones(len(x)) for x in X], "static": np.ones((40, 2))}
    given = {name: extras[name]}
    words = f"{name}: expected None with '{PLAIN[0]}', got"
    est = small(cell=PLAIN[0])
    with pytest.raises(ValueError, match=words):
        est.fit(X, y, **given)
    with pytest.raises(ValueError, match=words):
        est.fit(X, y).predict(X, **given)


@pytest.mark.parametrize("cell", TIMED + STATIC)
def test_metadata_routing(cell):
    X, y, extras = problem(cell)
    wanted = dict.fromkeys(extras, True)
    with sklearn.config_context(enable_metadata_routing=True):
        est = small(cell=cell).set_fit_request(**wanted).set_score_request(**wanted)
        results = cross_validate(est, X, y, cv=2, params=extras, error_score="raise")
        by_hand = []
        for test in (slice(0, 20), slice(20, 40)):
            train = np.setdiff1d(np.arange(40), np.arange(40)[test])
            fit = clone(est).fit([X[k] for k in train], y[train], **part(extras, train))
            by_hand.append(fit.score(X[test], y[test], **part(extras, test)))
        assert results["test_score"].shape == (2,)
        search = GridSearchCV(est, {"pooling": ["last", "max"]}, cv=2)
        search.fit(X, y, **extras)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        est.set_predict_request(**wanted)
        halves = FunctionTransformer(lambda X: [x / 2 for x in X])
        pipeline = make_pipeline(halves, est).fit(X, y, **extras)
        assert pipeline.predict(X, **extras).shape == (40,)
