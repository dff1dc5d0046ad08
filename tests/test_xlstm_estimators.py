"""Blocks of an xLSTM behind the estimators, by one word; their models and files."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from test_estimator_options import bits, digest, problem, small
from transcripts import texts

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor, LSTMTranscriber
from lstmc.layers.stacks import FIXED, OWN
from lstmc.layers.xlstm import fewest_of_blocks, parse_cell
from lstmc.models.origins import fewest_parameters
from lstmc.networks.recurrent import Network

CELLS = ["mlstm", "xlstm[1:1]", "xlstm[0:1]"]
OPTIONS = [
    {}, {"dropout": 0.3}, {"num_heads": 2}, {"pooling": "max"}, {"num_layers": 2},
    {"tbptt": 3}, {"tbptt": 3, "pooling": "mean"}, {"alpha": 0.1},
    {"dtype": "float64"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


@pytest.mark.parametrize("cell", CELLS)
def test_learns_classes(cell):
    X, y = problem(120)
    est = LSTMClassifier(
        16, cell=cell, num_heads=2, max_iter=60, learning_rate_init=0.01,
        random_state=0, tol=0, n_iter_no_change=1000,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="Maximum iterations"):
        assert est.fit(X, y).score(X, y) > 0.97


@pytest.mark.parametrize("make", [LSTMClassifier, LSTMRegressor])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "none")
def test_every_option_is_kept(tmp_path, make, cell, options):
    X, y = problem()
    est = small(make, cell=cell, **options).fit(X, y)
    wanted = digest(est, X)
    assert digest(clone(est).set_params(n_jobs=2).fit(X, y), X) == wanted
    assert digest(pickle.loads(pickle.dumps(est)), X) == wanted
    if "tbptt" not in options:
        again = clone(est).set_params(checkpoint=True)
        assert digest(again.fit(X, y), X) == wanted
    est.save(tmp_path / "model")
    loaded = lstmc.load(tmp_path / "model")
    assert bits(loaded, X) == bits(est, X)
    twin = make.from_model(loaded)
    assert twin.cell == cell
    assert bits(twin.partial_fit(X, y), X) != bits(est, X)
    assert np.isfinite(twin.predict(X)).all()


@pytest.mark.parametrize("cell", CELLS)
def test_companions_change_no_prediction(cell):
    X, y = problem()
    est = small(cell=cell).fit(X, y)
    whole = est.predict_proba(X)
    for k in (0, 7, 39):
        assert bits(est, [X[k]]) == whole[k : k + 1].tobytes()


def test_transcribes_and_streams():
    X, y = texts(150)
    est = LSTMTranscriber(
        24, cell="xlstm[1:1]", bidirectional=False, num_heads=2, max_iter=40,
        learning_rate_init=0.01, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert est.score(*texts(60, seed=1)) > 0.9
    stream = est.stream()
    for frame in X[0]:
        stream.push([frame])
    assert stream.finish() == est.predict(X[:1])[0]


def test_a_search_over_ratios():
    X, y = problem()
    search = GridSearchCV(small(), {"cell": ["lstm", *CELLS]}, cv=2).fit(X, y)
    assert search.best_params_["cell"] in ("lstm", *CELLS)


@pytest.mark.parametrize("cell", ["xlstm[0:0]", "xlstm[1]", "xlstm[1:-1]", "xlstm", 7])
def test_words_that_are_no_cell(cell):
    with pytest.raises(ValueError, match='"mlstm" or "xlstm'):
        small(cell=cell).fit(*problem())


# Another value for everything that blocks have no choice of.
OTHER = {
    "bidirectional": True, "output_activation": "identity", "proj_size": 2,
    "gradient": "truncated", "block_size": 2, "cell_bias": False, "residual": True,
    "highway": True, "variational": True, "recurrent_dropout": 0.1,
    "zoneout": (0.0, 0.1), "drop_connect": 0.1, "input_initializer": "zeros",
    "recurrent_initializer": "zeros", "forget_bias": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_options_of_recurrent_layers_are_refused(name):
    assert set(OTHER) == set(FIXED | OWN) - {"static_size"}
    with pytest.raises(ValueError, match=f"{name}: expected .* with the cell 'mlstm'"):
        small(cell="mlstm", **{name: OTHER[name]}).fit(*problem())


def test_what_else_is_refused():
    X, y = problem()
    with pytest.raises(ValueError, match="time: expected None with 'mlstm'"):
        small(cell="mlstm").fit(X, y, time=[np.ones(len(x)) for x in X])
    with pytest.raises(ValueError, match=r"num_heads: expected a divisor .* 6, got 4"):
        small(cell="xlstm[0:1]", num_heads=4).fit(X, y)


@pytest.mark.parametrize("cell", [*CELLS, "xlstm[2:3]"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 70, 2), (5, 640, 1)])
def test_a_file_builds_nothing_larger_than_it_is(cell, sizes):
    m, n, layers = sizes
    network = Network(m, n, output_size=2, cell=cell, num_layers=layers, num_heads=1)
    least = fewest_parameters(network.config)
    found = sum(a.size for a in network.parameters.values())
    assert least <= found <= 30 * least
    assert 0 < layers * fewest_of_blocks(parse_cell(cell), n, 1) < least


def test_sizes_of_a_file_are_checked_before_memory(tmp_path):
    X, y = problem()
    model = small(cell="mlstm").fit(X, y).model_
    for change in (
        {"hidden_size": 10**9}, {"num_layers": 900}, {"cell": "xlstm[999:999]"},
        {"cell": "xlstm[0:0]"}, {"num_heads": 10**30},
    ):  # fmt: skip
        tensors, config = model.to_tensors()
        config["network"] = config["network"] | change
        with pytest.raises((ValueError, LookupError)):
            type(model).from_tensors(tensors, config)
