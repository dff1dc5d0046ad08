"""LSTMTranscriber: labels of every kind, scores, weights, errors, files."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from transcripts import able, small, texts

import lstmc
from lstmc import LSTMClassifier, LSTMTranscriber, Sequences
from lstmc.metrics import label_error_rate


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


@pytest.fixture(scope="module")
def learned():
    X, y = texts(200)
    return able().fit(X, y), X, y


def bits(model, X):
    return b"".join(p.tobytes() for p in model.predict_proba(X))


def test_learns_text(learned):
    est, X, y = learned
    X_test, y_test = texts(100, seed=1)
    assert est.score(X_test, y_test) > 0.97
    assert est.classes_.tolist() == ["a", "b", "c"]
    assert (est.blank_, est.n_outputs_, est.out_activation_) == (0, 4, "softmax")
    assert est.predict(X_test[:0]) == []
    rate = label_error_rate(y, est.predict(X))
    assert est.score(X, y) == 1 - rate
    weight = np.arange(len(X)) % 3
    assert est.score(X, y, sample_weight=weight) == 1 - label_error_rate(
        y, est.predict(X), sample_weight=weight
    )


def test_probabilities_are_those_of_the_blank_and_the_labels(learned):
    est, X, _ = learned
    for x, text, p, log_p in zip(
        X, est.predict(X), est.predict_proba(X), est.predict_log_proba(X)
    ):
        assert p.shape == (len(x), 4)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_allclose(p, np.exp(log_p))
        path = [["", *est.classes_][k] for k in p.argmax(axis=1)]
        runs = [c for k, c in enumerate(path) if k == 0 or c != path[k - 1]]
        assert "".join(runs) == text


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ("".join, "abc"), (tuple, "abc"), (list, ["ah", "be", "see"]),
        (list, [7, 3, 9]), (np.array, [7, 3, 9]), (tuple, [(1, 2), (1,), (3,)]),
        (list, [2.5, 1.5, 0.0]),
    ],
)  # fmt: skip
def test_labels_come_back_as_they_were(shape, labels):
    X, words = texts(100)
    y = [shape([labels["abc".index(c)] for c in word]) for word in words]
    if shape is np.array:
        y = [part.astype(np.int16) for part in y]
    est = able().fit(X, y)
    predicted = est.predict(X)
    assert {type(part) for part in predicted} == {type(y[0])}
    assert est.classes_.tolist() == sorted(labels)
    assert est.score(X, y) > 0.9
    same = [list(p) == list(t) for p, t in zip(predicted, y)]
    assert np.mean(same) > 0.7
    if shape is not np.array:
        assert type(predicted[0]) is type(y[0])
        assert {type(c) for part in predicted for c in part} == {type(labels[0])}


def test_forms_of_data_give_the_same_bits():
    X, y = texts(20)
    forms = [X, tuple(X), [x.astype("f4") for x in X], [x.tolist() for x in X]]
    forms.append(Sequences.from_flat(np.concatenate(X), [len(x) for x in X]))
    results = {bits(small().fit(form, y), form) for form in forms}
    results.add(bits(small().fit(X, tuple(y)), X))
    results.add(bits(small().fit(X, np.array(y)), X))
    results.add(bits(small().fit(X, [list(text) for text in y]), X))
    assert len(results) == 1


def test_two_dimensions_are_univariate_series():
    X = np.random.default_rng(0).normal(size=(20, 5))
    y = [[k % 2, 5] for k in range(20)]
    table, block = small().fit(X, y), small().fit(X[:, :, None], y)
    assert (table.n_features_in_, block.n_features_in_) == (5, 1)
    assert bits(table, X) == bits(block, X)
    # A table of labels is a sequence a row.
    assert bits(small().fit(X, np.array(y)), X) == bits(table, X)


def test_early_stopping_watches_the_label_error_rate():
    X, y = texts(100)
    X_val, y_val = texts(50, seed=1)
    est = able(early_stopping=True, learning_rate_init=0.1).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    scores = est.validation_scores_
    assert scores[-1] < max(scores)  # else there was nothing to restore
    assert est.best_validation_score_ == max(scores) == est.score(X_val, y_val)
    assert len(est.validation_loss_curve_) == len(scores) == est.n_iter_
    held = small(early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert held.t_ == 3 * 75


def test_short_samples_are_an_error_that_lists_them_or_are_skipped():
    X, y = texts(20)
    y[3], y[11] = "a" * len(X[3]), "ab" * len(X[11])
    frames = [len(X[3]), len(X[11])]
    with pytest.raises(ValueError) as error:
        small().fit(X, y)
    for k, n, needed in (
        (3, frames[0], 2 * frames[0] - 1),
        (11, frames[1], 2 * frames[1]),
    ):
        assert f"sample {k}: {n} frames, {needed} needed" in str(error.value)
    with pytest.warns(UserWarning, match=r"skipped: .* sample 3: .* sample 11"):
        est = small(on_infeasible="skip").fit(X, y)
    rest = [k for k in range(20) if k not in (3, 11)]
    assert est.t_ == 3 * 18
    kept = small().fit([X[k] for k in rest], [y[k] for k in rest])
    assert bits(est, X) == bits(kept, X)
    with pytest.raises(ValueError, match=r"sample 0: .* sample 1"):
        small(on_infeasible="skip").fit(X[:2], ["a" * 99, "b" * 99])


def test_refuses_what_it_cannot_learn_from():
    X, y = texts(20)
    est = small().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, y[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        est.fit(X, None)
    with pytest.raises(TypeError, match="expected a list of label sequences, got 'ab"):
        est.fit(X, "ab" * 10)
    with pytest.raises(TypeError, match="y: sample 0: expected a sequence of labels"):
        est.fit(X, np.arange(20))
    with pytest.raises(TypeError, match="y: sample 2: expected a sequence of labels"):
        est.fit(X, [*y[:2], 5, *y[3:]])
    with pytest.raises(TypeError, match="can be hashed and sorted"):
        est.fit(X, [[[1], [2]] for _ in y])
    with pytest.raises(TypeError, match="can be hashed and sorted"):
        est.fit(X, [[1, "a"] for _ in y])
    with pytest.raises(ValueError, match="at least 1 label, got none"):
        est.fit(X, ["" for _ in y])
    bad = [*X[:4], np.full((5, 3), np.nan), *X[5:]]
    with pytest.raises(ValueError, match=r"X: sequence 4, step 0, feature 0: .* NaN"):
        est.fit(bad, y)
    unknown = r"y: sample 1: expected labels among \['a', 'b', 'c'\], got 'q'"
    with pytest.raises(ValueError, match=unknown):
        est.fit(X, y, X_val=X[:2], y_val=["a", "bq"])
    with pytest.raises(ValueError, match=unknown):
        est.align(X[:2], ["a", "bq"])
    with pytest.raises(ValueError, match=r"y: expected 2 label sequences .* got 1"):
        est.align(X[:2], ["a"])
    with pytest.raises(ValueError, match="n_best: expected 1 with 'best_path'"):
        est.decode(X, n_best=2)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("decoder", "beam", "among ['best_path', 'prefix_beam', 'prefix_search']"),
        ("beam_size", 0, "an int in the range [1, inf)"),
        ("levels", (3, 0), "a tuple of ints in the range [1, inf)"),
        ("label_smoothing", 1.0, "a float in the range [0, 1)"),
        ("on_infeasible", "ignore", "among ['raise', 'skip']"),
    ],
)
def test_parameters_are_checked(name, value, words):
    with pytest.raises(ValueError) as error:
        small(**{name: value}).fit(*texts(5))
    assert f"The {name!r} parameter of LSTMTranscriber must be" in str(error.value)
    assert words in str(error.value)


def test_prediction_changes_nothing(learned):
    est, X, y = learned
    before = pickle.dumps(est.__dict__)
    est.predict(X), est.predict_proba(X), est.score(X, y), est.predict_levels(X)
    est.align(X, y), est.decode(X)
    assert pickle.dumps(est.__dict__) == before


@pytest.mark.parametrize(
    "options", [{}, {"levels": (8, 5), "dtype": "float64"}], ids=str
)
def test_copies_give_the_same_bits(options, tmp_path):
    X, y = texts(40)
    y = (y, [len(text) * [0] for text in y]) if "levels" in options else y
    est = small(num_layers=2, **options).fit(X, y)
    joblib.dump(est, tmp_path / "est.joblib")
    est.save(tmp_path / "model")
    loaded = lstmc.load(tmp_path / "model")
    for twin in (
        clone(est).fit(X, y),
        copy.deepcopy(est),
        joblib.load(tmp_path / "est.joblib", mmap_mode="r"),
        loaded,
        LSTMTranscriber.from_model(loaded),
    ):
        assert bits(twin, X) == bits(est, X)
        assert twin.predict(X) == est.predict(X)
        assert twin.predict_levels(X) == est.predict_levels(X)
    assert LSTMTranscriber.from_model(loaded).partial_fit(X, y).t_ == 40
    with pytest.raises(TypeError, match="expected a ClassifierModel"):
        LSTMClassifier.from_model(loaded)


def test_a_model_needs_numpy_alone(tmp_path, run_python, learned):
    est, X, _ = learned
    est.save(tmp_path / "model")
    script = """
import sys
for name in ("sklearn", "scipy", "joblib", "matplotlib"):
    sys.modules[name] = None
import numpy as np, lstmc
model = lstmc.load(sys.argv[1])
print(model.predict([np.array(eval(sys.argv[2]))]))
"""
    said = run_python(script, tmp_path / "model", X[0].tolist())
    assert said == str(est.predict(X[:1]))


@pytest.mark.parametrize("batch_size", [16, None])
def test_partial_fits_are_one_long_fit(batch_size):
    X, y = texts(40)
    est = small(batch_size=batch_size, dropout=0.2, label_smoothing=0.1)
    long, parts = clone(est).fit(X, y), clone(est)
    for k in range(3):
        parts.partial_fit(X, y, classes="abc")
        parts = pickle.loads(pickle.dumps(parts)) if k == 1 else parts
    assert bits(parts, X) == bits(long, X)
    assert (parts.loss_curve_, parts.t_) == (long.loss_curve_, long.t_)
    some = small().partial_fit(X[:2], ["a", "a"], classes="abcd")
    assert some.classes_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(X, y)
    with pytest.raises(ValueError, match="balanced"):
        small(class_weight="balanced").partial_fit(X, y, classes="abc")


def test_warm_start_goes_on_from_the_weights():
    X, y = texts(40)
    est = small(solver="sgd", momentum=0.0, batch_size=None, learning_rate_init=0.1)
    long = clone(est).set_params(max_iter=6).fit(X, y)
    warm = est.set_params(warm_start=True).fit(X, y).fit(X, y)
    assert bits(warm, X) == bits(long, X)
    with pytest.raises(ValueError, match="expected hidden_size=8 as fitted, got"):
        warm.set_params(levels=2).fit(X, (y, y))


def test_weights_are_copies_and_order_is_immaterial():
    X, y = texts(20)
    weight = np.arange(20) % 3
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(20), weight))
    est = small(batch_size=None, alpha=0.1)
    weighted = clone(est).fit(X, y, sample_weight=weight)
    copied = clone(est).fit([X[k] for k in order], [y[k] for k in order])
    assert bits(weighted, X) == bits(copied, X)
    assert weighted.loss_curve_ == copied.loss_curve_


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 3.0}])
def test_label_weights_are_sample_weights(class_weight):
    X, y = texts(40)
    counts = {c: "".join(y).count(c) for c in "abc"}
    total = sum(counts.values())
    each = {c: total / (3 * counts[c]) for c in "abc"}
    if class_weight != "balanced":
        each = {"b": 1.0, "c": 1.0} | class_weight
    factor = [np.mean([each[c] for c in text]) if text else 1.0 for text in y]
    weighted = small(alpha=1.0).fit(X, y, sample_weight=factor)
    by_label = small(alpha=1.0, class_weight=class_weight).fit(X, y)
    # Factors may differ by a rounding, which a few steps in float32 enlarge.
    assert by_label.loss_curve_ == pytest.approx(weighted.loss_curve_, rel=1e-5)


def test_label_smoothing_keeps_probabilities_apart_from_one(learned):
    est, X, y = learned
    smooth = clone(est).set_params(label_smoothing=0.1).fit(X, y)
    assert smooth.score(X, y) > 0.9
    sharpest = [max(p.max() for p in e.predict_proba(X)) for e in (est, smooth)]
    assert sharpest[1] < sharpest[0]


@pytest.mark.parametrize("options", [{}, {"levels": 2}], ids=str)
def test_the_same_bits_for_any_number_of_threads_and_any_batch(options):
    X, y = texts(70)
    y = list(zip(y, y)) if options else y
    est = small(hidden_size=40, batch_size=50, dropout=0.3, max_iter=2, **options)
    fits = [clone(est).set_params(n_jobs=n).fit(X, y) for n in (1, 3)]
    assert bits(fits[0], X) == bits(fits[1], X)
    assert bits(fits[0], X) == b"".join(bits(fits[0], [x]) for x in X)


def test_lists_go_through_the_tools_of_scikit_learn():
    X, y = texts(120)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    est = able(max_iter=40)
    assert cross_val_score(est, X, y, cv=3).min() > 0.5
    search = GridSearchCV(est, {"decoder": ["best_path"], "hidden_size": [8, 16]}, cv=2)
    scale = FunctionTransformer(lambda X: [x / 2 for x in X])
    for tool in (search, make_pipeline(scale, est)):
        assert tool.fit(X_train, y_train).score(X_test, y_test) > 0.8


def test_empty_sequences_of_frames_and_of_labels():
    X, y = texts(10)
    X[3], y[3] = np.zeros((0, 3)), ""
    est = small(batch_size=1).fit(X, y)
    assert est.predict(X)[3] == ""
    assert est.predict_proba(X)[3].shape == (0, 4)
    assert [x.shape for x in est.predict_proba([X[3]])] == [(0, 4)]


@pytest.mark.parametrize("levels", [None, 2])
def test_divergence_keeps_the_last_good_epoch(levels):
    X, y = texts(20)
    y = (y, y) if levels else y
    est = small(warm_start=True, levels=levels).fit(X, y)
    good = bits(est, X)
    est.set_params(learning_rate_init=1e38, solver="sgd", max_grad_norm=None)
    with pytest.raises(lstmc.DivergenceError, match="training diverged in epoch 1"):
        est.fit(X, y)
    assert bits(est, X) == good


@pytest.mark.parametrize("cell", [facts["name"] for facts in lstmc.cells()])
def test_every_cell_transcribes(cell, tmp_path):
    facts = next(facts for facts in lstmc.cells() if facts["name"] == cell)
    X, y = texts(12)
    extras = {"time": [np.ones(len(x)) for x in X]} if facts["timed"] else {}
    if facts["statics"]:
        extras["static"] = np.ones((12, 2))
    est = small(cell=cell, hidden_size=4).fit(X, y, **extras)
    est.save(tmp_path / "model")
    assert lstmc.load(tmp_path / "model").predict(X, **extras) == est.predict(
        X, **extras
    )


def test_it_documents_the_parameters_of_the_other_estimators():
    def described(make):
        text = make.__doc__.split("Parameters\n")[1].split("Attributes\n")[0]
        return {
            block.partition(" :")[0].strip(): block
            for block in text.replace("\n        ", " ").split("\n    ")
        }

    ours, theirs = described(LSTMTranscriber), described(LSTMClassifier)
    differ = {"bidirectional", "early_stopping", "validation_fraction", "warm_start"}
    differ |= {"pooling", "gradient", "class_weight"}
    assert {k for k in theirs if theirs[k] != ours.get(k)} == differ
    assert set(ours) - {""} >= set(LSTMTranscriber().get_params()) - {
        "beta_1", "beta_2",
    }  # fmt: skip
