"""From the file to the prediction: NumPy alone, and nothing but a model comes out."""

import copy
import subprocess
import sys

import numpy as np
import pytest

import lstmc
from lstmc.models.file import ModelFileError, read_model, write_model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def run(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


ARCHITECTURES = [
    {"bidirectional": True},
    {"proj_size": 3, "zoneout": [0.1, 0.2], "num_layers": 2},
    {"block_size": 2, "cell_bias": False},
]


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=str)
def saved(tmp_path_factory, request):
    """A classifier's file, what it predicts from and what it predicts."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 7, 3)), np.arange(12) % 3
    est = lstmc.LSTMClassifier(4, max_iter=2, random_state=0, **request.param)
    est.fit(X, y).save(folder / "model.safetensors")
    np.save(folder / "X.npy", X)
    np.save(folder / "expected.npy", est.predict_proba(X))
    return folder


def test_loading_and_predicting_need_numpy_alone(saved):
    script = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
import numpy as np
import lstmc
folder = sys.argv[1]
X, expected = np.load(f"{folder}/X.npy"), np.load(f"{folder}/expected.npy")
model = lstmc.load(f"{folder}/model.safetensors")
assert model.predict_proba(X).tobytes() == expected.tobytes()
assert (model.predict(X) == expected.argmax(axis=1)).all()
"""
    run(script, saved, "sklearn", "scipy", "joblib", "matplotlib", "rich")


def test_loading_executes_nothing(saved):
    script = """
import sys
import lstmc
path = sys.argv[1] + "/model.safetensors"
lstmc.load(path)
events = []
sys.addaudithook(lambda event, arguments: events.append((event, *arguments[:1])))
lstmc.load(path)
seen = [e for e in events if not e[0].startswith("object.__getattr__")]
assert seen == [("open", path)], seen
"""
    run(script, saved)


def leaves(value, path=()):
    """The path of everything in nested dicts and lists."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield (*path, key)
            yield from leaves(value[key], (*path, key))


STRANGE = [None, True, -1, 0, 1, 2.5, 10**12, "", "lstm", "(f4", "O", [], [[0]], {}]


def test_any_parameters_give_a_model_or_the_error(saved, path, monkeypatch):
    """Every value of a sound file is replaced by strange ones, or removed."""
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of files
    kind, tensors, config = read_model(saved / "model.safetensors")
    X = np.load(saved / "X.npy")
    refusals = 0
    for where in leaves(config):
        for strange in [*STRANGE, "removed"]:
            changed = copy.deepcopy(config)
            inner = changed
            for key in where[:-1]:
                inner = inner[key]
            if strange == "removed":
                del inner[where[-1]]
            else:
                inner[where[-1]] = strange
            write_model(path, kind, tensors, changed)
            try:
                lstmc.load(path).predict_proba(X)
            except ModelFileError:
                refusals += 1
    assert refusals > 50


@pytest.mark.parametrize("kind", ["os.system", "Model", "regressor", "__init__"])
def test_another_kind_is_refused(saved, path, kind):
    _, tensors, config = read_model(saved / "model.safetensors")
    write_model(path, kind, tensors, config)
    with pytest.raises(ModelFileError):
        lstmc.load(path)


def test_tensors_of_other_names_or_shapes_are_refused(saved, path):
    kind, tensors, config = read_model(saved / "model.safetensors")
    for name, tensor in tensors.items():
        others = {k: v for k, v in tensors.items() if k != name}
        for wrong in (
            {},
            {name: tensor[:-1]},
            {name: tensor[None]},
            {f"{name}x": tensor},
        ):
            write_model(path, kind, others | wrong, config)
            with pytest.raises(ModelFileError):
                lstmc.load(path)
    write_model(path, kind, {**tensors, "more": tensor}, config)
    with pytest.raises(ModelFileError):
        lstmc.load(path)


# What a network's config held when it had no other options.
OLD = {
    "input_size", "hidden_size", "output_size", "cell", "num_layers", "bidirectional",
    "output_activation", "pooling", "dropout", "dtype",
}  # fmt: skip


def test_a_file_without_the_newer_options_is_read(path):
    X, y = np.random.default_rng(0).standard_normal((12, 7, 3)), np.arange(12) % 3
    est = lstmc.LSTMClassifier(4, max_iter=2, num_layers=2, random_state=0).fit(X, y)
    est.save(path)
    kind, tensors, config = read_model(path)
    network = {key: config["network"][key] for key in OLD}
    write_model(path, kind, tensors, config | {"network": network})
    loaded = lstmc.load(path)
    assert loaded.predict_proba(X).tobytes() == est.predict_proba(X).tobytes()
    assert loaded.network.config == est.model_.network.config


@pytest.mark.parametrize("name", ["forget_bias", "input_initializer", "random_state"])
def test_other_options_are_refused(saved, path, name):
    kind, tensors, config = read_model(saved / "model.safetensors")
    config["network"][name] = 1
    write_model(path, kind, tensors, config)
    with pytest.raises(ModelFileError, match=name):
        lstmc.load(path)


@pytest.mark.parametrize(
    "claims",
    [
        {"hidden_size": 10**6}, {"num_layers": 10**9}, {"input_size": 2**62},
        {"output_size": 10**9}, {"cell": "rnn", "hidden_size": 10**6, "input_size": 1},
        {"cell": "focused", "hidden_size": 10**9}, {"hidden_size": 10**400},
        {"hidden_size": 10**6, "num_heads": 10**6, "input_size": 1},
        {"hidden_size": 10**6, "proj_size": 1},
        {"cell": "ealstm", "static_size": 10**9},
        {"block_size": 10**6, "hidden_size": 10**6},
    ],
    ids=str,
)  # fmt: skip
def test_a_small_file_makes_no_large_network(path, monkeypatch, claims):
    """Not even for a moment, whatever size it claims and however its tensors look."""
    X, y = np.zeros((4, 3, 2)), [0, 1, 0, 1]
    lstmc.LSTMClassifier(4, max_iter=1).fit(X, y).save(path)
    kind, tensors, config = read_model(path)
    config["network"] |= claims
    tensors["recurrent.weight_ih_l0"] = np.ones((10**6, 1), np.float32)
    write_model(path, kind, tensors, config)
    monkeypatch.setattr("lstmc.models.origins.Network.from_parameters", None)
    with pytest.raises(ModelFileError, match=r"expected at least .* parameters"):
        lstmc.load(path)
