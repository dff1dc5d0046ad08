"""Highway estimators: deep networks of rows, saved, continued, weighed, stopped."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import lstmc
from lstmc import HighwayClassifier, HighwayRegressor
from lstmc.losses import squared_error
from lstmc.models.inputs import rows_as_sequences
from lstmc.networks.highway import HighwayNetwork

BOTH = [HighwayClassifier, HighwayRegressor]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
CLASSES = np.array(["no", "yes", "perhaps"])[np.arange(90) % 3]
LABELS = (X[:, :3] > 0).astype(int)


def small(make=HighwayClassifier, **options):
    options = {"hidden_size": 9, "num_layers": 4, "max_iter": 5} | options
    return make(random_state=0, tol=0.0, **options)


def target_of(make):
    return CLASSES if make is HighwayClassifier else X[:, :2] @ [[1, 2], [3, 4]]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestFits:
    @pytest.mark.parametrize(
        ("gates", "activation"),
        [
            *[("coupled", f) for f in ("tanh", "relu", "logistic")],
            *[("separate", "tanh"), ("open", "tanh"), ("open", "relu")],
        ],
    )
    def test_learns(self, gates, activation):
        y = X[:, 0] * X[:, 1] > 0
        est = small(
            num_layers=10, hidden_size=16, max_iter=80, gates=gates,
            activation=activation, learning_rate_init=0.01,
        )  # fmt: skip
        assert est.fit(X, y).score(X, y) > 0.95
        assert est.out_activation_ == "logistic" and est.n_outputs_ == 1

    def test_labels_and_many_outputs(self):
        est = small(max_iter=150, learning_rate_init=0.01).fit(X, LABELS)
        assert est.score(X, LABELS) > 0.9
        assert est.predict_proba(X).shape == LABELS.shape
        y = target_of(HighwayRegressor)
        est = small(HighwayRegressor, max_iter=150, learning_rate_init=0.01).fit(X, y)
        assert est.predict(X).shape == y.shape and est.score(X, y) > 0.95

    @pytest.mark.parametrize("make", BOTH)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_saves_and_loads(self, make, dtype, tmp_path):
        path, y = tmp_path / "model.safetensors", target_of(make)
        est = small(make, dtype=dtype, dropout=0.2).fit(X, y)
        est.save(path)
        model = lstmc.load(path)
        wanted = est.predict(X).tobytes()
        assert model.predict(X).tobytes() == wanted
        assert model.predict(X[:0]).shape[0] == 0
        back = make.from_model(model)
        assert back.predict(X).tobytes() == wanted
        assert back.get_params()["dropout"] == 0.2 and back.n_features_in_ == 4
        assert pickle.loads(pickle.dumps(est)).predict(X).tobytes() == wanted
        with pytest.raises(
            ValueError, match=r"X: expected shape \(n, 4\), got \(90, 3"
        ):
            model.predict(X[:, :3])
        with pytest.raises(ValueError, match="X: expected finite values"):
            model.predict(np.full((1, 4), np.nan))

    @pytest.mark.parametrize("make", BOTH)
    def test_epochs_one_by_one_are_a_fit(self, make):
        y, whole = target_of(make), small(make, batch_size=30)
        whole.fit(X, y)
        part = clone(whole)
        for _ in range(5):
            if make is HighwayClassifier:
                part.partial_fit(X, y, np.unique(y))
            else:
                part.partial_fit(X, y)
        assert part.predict(X).tobytes() == whole.predict(X).tobytes()

    @pytest.mark.parametrize("make", BOTH)
    def test_a_weight_is_so_many_copies(self, make):
        y, weight = target_of(make), np.arange(90) % 4
        est = small(make, batch_size=None)
        one = clone(est).fit(X, y, sample_weight=weight)
        other = clone(est).fit(np.repeat(X, weight, 0), np.repeat(y, weight, 0))
        assert one.predict(X).tobytes() == other.predict(X).tobytes()

    def test_class_weight_is_a_sample_weight(self):
        est = small(batch_size=30)
        one = clone(est).set_params(class_weight={"no": 3.0}).fit(X, CLASSES)
        other = est.fit(X, CLASSES, sample_weight=np.where(CLASSES == "no", 3.0, 1.0))
        assert one.predict_proba(X).tobytes() == other.predict_proba(X).tobytes()

    def test_threads_change_nothing(self):
        proba = [
            small(n_jobs=k, dropout=0.3, hidden_size=40)
            .fit(X, CLASSES)
            .predict_proba(X)
            for k in (1, 3)
        ]
        assert proba[0].tobytes() == proba[1].tobytes()

    def test_early_stopping_keeps_the_best(self):
        est = small(early_stopping=True, max_iter=40, n_iter_no_change=3)
        est.fit(X, CLASSES)
        assert est.best_validation_score_ == max(est.validation_scores_)
        est.fit(X, CLASSES, X_val=X[:9], y_val=CLASSES[:9])
        assert est.score(X[:9], CLASSES[:9]) == est.best_validation_score_

    def test_another_network_cannot_go_on(self):
        est = small(warm_start=True).fit(X, CLASSES).set_params(num_layers=5)
        with pytest.raises(ValueError, match="expected num_layers=4 as fitted, got 5"):
            est.fit(X, CLASSES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gates": "ajar"}, "The 'gates' parameter of HighwayClassifier must be a str"),
        ({"activation": "swish"}, "The 'activation' parameter"),
        ({"num_layers": 0}, r"must be an int in the range \[1, inf\). Got 0"),
        ({"dropout": 1.0}, r"must be a float in the range \[0, 1\). Got 1.0"),
        ({"transform_bias": np.nan}, "The 'transform_bias' parameter"),
    ],
)
def test_refuses_parameters(options, words):
    with pytest.raises(ValueError, match=words):
        small(**options).fit(X, CLASSES)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_networks_gradient_is_central_differences(dropout):
    network = HighwayNetwork(
        3, 5, output_size=2, num_layers=3, gates="separate", dropout=dropout,
        dtype="float64", random_state=0,
    )  # fmt: skip
    x, target = rows_as_sequences(X[:7, :3].copy()), X[:7, :2].copy()
    weight = np.linspace(0.5, 1.5, 7)

    def loss():
        return network.loss_and_gradient(
            x, target, weight, squared_error, dropout_key=(3, 4)
        ) + network.penalise(0.1)

    loss()
    gradient, step = network.gradient.copy(), 1e-6
    for seed in range(5):
        way = np.random.default_rng(seed).standard_normal(gradient.shape)
        way *= network.weights != 0  # nothing between the layers
        saved, found = network.weights.copy(), []
        for sign in (1, -1):
            network.weights[:] = saved + sign * step * way
            found.append(loss())
        network.weights[:] = saved
        wanted = (found[0] - found[1]) / (2 * step)
        assert abs(gradient @ way - wanted) < 1e-6 * (1 + abs(wanted))


def test_a_forged_config_is_no_model(tmp_path):
    from lstmc.models.file import read_model, write_model

    path = tmp_path / "model.safetensors"
    small().fit(X, CLASSES).save(path)
    kind, tensors, config = read_model(path)
    for name, value in [
        ("num_layers", 10**9), ("hidden_size", 10**12), ("gates", "ajar"),
        ("activation", None), ("output_size", -1), ("dropout", "much"),
    ]:  # fmt: skip
        forged = config | {"network": config["network"] | {name: value}}
        write_model(path, kind, tensors, forged)
        with pytest.raises(lstmc.ModelFileError):
            lstmc.load(path)
