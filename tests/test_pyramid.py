"""Pyramids of multidimensional LSTM, and the estimators of images over them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import lstmc
from lstmc import MDLSTMClassifier, MDLSTMTranscriber
from lstmc.images import as_images
from lstmc.labels import Labels
from lstmc.losses import LOSSES, make_ctc
from lstmc.models import ModelFileError
from lstmc.models.file import read_model, write_model
from lstmc.networks.pyramid import Pyramid, count_frames

STEP, LIMIT = 1e-6, 1e-6  # as in test_gradients
SIZES = {2: [(5, 13), (3, 18), (4, 4)], 3: [(5, 3, 7), (3, 1, 4)]}
BLOCKS = {2: ((2, 3), (2, 1)), 3: ((2, 2, 1), (1, 2, 1))}


def draw(ndim, channels=2):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((*size, channels)) for size in SIZES[ndim]]


def make_network(ndim, **options):
    return Pyramid(
        2, (3, 5), output_size=4, block_size=BLOCKS[ndim], ndim=ndim, dtype="float64",
        feedforward_size=(4,), random_state=1, **options,
    )  # fmt: skip


@pytest.mark.parametrize("pooling", ["mean", "sum", "columns"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients(pooling, ndim, dropout):
    network = make_network(ndim, pooling=pooling, dropout=dropout)
    x = as_images(draw(ndim), ndim=ndim, dtype="float64")
    loss, target = LOSSES["cross_entropy"], np.arange(len(x)) + 1
    if pooling == "columns":
        loss, target = make_ctc(0.0, 1), Labels.from_lists([[k] for k in target])
    weight = np.ones(len(x))

    def evaluate():
        return network.loss_and_gradient(
            x, target, weight, loss.gradient, dropout_key=(3, 1)
        )

    evaluate()
    gradient, saved = network.gradient.copy(), network.weights.copy()
    rng = np.random.default_rng(2)
    for _ in range(10):
        direction, losses = rng.standard_normal(saved.shape), []
        direction *= saved != 0  # between the layers, and biases at 0: not of interest
        for sign in (1, -1):
            network.weights[:] = saved + sign * STEP * direction
            losses.append(evaluate())
        network.weights[:] = saved
        wanted = (losses[0] - losses[1]) / (2 * STEP)
        assert abs(gradient @ direction - wanted) < LIMIT * max(1, abs(wanted))


def test_a_network_is_its_parameters():
    network = make_network(2)
    x = as_images(draw(2), dtype="float64")
    wanted = network.apply(x)
    for twin in (network.copy(), pickle.loads(pickle.dumps(network))):
        assert twin.config == network.config
        assert (twin.apply(x) == wanted).all()
    total = sum(array.size for array in network.parameters.values())
    assert total == sum(layer.n_weights for layer in network.layers.values())
    assert network.apply(x[:0]).shape == (0, 4)
    own = sum(
        float((array**2).sum())
        for name, array in network.parameters.items()
        if "bias" not in name
    )
    network.gradient[:] = 0
    assert network.penalise(2.0) == pytest.approx(own)


def test_any_company_and_any_threads():
    network, X = make_network(2, pooling="columns"), draw(2)
    together = network.apply(as_images(X, dtype="float64"))
    assert together.lengths.tolist() == [5, 6, 2]
    for x, y in zip(X, together, strict=True):
        alone = network.apply(as_images([x], dtype="float64"), threads=2)
        assert (alone.values == y).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": (3, 4, 5)}, "block_size: expected 3 for 3 layers, got 2"),
        ({"hidden_size": ()}, "hidden_size: expected 1 for 0 layers, got 0"),
        ({"block_size": ((2,), (2,))}, r"expected 2 sizes of each block, got \[2\]"),
        ({"feedforward_size": (3, 3)}, "feedforward_size: expected 1 for 2 layers"),
        ({"block_size": ((2, 2), (0, 2))}, "sizes of at least 1"),
        ({"ndim": 4}, "ndim.* 2 or 3"),
        ({"pooling": "max"}, "pooling"),
        ({"forget_bias": np.inf}, "forget_bias"),
    ],
)
def test_what_does_not_go_together(wrong, message):
    options = {"max_iter": 1, "hidden_size": (2, 2)} | wrong
    with pytest.raises(ValueError, match=message):
        MDLSTMClassifier(**options).fit(np.zeros((4, 4, 4)), [0, 1, 0, 1])


def bars(n, seed=0):
    """Images of any size with a bar that lies or stands."""
    rng, X = np.random.default_rng(seed), []
    y = rng.integers(2, size=n)
    for stands in y:
        x = 0.1 * rng.standard_normal(rng.integers(6, 12, 2))
        k = rng.integers(1, 5)
        x[:, k] += stands
        x[k] += 1 - stands
        X.append(x)
    return X, np.array(["lies", "stands"])[y]


CLASSIFIER = {
    "hidden_size": (6, 8), "learning_rate_init": 0.02, "max_iter": 20, "tol": 0,
    "batch_size": 10, "random_state": 0,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_a_classifier_of_unequal_images(tmp_path):
    X, y = bars(80)
    est = MDLSTMClassifier(**CLASSIFIER).fit(X, y)
    unseen = bars(40, seed=1)
    assert est.score(*unseen) > 0.95
    probability = est.predict_proba(unseen[0])
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(
        np.log(probability), est.predict_log_proba(unseen[0]), rtol=1e-6
    )
    assert ((est.decision_function(unseen[0]) > 0) == (probability[:, 1] > 0.5)).all()

    est.save(tmp_path / "model")
    model = lstmc.load(tmp_path / "model")
    assert (model.predict(unseen[0]) == est.predict(unseen[0])).all()
    back = MDLSTMClassifier.from_model(model)
    assert (back.predict_proba(unseen[0]) == probability).all()
    assert back.get_params()["hidden_size"] == [6, 8]
    assert est.predict([]).shape == (0,)

    before = pickle.dumps(est)
    est.predict(unseen[0])
    assert pickle.dumps(est) == before
    assert clone(est).get_params() == est.get_params()
    with pytest.raises(ValueError, match="X has 3 channels, expected 1"):
        est.predict(np.zeros((2, 5, 5, 3)))
    with pytest.raises(TypeError, match="expected a TranscriberModel"):
        MDLSTMTranscriber.from_model(model)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_fits_have_the_same_bits_and_go_on():
    X, y = bars(30)
    options = CLASSIFIER | {"max_iter": 3, "dropout": 0.2}
    one = MDLSTMClassifier(**options, n_jobs=1).fit(X, y)
    two = MDLSTMClassifier(**options, n_jobs=2).fit(X, y)
    parts = MDLSTMClassifier(**options)
    for _ in range(3):
        parts.partial_fit(X, y, classes=["lies", "stands"])
    for other in (two, parts):
        assert (one.model_.network.weights == other.model_.network.weights).all()
    warm = MDLSTMClassifier(**options, warm_start=True).fit(X, y).fit(X, y)
    assert len(warm.loss_curve_) == 6 and warm.loss_ < one.loss_
    with pytest.raises(ValueError, match=r"expected block_size=\[\[2, 2\], \[2, 2\]\]"):
        warm.set_params(block_size=((1, 2), (2, 2))).fit(X, y)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_equal_bytes_of_other_sizes_are_not_one_sample():
    X, y = [np.ones((2, 6)), np.ones((3, 4)), np.ones((2, 6))], [0, 1, 0]
    est = MDLSTMClassifier((2,), block_size=((1, 1),), max_iter=1).fit(X, y)
    assert est.t_ == 2


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_volumes_and_many_classes():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = 0.1 * rng.standard_normal((30, 4, 5, 3, 2)) + y[:, None, None, None, None]
    est = MDLSTMClassifier(
        (4,), block_size=((2, 2, 2),), ndim=3, pooling="sum", max_iter=20,
        learning_rate_init=0.02, random_state=0, early_stopping=True, batch_size=5,
    )  # fmt: skip
    assert est.fit(X, y).score(X, y) > 0.9 and est.n_features_in_ == 2


SIGNS = {"a": np.eye(6), "b": np.ones((6, 4)), " ": np.zeros((6, 3))}


def texts(n, seed=0):
    rng = np.random.default_rng(seed)
    y = ["".join(rng.choice(list("ab"), rng.integers(1, 5))) for _ in range(n)]
    X = [np.hstack([SIGNS[c] for c in " ".join(text)]) for text in y]
    return [x + 0.1 * rng.standard_normal(x.shape) for x in X], y


TRANSCRIBER = {
    "hidden_size": (8, 8), "block_size": ((3, 2), (2, 1)), "learning_rate_init": 0.02,
    "max_iter": 40, "random_state": 0, "batch_size": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def transcriber():
    return MDLSTMTranscriber(**TRANSCRIBER).fit(*texts(60))


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_a_transcriber(transcriber, tmp_path):
    X, y = texts(30, seed=1)
    assert transcriber.score(X, y) > 0.95
    assert transcriber.classes_.tolist() == ["a", "b"] and transcriber.blank_ == 0
    frames = transcriber.predict_proba(X)
    shapes = np.array([x.shape for x in X])
    wanted = count_frames(shapes, TRANSCRIBER["block_size"])
    assert [len(p) for p in frames] == wanted.tolist()
    for p, log_p in zip(frames, transcriber.predict_log_proba(X), strict=True):
        np.testing.assert_allclose(np.log(p), log_p, rtol=1e-5, atol=1e-5)
    best = transcriber.decode(X)
    assert [h.labels for (h,) in best] == transcriber.predict(X)
    assert [a.labels for a in transcriber.align(X, y)] == y
    beam = MDLSTMTranscriber.from_model(transcriber.model_)
    beam.set_params(decoder="prefix_beam", beam_size=10)
    assert beam.predict(X) == transcriber.predict(X)
    assert len(beam.decode(X[:1], n_best=3)[0]) == 3

    transcriber.save(tmp_path / "model")
    model = lstmc.load(tmp_path / "model")
    assert model.predict(X) == transcriber.predict(X)
    assert model.predict([]) == []


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_labels_that_an_image_has_no_room_for():
    X, y = texts(6)
    est = MDLSTMTranscriber(**TRANSCRIBER | {"max_iter": 1})
    with pytest.raises(ValueError, match="sample 6: 2 frames, 7 needed"):
        est.fit([*X, np.zeros((6, 4))], [*y, "aaaa"])
    est.set_params(on_infeasible="skip")
    with pytest.warns(UserWarning, match="sample 6: 2 frames, 7 needed"):
        est.fit([*X, np.zeros((6, 4))], [*y, "aaaa"])
    assert est.t_ == 6


def leaves(value, where=()):
    """The paths of all plain values in dicts and lists."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for k, v in pairs for leaf in leaves(v, (*where, k))]
    return [where]


STRANGE = [None, True, -1, 0, 2, 10**30, 1.5, "text", [], [[]], {}, "x"]


@pytest.mark.filterwarnings("ignore:Maximum iterations")
@pytest.mark.parametrize("kind", ["classifier", "transcriber"])
def test_any_file_gives_a_model_or_the_error(kind, transcriber, tmp_path, monkeypatch):
    """Every value of a sound file is replaced by strange ones."""
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of files
    est, X = transcriber, texts(2)[0]
    if kind == "classifier":
        X, y = bars(8)
        est = MDLSTMClassifier(**CLASSIFIER | {"max_iter": 1}).fit(X, y)
    path, refusals = tmp_path / "model", 0
    est.save(path)
    kind, tensors, config = read_model(path)
    for where in leaves(config):
        for strange in STRANGE:
            changed = pickle.loads(pickle.dumps(config))
            inner = changed
            for key in where[:-1]:
                inner = inner[key]
            inner[where[-1]] = strange
            write_model(path, kind, tensors, changed)
            try:
                lstmc.load(path).predict(X)
            except ModelFileError:
                refusals += 1
    assert refusals > 50
