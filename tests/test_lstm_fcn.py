"""LSTM-FCN: the network against the equations, its estimator, its files."""

import pickle

import numpy as np
import pytest
import reference_fcn as reference
from test_fcn_layers import check_differences
from test_interrupt import interrupt

import lstmc
from lstmc import LSTMFCNClassifier, Sequences
from lstmc.losses import LOSSES
from lstmc.models.file import ModelFileError, read_model, write_model
from lstmc.networks.lstm_fcn import LSTMFCN

LENGTHS = [9, 0, 1, 12, 5]
SMALL = {"filters": (4, 5, 3), "kernel_sizes": (8, 5, 3)}
WAYS = {
    "shuffled": {"dimension_shuffle": True, "steps": 10},  # one is longer
    "in time": {},
    "attention": {"attention": True},
    "attention, shuffled": {"attention": True, "dimension_shuffle": True, "steps": 10},
    "gru": {"cell": "gru"},
}


def make(way="shuffled", dtype="float64", **options):
    network = LSTMFCN(
        2, 6, output_size=3, dtype=dtype, random_state=0, **SMALL | WAYS[way] | options
    )
    rng = np.random.default_rng(1)
    drawn = {k: a.copy() for k, a in network.parameters.items()}
    for name, array in drawn.items():
        if name.endswith(("bias", "running_mean")):
            array += rng.standard_normal(array.shape)
        if name.endswith("running_var"):
            array *= rng.uniform(0.5, 2, array.shape)
    network.load_parameters(drawn)
    return network


def batch(lengths=LENGTHS, features=2, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((sum(lengths), features)).astype(dtype)
    return Sequences.from_flat(x, lengths)


def parts_of(network):
    """The parameters of each layer."""
    parts: dict = {}
    for key, array in network.parameters.items():
        prefix, _, name = key.partition(".")
        parts.setdefault(prefix, {})[name] = array
    return parts


def expected(network, x, training):
    """The logits by the reference."""
    w, config = parts_of(network), network.config
    maps = list(x)
    for k in range(1, len(config["filters"]) + 1):
        conv, norm = w[f"conv{k}"], w[f"norm{k}"]
        maps = [reference.conv1d(m, conv["weight"], conv["bias"]) for m in maps]
        if training:
            maps = reference.batch_norm(maps, norm, 1e-3)
        else:
            maps = [reference.batch_norm_running(m, norm, 1e-3) for m in maps]
        maps = [reference.relu(m) for m in maps]
    logits, zeros = [], np.zeros((2, config["hidden_size"]))
    for series, m in zip(x, maps, strict=True):
        if config["steps"]:
            series = reference.shuffle(series, config["steps"])
        if config["attention"]:
            _, h, _ = reference.attention_lstm(series, *zeros, w["lstm"])
        else:
            names = {"W": "weight_ih_l0", "R": "weight_hh_l0", "b": "bias_l0"}
            lstm = {k: w["lstm"][name] for k, name in names.items()}
            _, h, _ = reference.lstm(series, *zeros, lstm)
        features = np.concatenate([h, reference.global_average(m)])
        logits.append(w["head"]["weight"] @ features + w["head"]["bias"])
    return np.array(logits)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "gru"])
def test_logits_are_the_equations(way):
    network, x = make(way, dropout=0.0), batch()
    assert abs(network.apply(x) - expected(network, x, False)).max() < 1e-12
    logits = network.record(x)[0]
    assert abs(logits - expected(network, x, True)).max() < 1e-12


@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_those_of_differences(way):
    network, x = make(way, dropout=0.5), batch()
    target, weight = np.array([0, 1, 2, 0, 1]), np.array([1.0, 2.0, 0.5, 1.0, 0.7])
    loss = LOSSES["cross_entropy"].gradient

    def evaluate():
        return loss(network.record(x, dropout_key=(3, 4))[0], target, weight)[0]

    network.loss_and_gradient(x, target, weight, loss, dropout_key=(3, 4))
    check_differences([(network.weights, network.gradient)], evaluate)
    rng = np.random.default_rng(0)
    some = rng.choice(network.weights.size, 40, replace=False)
    for k in some[network.gradient[some] != 0]:
        part = slice(k, k + 1)
        check_differences([(network.weights[part], network.gradient[part])], evaluate)


def test_the_first_steps_go_to_the_lstm_and_all_to_the_convolutions():
    network, x = make(steps=4), batch([9])
    changed = x.values.copy()
    changed[4:] += 1
    lstm = network._layers["lstm"]
    before, after = (
        lstm.apply(network._turned(s))[1] for s in (x, x.with_values(changed))
    )
    assert before[0].tobytes() == after[0].tobytes()
    assert (network.apply(x) != network.apply(x.with_values(changed))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_predictions_have_the_same_bits_in_any_company(way, dtype, monkeypatch):
    network, x = make(way, dtype), batch(dtype=dtype)
    every = network.apply(x, threads=1)
    for threads in (2, 3):
        assert network.apply(x, threads=threads).tobytes() == every.tobytes()
    for j in range(len(x)):
        assert network.apply(x[j : j + 1]).tobytes() == every[j].tobytes()
    monkeypatch.setattr("lstmc.networks.lstm_fcn.WORK", 1)  # in parts of FEWEST
    assert network.apply(x).tobytes() == every.tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_training_has_the_same_bits_for_any_number_of_threads(way):
    found = []
    for threads in (1, 2, 3):
        network, x = make(way, "float32"), batch([200, 0, 90, 150], dtype="float32")
        network.loss_and_gradient(
            x, np.array([0, 1, 2, 0]), np.ones(4), LOSSES["cross_entropy"].gradient,
            threads=threads,
        )  # fmt: skip
        found.append((network.gradient.tobytes(), network.weights.tobytes()))
    assert found[0] == found[1] == found[2]


def test_copies_and_pickles_keep_the_running_averages():
    network, x = make(), batch()
    loss = LOSSES["cross_entropy"].gradient
    network.loss_and_gradient(x, np.array([0, 1, 2, 0, 1]), np.ones(5), loss)
    assert network.parameters["norm2.num_batches_tracked"] == [1]
    twin, thawed = network.copy(), pickle.loads(pickle.dumps(network))
    for other in (twin, thawed):
        assert other.apply(x).tobytes() == network.apply(x).tobytes()
    network.loss_and_gradient(x, np.array([0, 1, 2, 0, 1]), np.ones(5), loss)
    assert twin.parameters["norm2.num_batches_tracked"] == [1]


def test_a_call_writes_nothing():
    network, x = make(), batch()
    before = network.weights.tobytes(), x.values.tobytes()
    network.apply(x)
    assert (network.weights.tobytes(), x.values.tobytes()) == before


def test_the_penalty_spares_normalizations_and_biases():
    network = make()
    network.gradient[:] = 0
    value = network.penalise(0.5)
    w = parts_of(network)
    kinds = [("head", "weight"), *((f"conv{k}", "weight") for k in (1, 2, 3))]
    kinds += [("lstm", "weight_ih_l0"), ("lstm", "weight_hh_l0")]
    norm = sum((w[layer][name] ** 2).sum() for layer, name in kinds)
    assert value == pytest.approx(0.25 * norm, rel=1e-12)
    assert np.count_nonzero(network.gradient) == sum(w[a][b].size for a, b in kinds)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"filters": ()}, "filters: expected a tuple of ints, got ()"),
        ({"filters": (4, 0, 3)}, "filters: expected ints of at least 1, got 0"),
        ({"kernel_sizes": (3,)}, "expected 3, as many as filters, got 1"),
        ({"steps": 0}, "at least 1 with dimension_shuffle, got 0"),
        ({"cell": "tlstm"}, "cell: expected one of .*, got 'tlstm'"),
        ({"cell": "gru", "attention": True}, "'lstm' with attention, got 'gru'"),
        ({"dropout": 1}, "0 <= dropout < 1, got 1"),
    ],
)
def test_errors_say_what_came(options, error):
    with pytest.raises(ValueError, match=error):
        make(**options)


# --- the estimator ----------------------------------------------------------------


def bumps(n=48, seed=0, shortest=20, longest=32):
    """Noise, with a wide bump in every other series."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal(t) for t in rng.integers(shortest, longest, n)]
    for x in X[::2]:
        x[5:11] += 2.5
    return X, np.where(np.arange(n) % 2, "flat", "bump")


def make_estimator(**options):
    quick = {"max_iter": 60, "learning_rate_init": 0.01, "norm_momentum": 0.9}
    options = quick | {"random_state": 0} | SMALL | options
    return LSTMFCNClassifier(6, **options)


@pytest.mark.parametrize("way", [{}, {"attention": True}, {"dimension_shuffle": False}])
def test_a_fit_learns_and_its_file_predicts(way, tmp_path):
    (X, y), (X_test, y_test) = bumps(), bumps(seed=1)
    est = make_estimator(**way).fit(X, y)
    assert est.score(X_test, y_test) > 0.9
    path = tmp_path / "model.safetensors"
    est.save(path)
    model = lstmc.load(path)
    assert model.predict_proba(X_test).tobytes() == est.predict_proba(X_test).tobytes()
    again = LSTMFCNClassifier.from_model(model)
    assert (again.predict(X_test) == est.predict(X_test)).all()
    config = model.network.config
    assert list(again.filters) == config["filters"] == [4, 5, 3]


def test_the_epoch_with_the_least_loss_stays():
    X, y = bumps()
    best = make_estimator(learning_rate_init=0.05).fit(X, y)
    k = int(np.argmin(best.loss_curve_)) + 1
    assert k < 60  # or the test shows nothing
    last = make_estimator(learning_rate_init=0.05, keep_best=False, max_iter=k)
    last.fit(X, y)
    assert last.predict_proba(X).tobytes() == best.predict_proba(X).tobytes()


def test_the_rate_falls_on_a_plateau():
    X, y = bumps()
    options = {"plateau_patience": 1, "plateau_factor": 0.5, "plateau_min": 1e-5}
    est = make_estimator(class_weight=None, max_iter=1, **options)
    for _ in range(100):
        est.partial_fit(X, y, classes=["bump", "flat"])
    rate = est._trainer.schedule.learning_rate
    assert 1e-5 <= rate < 0.01
    one = make_estimator(class_weight=None, max_iter=100, keep_best=False, **options)
    assert one.fit(X, y).predict_proba(X).tobytes() == est.predict_proba(X).tobytes()


def test_early_stopping_and_multivariate_labels():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 25, 2))
    y = np.stack([np.arange(60) % 2, np.arange(60) // 2 % 2], axis=1)
    X[y[:, 0] == 1, 5:12, 0] += 3
    X[y[:, 1] == 1, 5:12, 1] += 3
    est = make_estimator(early_stopping=True, n_iter_no_change=20, max_iter=80)
    est.fit(X, y)
    assert est.predict(X).shape == (60, 2)
    assert est.best_validation_score_ == max(est.validation_scores_)
    assert est.score(X, y) > 0.8


def test_longer_series_than_fitted_are_read():
    X, y = bumps(longest=24)
    est = make_estimator().fit(X, y)
    assert est.model_.network.config["steps"] == max(map(len, X))
    long, _ = bumps(seed=2, shortest=40, longest=60)
    assert np.isfinite(est.predict_proba(long)).all()
    est.set_params(warm_start=True, max_iter=2).fit(long, y)
    assert est.model_.network.config["steps"] == max(map(len, X))


def test_a_fit_hears_an_interrupt():
    X = np.random.default_rng(0).standard_normal((64, 2000))
    est = LSTMFCNClassifier(n_jobs=1, batch_size=4, max_iter=1, warm_start=True)
    est.fit(X[:4], [0, 1, 0, 1]).set_params(max_iter=100)
    interrupt(lambda: est.fit(X, np.arange(64) % 2))
    assert est.predict(X[:2]).shape == (2,)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"filters": 3}, "'filters' parameter .* a tuple of ints .* Got 3"),
        ({"kernel_sizes": (3, 3)}, "expected 3, as many as filters, got 2"),
        ({"plateau_factor": 1.0}, "'plateau_factor' .* Got 1.0"),
        ({"learning_rate": "fast"}, "'learning_rate' .*'plateau'.* Got 'fast'"),
        ({"attention": True, "cell": "gru"}, "'lstm' with attention, got 'gru'"),
    ],
)
def test_bad_parameters_are_named(options, error):
    X, y = bumps(8)
    with pytest.raises(ValueError, match=error):
        make_estimator(**options).fit(X, y)


STRANGE = [None, True, -1, 0, 1, 2.5, 10**12, "", "lstm", "f4", [], [[0]], {}]


def test_any_config_gives_a_model_or_the_error(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of files
    X, y = bumps(8)
    path = tmp_path / "model.safetensors"
    make_estimator(max_iter=1).fit(X, y).save(path)
    kind, tensors, config = read_model(path)
    inner, refusals = config["network"], 0
    for name in inner:
        for strange in [*STRANGE, "removed"]:
            changed = inner | {name: strange}
            if strange == "removed":
                del changed[name]
            write_model(path, kind, tensors, config | {"network": changed})
            try:
                lstmc.load(path).predict_proba(X)
            except ModelFileError:
                refusals += 1
    assert refusals > 100
