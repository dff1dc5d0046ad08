"""Estimators: data in every form, weights, continued fits, scikit-learn's tools."""

import copy
import hashlib
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor, Sequences

BOTH = [LSTMClassifier, LSTMRegressor]


def ragged(n=60, n_classes=2, seed=0):
    """Sequences of unequal length and classes that they determine."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = [
        rng.normal(k, 1, size=(steps, 2)) for k, steps in zip(y, rng.integers(3, 9, n))
    ]
    return X, y


def small(make=LSTMClassifier, **options):
    return make(**{"hidden_size": 8, "max_iter": 4, "random_state": 0} | options)


def state_hash(est):
    return hashlib.sha256(pickle.dumps(est.__dict__)).hexdigest()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_learns_classes(n_classes):
    X, y = ragged(n_classes=n_classes)
    names = np.array(["no", "yes", "perhaps"])[y]
    est = small(max_iter=100, learning_rate_init=0.01).fit(X, names)
    assert est.score(X, names) > 0.9
    assert est.classes_.tolist() == sorted(set(names))
    proba, log_proba = est.predict_proba(X), est.predict_log_proba(X)
    np.testing.assert_allclose(proba, np.exp(log_proba))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (est.classes_[proba.argmax(axis=1)] == est.predict(X)).all()
    assert est.decision_function(X).shape == ((60,) if n_classes == 2 else (60, 3))
    assert est.out_activation_ == ("logistic" if n_classes == 2 else "softmax")
    assert est.n_outputs_ == (1 if n_classes == 2 else 3)
    assert (est.n_features_in_, est.t_) == (2, est.n_iter_ * 60)
    assert est.loss_ == est.loss_curve_[-1]
    assert est.best_loss_ == min(est.loss_curve_)
    assert est.validation_scores_ is est.best_validation_score_ is None


def test_learns_labels():
    X, _ = ragged()
    Y = np.array([[x[:, 0].sum() > 0, x[:, 1].sum() > 2] for x in X]).astype(int)
    est = small(max_iter=100, learning_rate_init=0.01).fit(X, Y)
    assert est.score(X, Y) > 0.8
    assert (est.predict(X) == (est.predict_proba(X) > 0.5)).all()
    assert est.decision_function(X).shape == Y.shape


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
def test_learns_numbers_of_any_unit(shape):
    X, _ = ragged()
    sums = np.array([x.sum(axis=0) for x in X])
    y = 1e6 + 1e4 * (sums[:, 0] if len(shape) == 1 else sums[:, : shape[1]])
    est = small(LSTMRegressor, max_iter=150, learning_rate_init=0.01).fit(X, y)
    assert est.score(X, y) > 0.8
    assert est.predict(X).shape == shape
    assert est.n_outputs_ == (shape + (1,))[1]


def test_forms_of_data_give_the_same_bits():
    X = np.random.default_rng(0).normal(size=(20, 5, 3))
    y = np.arange(20) % 2
    forms = [
        X, list(X), tuple(X.astype("f4")), Sequences.from_padded(X),
        np.asfortranarray(X), X.astype(">f8"), [x.tolist() for x in X],
    ]  # fmt: skip
    results = {small().fit(form, y).predict_proba(form).tobytes() for form in forms}
    assert len(results) == 1


def test_two_dimensions_are_univariate_series():
    X = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 2
    table, block = small().fit(X, y), small().fit(X[:, :, None], y)
    assert (table.n_features_in_, block.n_features_in_) == (5, 1)
    assert table.predict_proba(X).tobytes() == block.predict_proba(X).tobytes()
    assert table.predict([X[0, :3], X[1]]).shape == (2,)  # sequences may be shorter
    for est in (table, table.model_):
        with pytest.raises(ValueError, match=r"X has 4 features, but .* 5 features"):
            est.predict(X[:, :4])
    assert table.predict(X[:0]).shape == (0,)


def test_refuses_data_that_do_not_fit():
    X, y = ragged()
    est = small().fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, .* expecting 2"):
        est.predict(np.zeros((4, 5, 3)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, y[:-1])
    with pytest.raises(ValueError, match="class"):
        est.fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="class"):
        est.fit(X, y, sample_weight=y)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        est.fit(X, y, sample_weight=-np.ones(60))
    with pytest.raises(ValueError, match=r"expected shape \(60,\)"):
        est.fit(X, y, sample_weight=np.ones((60, 2)))
    with pytest.raises(ValueError, match="variance within float64"):
        small(LSTMRegressor).fit(X, np.where(y, 1e300, -1e300))
    with pytest.raises(ValueError, match="both X_val and y_val"):
        est.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"classes among \[0, 1\], got \[2\]"):
        est.fit(X, y, X_val=X, y_val=y + 1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("hidden_size", 0, "an int in the range [1, inf)"),
        ("batch_size", "large", "among ['auto'] or an int in the range [1, inf) or N"),
        ("dropout", 1.0, "a float in the range [0, 1)"),
        ("momentum", 1.5, "a float in the range [0, 1]"),
        ("learning_rate_init", 0, "a float in the range (0, inf)"),
        ("solver", "lbfgs", "among ['adam', 'sgd']"),
        ("early_stopping", 1, "a bool"),
        ("dtype", "float16", "among ['float32', 'float64']"),
        ("n_jobs", 0, "an int other than 0"),
        ("class_weight", "even", "a dict"),
    ],
)
def test_parameters_are_checked(name, value, words):
    with pytest.raises(ValueError) as error:
        small().set_params(**{name: value}).fit(*ragged())
    assert f"The {name!r} parameter of LSTMClassifier must be" in str(error.value)
    assert words in str(error.value)
    assert f"Got {value!r} instead." in str(error.value)


@pytest.mark.parametrize("make", BOTH)
def test_prediction_changes_nothing(make):
    X, y = ragged()
    est = small(make).fit(X, y)
    before = state_hash(est)
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(est, method):
            getattr(est, method)(X)
    est.score(X, y)
    assert state_hash(est) == before


def test_column_names_are_kept_and_compared():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 3)))
    X.columns = ["mon", "tue", "wed"]
    y = np.arange(20) % 2
    est = small().fit(X, y)
    assert est.feature_names_in_.tolist() == ["mon", "tue", "wed"]
    assert (est.predict(X) == small().fit(X.to_numpy(), y).predict(X.to_numpy())).all()
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(X[["wed", "tue", "mon"]])
    assert not hasattr(est.fit([X.to_numpy()] * 2, [0, 1]), "feature_names_in_")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", BOTH)
def test_copies_give_the_same_bits(make, dtype, tmp_path):
    X, y = ragged()
    est = small(make, bidirectional=True, num_layers=2, dtype=dtype).fit(X, y)
    bits = est.predict(X).tobytes()
    joblib.dump(est, tmp_path / "est.joblib")
    est.save(tmp_path / "model")
    for twin in (
        clone(est).fit(X, y),
        copy.deepcopy(est),
        pickle.loads(pickle.dumps(est)),
        joblib.load(tmp_path / "est.joblib"),
        joblib.load(tmp_path / "est.joblib", mmap_mode="r"),
        lstmc.load(tmp_path / "model"),
        make.from_model(lstmc.load(tmp_path / "model")),
    ):
        assert twin.predict(X).tobytes() == bits


def test_from_model_can_go_on_learning(tmp_path):
    X, y = ragged(n_classes=3)
    est = small().fit(X, y)
    est.save(tmp_path / "model")
    twin = LSTMClassifier.from_model(lstmc.load(tmp_path / "model"))
    assert twin.predict_proba(X).tobytes() == est.predict_proba(X).tobytes()
    assert twin.hidden_size == 8
    assert twin.partial_fit(X, y).t_ == 60
    with pytest.raises(TypeError, match="expected a RegressorModel"):
        LSTMRegressor.from_model(est.model_)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("batch_size", [16, None])
def test_partial_fits_are_one_long_fit(make, batch_size):
    X, y = ragged()
    est = small(make, batch_size=batch_size, dropout=0.2, learning_rate="invscaling")
    long, parts = clone(est).fit(X, y), clone(est)
    for k in range(4):
        parts.partial_fit(X, y, **({"classes": [0, 1]} if make is BOTH[0] else {}))
        if k == 1:
            parts = pickle.loads(pickle.dumps(parts))
    assert parts.predict(X).tobytes() == long.predict(X).tobytes()
    assert (parts.loss_curve_, parts.t_) == (long.loss_curve_, long.t_)
    assert parts.n_iter_ == 1


def test_partial_fit_leaves_earlier_models_alone():
    X, y = ragged()
    model = small().partial_fit(X, y, classes=[0, 1]).model_
    est = LSTMClassifier.from_model(model)
    bits = model.predict_proba(X).tobytes()
    later = [est.partial_fit(X, y).model_ for _ in range(2)]
    assert model.predict_proba(X).tobytes() == bits
    proba = [m.predict_proba(X).tobytes() for m in (model, *later)]
    assert len(set(proba)) == 3


def test_partial_fit_asks_for_what_it_needs():
    X, y = ragged()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(X, y)
    with pytest.raises(ValueError, match="early_stopping"):
        small(early_stopping=True).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="balanced"):
        small(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


def test_warm_start_goes_on_from_the_weights():
    # Gradient descent without momentum has no state but the weights, and a full batch
    # no order: only then are two fits one long one.
    X, y = ragged()
    est = small(solver="sgd", momentum=0.0, batch_size=None, learning_rate_init=0.1)
    long = clone(est).set_params(max_iter=6).fit(X, y)
    warm = est.set_params(max_iter=3, warm_start=True).fit(X, y).fit(X, y)
    assert warm.predict_proba(X).tobytes() == long.predict_proba(X).tobytes()
    assert (warm.loss_curve_, warm.t_) == (long.loss_curve_, long.t_)
    assert warm.n_iter_ == 3
    with pytest.raises(ValueError, match="expected hidden_size=8 as fitted, got 9"):
        warm.set_params(hidden_size=9).fit(X, y)


@pytest.mark.parametrize("make", BOTH)
def test_weights_are_copies_and_order_is_immaterial(make):
    X, y = ragged(20)
    weight = np.arange(20) % 3
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(20), weight))
    weighted = small(make, batch_size=None, alpha=0.1).fit(X, y, sample_weight=weight)
    copied = small(make, batch_size=None, alpha=0.1).fit(
        [X[k] for k in order], y[order]
    )
    assert weighted.predict(X).tobytes() == copied.predict(X).tobytes()
    assert weighted.loss_curve_ == copied.loss_curve_


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0}])
def test_class_weights_are_sample_weights(class_weight):
    X, y = ragged(n_classes=3)
    y[y == 2] = 0
    zero, one = (0.75, 1.5) if class_weight == "balanced" else (3.0, 1.0)
    factor = np.where(y == 0, zero, one)
    weighted = small(alpha=1.0).fit(X, y, sample_weight=factor)
    by_class = small(alpha=1.0, class_weight=class_weight).fit(X, y)
    # Factors may differ by a rounding, which a few steps in float32 enlarge.
    assert by_class.loss_curve_ == pytest.approx(weighted.loss_curve_, rel=1e-5)


def test_the_penalty_is_that_of_scikit_learn():
    X, y = ragged()
    free, bound = (small(max_iter=1, batch_size=None, alpha=a) for a in (0.0, 2.0))
    free.fit(X, y)
    initial = small(max_iter=1, batch_size=None, learning_rate_init=1e-30).fit(X, y)
    weights = initial.model_.network.parameters
    squares = sum((w**2).sum() for name, w in weights.items() if "weight" in name)
    # As in MLPClassifier: alpha / 2 * ||w||**2 / n, on all weights but biases.
    expected = free.loss_curve_[0] + 0.5 * 2.0 * squares / len(X)
    assert bound.fit(X, y).loss_curve_[0] == pytest.approx(expected, rel=1e-5)
    # n is the sum of the weights: what all weigh cancels against alpha.
    heavy = small(alpha=6.0, batch_size=None).fit(X, y, sample_weight=np.full(60, 3.0))
    light = small(alpha=2.0, batch_size=None).fit(X, y)
    assert heavy.loss_curve_ == pytest.approx(light.loss_curve_, rel=1e-6)


def test_early_stopping_holds_out_a_share():
    X, y = ragged(100)
    est = small(early_stopping=True, max_iter=3, validation_fraction=0.2).fit(X, y)
    assert est.t_ == 3 * 80
    assert len(est.validation_scores_) == 3
    assert set(np.round(np.array(est.validation_scores_) * 20, 9) % 1) == {0}
    with pytest.raises(ValueError, match="least populated"):  # so it is stratified
        small(early_stopping=True).fit(X, np.arange(100) == 0)
    with pytest.raises(ValueError, match="validation set is too small"):
        small(LSTMRegressor, early_stopping=True, validation_fraction=0.01).fit(X, y)


def test_warns_when_not_converged_and_reports(capsys):
    X, y = ragged()
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(4\) reached"):
        small(verbose=2, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("epoch 1/4  loss ")
    assert "score" in lines[0]
    assert "left" in lines[0]


def test_the_bar_of_rich(capsys):
    pytest.importorskip("rich")
    small(verbose=1).fit(*ragged())
    assert "epoch 4/4" in capsys.readouterr().out


def test_html_repr():
    est = small()
    assert "LSTMClassifier" in est._repr_html_()
    assert "LSTMClassifier" in est.fit(*ragged())._repr_html_()


def test_lists_go_through_the_tools_of_scikit_learn():
    X, y = ragged(90, n_classes=3)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    est = small(max_iter=30, learning_rate_init=0.02)
    assert cross_val_score(est, X, y, cv=3).shape == (3,)
    search = GridSearchCV(est, {"pooling": ["last", "mean"]}, cv=2).fit(
        X_train, y_train
    )
    scale = FunctionTransformer(lambda X: [x / 2 for x in X])
    pipeline = make_pipeline(scale, est).fit(X_train, y_train)
    voting = VotingClassifier([("a", est), ("b", clone(est))], voting="soft")
    stacking = StackingClassifier([("a", est)], LogisticRegression(), cv=2)
    calibrated = CalibratedClassifierCV(est, cv=2)
    for tool in (voting, stacking, calibrated):
        tool.fit(X_train, y_train)
    for tool in (search, pipeline, voting, stacking, calibrated):
        assert tool.score(X_test, y_test) > 0.6  # a third by chance


def test_both_estimators_document_the_same_parameters():
    def described(make):
        text = make.__doc__.split("Parameters\n")[1].split("Attributes\n")[0]
        blocks = text.split("\n    ")
        return "\n".join(block for block in blocks if block.strip("- "))

    ours, theirs = described(LSTMClassifier), described(LSTMRegressor)
    start, end = ours.index("class_weight"), ours.index("dtype :")
    assert ours[:start] + ours[end:] == theirs
