"""Keyword spotting: scores by all paths, detections on streams cut anyhow."""

import itertools

import numpy as np
import pytest
from ctc_paths import log_softmax

from lstmc.ctc import Detection, KeywordSpotter

EXACT = {"rtol": 0, "atol": 1e-12}  # sums of products of a few probabilities


def occurrences(path, keyword, blank=0):
    """First frames of the first and of the last label of each occurrence."""
    runs = [
        (label, frame)
        for frame, (before, label) in enumerate(itertools.pairwise([None, *path]))
        if label not in (before, blank)
    ]
    for k in range(len(runs) - len(keyword) + 1):
        own = runs[k : k + len(keyword)]
        if tuple(label for label, _ in own) == keyword:
            yield own[0][1], own[-1][1]


def scores_by_paths(x, keyword, window, blank=0):
    """The expected occurrences within each window, by all paths."""
    y = np.exp(log_softmax(x))
    scores = np.zeros(len(x))
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        p = y[np.arange(len(x)), list(path)].prod()
        for start, last in occurrences(path, keyword, blank):
            ends = np.arange(len(x))
            scores += p * ((last <= ends) & (start > ends - window))
    return scores


KEYWORDS = [(1,), (1, 2), (2, 2), (1, 2, 1), (2, 1, 1)]


@pytest.mark.parametrize("window", [1, 2, 3, 6, 50])
def test_scores_are_expected_occurrences(window):
    x = np.random.default_rng(0).normal(size=(6, 3)) * 1.5
    for blank, names in ((0, (0, 1, 2)), (2, (2, 0, 1))):
        keywords = [tuple(names[label] for label in word) for word in KEYWORDS]
        spotter = KeywordSpotter(keywords, n_classes=3, blank=blank, window=window)
        got = spotter.scores(x)
        for own, keyword in zip(got.T, keywords):
            wanted = scores_by_paths(x, keyword, window, blank)
            np.testing.assert_allclose(own, wanted, **EXACT)


def stream(rng, steps=400, classes=6):
    """Peaky logits with spellings of keywords here and there."""
    path = np.zeros(steps, int)
    for start in range(20, steps - 20, 37):
        word = [(1, 2, 3), (4,), (2, 5)][rng.integers(3)]
        path[start : start + 2 * len(word) : 2] = word
    return 6 * np.eye(classes)[path] + rng.normal(size=(steps, classes)), path


WORDS = {"one": (1, 2, 3), "two": 4, "three": (2, 5)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_how_a_stream_is_cut_changes_nothing(dtype):
    rng = np.random.default_rng(1)
    x = stream(rng)[0].astype(dtype)
    whole = KeywordSpotter(WORDS, n_classes=6, window=12)
    wanted = whole.push(x)
    assert len(wanted) > 5
    for sizes in ([1] * 400, [7] * 60, rng.integers(0, 40, size=60)):
        spotter, found, at = KeywordSpotter(WORDS, n_classes=6, window=12), [], 0
        for size in sizes:
            found += spotter.push(x[at : at + size])
            at += size
        found += spotter.push(x[at:])
        assert found == wanted  # the scores too, to the last bit
        assert spotter.frames == 400


def test_each_utterance_is_found_once_where_it_was():
    x, path = stream(np.random.default_rng(2))
    found = KeywordSpotter(WORDS, n_classes=6, window=12).push(x)
    wanted = [
        (name, start, last + 1)
        for name, word in WORDS.items()
        for start, last in occurrences(path, word if name != "two" else (word,))
    ]
    assert sorted((d.keyword, d.start, d.end) for d in found) == sorted(wanted)
    assert all(0.5 <= d.score < 1.2 for d in found)
    assert [d.end for d in found] == sorted(d.end for d in found)


def test_a_long_spike_is_one_utterance_and_two_far_apart_are_two():
    path = np.zeros(80, int)
    path[10:16] = 1
    path[50] = 1
    x = 8 * np.eye(2)[path]
    found = KeywordSpotter([1], n_classes=2, window=20).push(x)
    assert [(d.keyword, d.start) for d in found] == [(1, 10), (1, 50)]
    # Within one window they are one.
    found = KeywordSpotter([1], n_classes=2, window=60).push(x)
    assert [d.start for d in found] == [10]


def test_a_threshold_is_reached_or_not():
    x = np.log(np.array([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]))
    assert KeywordSpotter([1], n_classes=2, threshold=0.9).push(x) == []
    # 0.1, then 0.6 * 0.9, then 0.1 * 0.4.
    [found] = KeywordSpotter([1], n_classes=2, threshold=0.6).push(x)
    assert found == Detection(1, 1, 2, pytest.approx(0.64))


def test_reset_begins_again():
    x, _ = stream(np.random.default_rng(3), 100)
    spotter = KeywordSpotter(WORDS, n_classes=6, window=12)
    first = spotter.push(x)
    spotter.reset()
    assert spotter.frames == 0 and spotter.push(x) == first


def test_scores_leave_the_stream_alone():
    x, _ = stream(np.random.default_rng(4), 100)
    spotter, other = (KeywordSpotter(WORDS, n_classes=6, window=12) for _ in range(2))
    found = spotter.push(x[:60])
    spotter.scores(x)
    assert found + spotter.push(x[60:]) == other.push(x)


def test_frames_that_are_refused_leave_the_stream_as_it_was():
    x, _ = stream(np.random.default_rng(5), 100)
    spotter = KeywordSpotter(WORDS, n_classes=6, window=12)
    found = spotter.push(x[:50])
    bad = x[50:].copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"frame 3, class 2.*nan"):
        spotter.push(bad)
    with pytest.raises(ValueError, match=r"expected shape \(frames, 6\), got \(3, 5\)"):
        spotter.push(np.zeros((3, 5)))
    found += spotter.push(x[50:])
    assert found == KeywordSpotter(WORDS, n_classes=6, window=12).push(x)


def test_a_single_frame_may_come_alone():
    x, _ = stream(np.random.default_rng(6), 60)
    one = KeywordSpotter(WORDS, n_classes=6)
    found = [d for row in x for d in one.push(row)]
    assert found == KeywordSpotter(WORDS, n_classes=6).push(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keywords": []}, "keywords: expected at least 1 keyword"),
        ({"keywords": {"a": ()}}, "keywords: 'a': expected labels below 4"),
        ({"keywords": {"a": (1, 4)}}, "keywords: 'a': expected labels below 4"),
        ({"keywords": {"a": (1, 0)}}, "other than the blank 0"),
        ({"keywords": {"a": (1.5,)}}, "keywords: 'a': expected labels"),
        ({"n_classes": 1}, "n_classes: expected an integer of at least 2, got 1"),
        ({"blank": 4}, "blank: expected a class from 0 to 3, got 4"),
        ({"window": 0}, "window: expected an integer of at least 1, got 0"),
        ({"threshold": 0}, "threshold: expected a positive number, got 0"),
        ({"threshold": np.nan}, "threshold: expected a positive number, got nan"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        KeywordSpotter(**{"keywords": [1], "n_classes": 4} | arguments)
