"""Streams of transcriptions: the labels of predict, whatever the chunks."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from transcripts import able, small, texts

import lstmc
from lstmc import LSTMTranscriber


@pytest.fixture(scope="module", params=[{}, {"levels": 2, "num_layers": 2}], ids=str)
def learned(request):
    X, y = texts(120)
    target = (y, y) if request.param else y
    return able(bidirectional=False, **request.param).fit(X, target), X


def cut(x, rng):
    """A sequence in chunks of 0 to 4 frames."""
    while len(x):
        size = int(rng.integers(0, 5))
        yield x[:size]
        x = x[size:]


def test_chunks_give_the_labels_of_the_whole(learned):
    est, X = learned
    rng, stream = np.random.default_rng(0), est.stream()
    for x, best in zip(X, est.decode(X)):
        found = [emission for part in cut(x, rng) for emission in stream.push(part)]
        assert stream.n_frames == len(x)
        assert "".join(label for label, _ in found) == best[0].labels
        assert [frame for _, frame in found] == best[0].starts.tolist()
        assert stream.finish() == best[0].labels
    assert stream.finish() == ""


def test_a_label_comes_with_its_first_frame(learned):
    est, X = learned
    stream = est.stream()
    for k, frame in enumerate(X[0]):
        assert all(number == k for _, number in stream.push([frame]))
    assert stream.finish() == est.predict(X[:1])[0]


def test_streams_of_loaded_models(learned, tmp_path):
    est, X = learned
    est.save(tmp_path / "model")
    stream = lstmc.load(tmp_path / "model").stream()
    assert stream.push(X[0]) == est.stream().push(X[0])


def test_streams_are_apart(learned):
    est, X = learned
    one, two = est.stream(), est.stream()
    for a, b in zip(np.array_split(X[0], 3), np.array_split(X[1], 3)):
        one.push(a)
        two.push(b)
    assert [one.finish(), two.finish()] == est.predict(X[:2])


@pytest.mark.parametrize("cell", ["tlstm", "ealstm"])
def test_times_and_static_features(cell):
    X, y = texts(30)
    extras = {"time": [1 + np.arange(len(x)) % 3 for x in X]} if cell == "tlstm" else {}
    if cell == "ealstm":
        extras["static"] = np.random.default_rng(0).normal(size=(30, 2))
    est = able(bidirectional=False, cell=cell, max_iter=20).fit(X, y, **extras)
    stream = est.stream(static=extras["static"][0] if cell == "ealstm" else None)
    for k in range(0, len(X[0]), 2):
        time = {"time": extras["time"][0][k : k + 2]} if cell == "tlstm" else {}
        stream.push(X[0][k : k + 2], **time)
    assert stream.finish() == est.predict(X, **extras)[0]


def test_refuses_what_it_cannot_hear(learned):
    est, X = learned
    stream = est.stream()
    stream.push(X[0][:5])
    with pytest.raises(ValueError, match=r"frames: .* 2 features, expected 3"):
        stream.push(X[0][:, :2])
    with pytest.raises(ValueError, match=r"frames: .* NaN"):
        stream.push(np.full((1, 3), np.nan))
    with pytest.raises(ValueError, match="time: expected None"):
        stream.push(X[0][5:], time=np.ones(len(X[0]) - 5))
    stream.push(X[0][5:])  # it is as it was
    assert stream.finish() == est.predict(X[:1])[0]
    both = small().fit(*texts(5))
    with pytest.raises(ValueError, match="bidirectional network, whose reverse direct"):
        both.stream()
    with pytest.raises(NotFittedError, match="not fitted"):
        LSTMTranscriber().stream()
