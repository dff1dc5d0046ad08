"""ConvLSTMForecaster: what it learns, its gradients, forms, files and errors."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import lstmc
from lstmc import ConvLSTMForecaster, Sequences
from lstmc.frame_losses import FRAME_LOSSES
from lstmc.networks.frames import FrameNetwork
from lstmc.training import DivergenceError

OPTIONS = [
    {"mode": mode, "loss": loss}
    for mode in ("encoder_forecaster", "recursive")
    for loss in ("squared", "cross_entropy")
]


def moving_dots(n, steps, size=8, seed=0):
    """A dot on a ring of pixels that moves by one at each step: (n, T, size, 1)."""
    start = np.random.default_rng(seed).integers(size, size=n)
    where = (start[:, None] + np.arange(steps)) % size
    return np.eye(size, dtype="f4")[where][..., None]


def small(**options):
    defaults = {"horizon": 3, "max_iter": 2, "tol": 0.0, "random_state": 0}
    return ConvLSTMForecaster(4, **defaults | options)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
def test_it_learns_what_moves(options):
    X = moving_dots(32, 9)
    forecaster = small(max_iter=150, learning_rate_init=0.02, **options)
    forecaster.set_params(hidden_channels=8, n_iter_no_change=np.inf).fit(X)
    assert forecaster.loss_curve_[-1] < 0.2 * forecaster.loss_curve_[0]
    assert forecaster.score(moving_dots(32, 9, seed=1)) > 0.8


@pytest.mark.parametrize("peepholes", [None, "pixel"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
def test_central_differences(options, peepholes):
    rng = np.random.default_rng(0)
    network = FrameNetwork(
        (3, 4), 2, 3, num_layers=2, mode=options["mode"], horizon=2,
        peepholes=peepholes, dtype="float64", random_state=0,
    )  # fmt: skip
    network.weights[:] += 0.2 * rng.standard_normal(network.weights.size)
    lengths = [3, 1, 2]
    x = Sequences.from_flat(rng.standard_normal((6, 24)), lengths)
    ahead = [2] * 3 if network.decoder else lengths
    target = Sequences.from_flat(rng.uniform(size=(sum(ahead), 24)), ahead)
    weight = np.array([1.0, 0.5, 2.0])
    loss = FRAME_LOSSES[options["loss"]].gradient
    value = network.loss_and_gradient(x, target, weight, loss)
    assert value == pytest.approx(loss(network.apply(x), target, weight)[0], rel=1e-12)
    gradient = network.gradient.copy()
    for k in rng.choice(gradient.size, 60, replace=False):
        kept, values = network.weights[k], []
        for step in (1e-6, -1e-6):
            network.weights[k] = kept + step
            values.append(loss(network.apply(x), target, weight)[0])
        network.weights[k] = kept
        assert abs((values[0] - values[1]) / 2e-6 - gradient[k]) < 1e-6


@pytest.mark.filterwarnings("ignore:Maximum iterations")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
def test_files_and_copies(options, tmp_path):
    X = moving_dots(6, 7)
    forecaster = small(peepholes="pixel", num_layers=2, **options).fit(X)
    Y = forecaster.predict(X, steps=4)
    assert Y.shape == (6, 4, 8, 1)
    assert forecaster.predict(list(X)).shape == (6, 3, 8, 1)
    forecaster.save(tmp_path / "model")
    model = lstmc.load(tmp_path / "model")
    again = ConvLSTMForecaster.from_model(model)
    for other in (model, again, pickle.loads(pickle.dumps(forecaster))):
        assert other.predict(X, 4).tobytes() == Y.tobytes()
    assert again.score(X) == forecaster.score(X)
    again.set_params(max_iter=1, warm_start=True).fit(X)
    assert clone(forecaster).get_params() == forecaster.get_params()


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_the_same_bits_for_any_number_of_threads():
    X = [x[: 5 + k % 3] for k, x in enumerate(moving_dots(20, 8))]
    found = {
        n: small(num_layers=2, n_jobs=n, batch_size=7).fit(X).predict(X).tobytes()
        for n in (1, 2, 3)
    }
    assert len(set(found.values())) == 1
    alone = small(num_layers=2, batch_size=7).fit(X)
    parts = [alone.predict([x]).tobytes() for x in X]
    assert b"".join(parts) == found[1]


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_early_stopping_and_weights():
    X = moving_dots(20, 8)
    forecaster = small(early_stopping=True, max_iter=3).fit(X)
    assert len(forecaster.validation_scores_) == 3
    scored = small(max_iter=3).fit(X, X_val=X)
    assert len(scored.validation_scores_) == 3
    assert scored.validation_scores_[-1] == pytest.approx(scored.score(X), abs=1e-6)
    weight = np.arange(20) % 2.0
    halved = small(batch_size=None).fit(X, sample_weight=weight)
    only = small(batch_size=None).fit(X[1::2])
    assert halved.predict(X).tobytes() == only.predict(X).tobytes()


@pytest.mark.parametrize(
    ("options", "X", "said"),
    [
        ({}, np.zeros((2, 3, 8, 1)), "at least 4 frames, got 3"),
        ({"mode": "recursive"}, np.zeros((2, 1, 8, 1)), "at least 2 frames, got 1"),
        ({}, np.zeros((2, 3, 8)), "one to three axes of a frame, channels"),
        ({"loss": "cross_entropy"}, np.full((2, 5, 8, 1), 2.0), "0 to 1 .* got 2 to 2"),
        ({"mode": "both"}, np.zeros((2, 5, 8, 1)), "'mode' parameter"),
        ({"horizon": 0}, np.zeros((2, 5, 8, 1)), "'horizon' parameter"),
        ({"kernel_size": (3, 3)}, np.zeros((2, 5, 8, 1)), "kernel_size: expected 1"),
        ({"kernel_size": 4}, np.zeros((2, 5, 8, 1)), "got 1 and 2 for 4 taps"),
        ({"cell": "tlstm"}, np.zeros((2, 5, 8, 1)), "cell: expected one of"),
        ({}, [np.zeros((5, 8, 1)), np.zeros((5, 9, 1))], r"\(8,\) pixels, got \(9,\)"),
    ],
)
def test_wrong_fits(options, X, said):
    with pytest.raises(ValueError, match=said):
        small(**options).fit(X)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_wrong_calls():
    forecaster = small(peepholes="pixel").fit(moving_dots(6, 7))
    with pytest.raises(ValueError, match=r"frames of \(8,\) pixels, got \(9,\)"):
        forecaster.predict(np.zeros((1, 3, 9, 1)))
    with pytest.raises(ValueError, match="steps: expected an int of at least 1, got 0"):
        forecaster.predict(moving_dots(2, 4), steps=0)
    with pytest.raises(ValueError, match="at least 1 frame of each sequence"):
        forecaster.predict([np.zeros((0, 8, 1))])
    with pytest.raises(TypeError, match="expected a ForecasterModel"):
        ConvLSTMForecaster.from_model(3)
    with pytest.raises(DivergenceError):
        small(solver="sgd", learning_rate_init=1e30, max_grad_norm=None).fit(
            moving_dots(6, 7)
        )


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_files_that_ask_for_more_than_they_hold(tmp_path):
    forecaster = small().fit(moving_dots(6, 7))
    tensors, config = forecaster.model_.to_tensors()
    for name, value in (
        ("hidden_channels", 2**40), ("image_size", [2**40]), ("kernel_size", [2**30]),
        ("channels", -1), ("num_layers", 2**30), ("cell", "lsmt"), ("mode", "x"),
        ("peepholes", "pixel"), ("horizon", "1"),
    ):  # fmt: skip
        wrong = {"network": config["network"] | {name: value}}
        lstmc.models.file.write_model(tmp_path / "m", "forecaster", tensors, wrong)
        with pytest.raises(lstmc.ModelFileError):
            lstmc.load(tmp_path / "m")
