"""Files of transcribers: whatever they hold, a model or the error comes out."""

import copy

import pytest
from test_model_load import STRANGE, leaves
from transcripts import small, texts

import lstmc
from lstmc.model_file import ModelFileError, read_model, write_model


@pytest.fixture(scope="module", params=[{}, {"levels": (3, 2)}], ids=str)
def saved(tmp_path_factory, request):
    """A transcriber's file, and what it predicts from."""
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    X, y = texts(6)
    words = [["long"] * (len(text) > 2) + ["short"] for text in y]
    target = (y, words) if request.param else y
    small(hidden_size=3, max_iter=1, **request.param).fit(X, target).save(path)
    return path, X


def test_any_parameters_give_a_model_or_the_error(saved, tmp_path, monkeypatch):
    """Every value of a sound file is replaced by strange ones, or removed."""
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of files
    kind, tensors, config = read_model(saved[0])
    path, refusals = tmp_path / "model", 0
    for where in leaves(config):
        for strange in [*STRANGE, "text", "removed"]:
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
                model = lstmc.load(path)
                model.predict(saved[1])
                model.predict_levels(saved[1])
            except ModelFileError:
                refusals += 1
    assert refusals > 50


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_another_kind_is_refused(saved, tmp_path, kind):
    _, tensors, config = read_model(saved[0])
    more = {"classes": ["a", "b"], "classes_dtype": "<U1", "multilabel": False}
    write_model(tmp_path / "model", kind, tensors, config | more)
    with pytest.raises(ModelFileError):
        lstmc.load(tmp_path / "model")


def test_labels_that_no_file_keeps_are_an_error(tmp_path):
    X, y = texts(6)
    est = small(max_iter=1).fit(X, [[(c,) for c in text] for text in y])
    with pytest.raises(TypeError, match="expected numbers or strings to save"):
        est.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
