"""Decoding: exact where it says so, and a beam search that is the textbook's."""

import itertools
import signal
import threading
import time

import numpy as np
import pytest
from ctc_paths import beam_by_hand, best_first, collapse, labellings, log_softmax

from lstmc import ctc
from lstmc.sequences import Sequences

# A score is a sum of some T logarithms of sums, each with a few roundings.
EXACT = {"rtol": 0, "atol": 1e-9}
# Exponentials of float32 logits are float32, and so their softmax.
SINGLE = {"rtol": 0, "atol": 1e-5}


def small_problems():
    rng = np.random.default_rng(5)
    for steps, classes in itertools.product((1, 2, 4, 6), (2, 3, 4)):
        for spread in (0.2, 2.0, 8.0):
            yield rng.normal(size=(steps, classes)) * spread, int(rng.integers(classes))


def long_problem(steps=40, classes=7, spread=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, classes)) * spread


# The best path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_best_path_is_the_best_class_of_each_frame(dtype):
    x = long_problem(60).astype(dtype)
    y, path = log_softmax(x), x.argmax(axis=1)
    for blank in (0, 6):
        [found] = ctc.best_path([x], blank=blank)
        assert tuple(found.labels) == collapse(path, blank)
        np.testing.assert_allclose(found.score, y.max(axis=1).sum(), **SINGLE)
        edges = np.flatnonzero(np.diff(path, prepend=-1))
        runs = [
            (start, end)
            for start, end in zip(edges, [*edges[1:], len(path)])
            if path[start] != blank
        ]
        assert list(zip(found.starts, found.ends)) == runs
        means = [np.exp(y[a:b, path[a]]).mean() for a, b in runs]
        np.testing.assert_allclose(found.confidences, means, **SINGLE)


def test_best_path_may_miss_the_best_labelling():
    x = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert ctc.best_path([x])[0].labels.tolist() == []
    assert ctc.prefix_beam([x])[0][0].labels.tolist() == [1]


# Exact decoders


def test_a_full_beam_finds_every_labelling_with_its_probability():
    for x, blank in small_problems():
        wanted = best_first(labellings(x, blank))
        [found] = ctc.prefix_beam([x], blank=blank, beam_size=2000, n_best=len(wanted))
        # Equal but for roundings they may change places.
        scores = [score for _, score in wanted]
        np.testing.assert_allclose([h.score for h in found], scores, **EXACT)
        own = dict(wanted)
        np.testing.assert_allclose(
            [own[tuple(h.labels)] for h in found], scores, **EXACT
        )
        assert len({tuple(h.labels) for h in found}) == len(wanted)


def test_prefix_search_finds_the_best_labelling():
    for x, blank in small_problems():
        (labels, score), *_ = best_first(labellings(x, blank))
        [found] = ctc.prefix_search([x], blank=blank, threshold=None)
        assert tuple(found.labels) == labels
        np.testing.assert_allclose(found.score, score, **EXACT)


def test_prefix_search_agrees_with_a_wide_beam_on_longer_samples():
    for seed in range(5):
        x = long_problem(30, spread=4.0, seed=seed)
        [exact] = ctc.prefix_search([x], threshold=None)
        [[found]] = ctc.prefix_beam([x], beam_size=2000)
        assert exact.labels.tolist() == found.labels.tolist()
        # A beam loses paths of prefixes that it has dropped for a while: it has less.
        assert -0.02 < found.score - exact.score < 1e-9


def test_prefix_search_cuts_at_certain_blanks():
    # Each section has its own answer; a frame of blank adds its own probability.
    parts = [long_problem(4, 3, seed=k) for k in range(3)]
    blank = np.array([[12.0, 0.0, 0.0]])
    x = np.concatenate([parts[0], blank, blank, parts[1], parts[2], blank])
    sections = [parts[0], np.concatenate(parts[1:])]
    best = [best_first(labellings(section))[0] for section in sections]
    [found] = ctc.prefix_search([x], threshold=0.9999)
    assert tuple(found.labels) == best[0][0] + best[1][0]
    total = best[0][1] + best[1][1] + 3 * log_softmax(blank)[0, 0]
    np.testing.assert_allclose(found.score, total, **EXACT)
    [whole] = ctc.prefix_search([x], threshold=None)
    assert whole.score > found.score  # paths that are no blank at the cuts count, too


def test_prefix_search_says_when_it_gives_up():
    hard, easy = np.zeros((30, 8)), 9 * np.eye(8)[[1, 0, 2]]
    with pytest.raises(ValueError, match=r"samples 1 need more than 50 prefixes"):
        ctc.prefix_search([easy, hard], max_prefixes=50)
    with pytest.warns(RuntimeWarning, match=r"samples 1 need more than 50"):
        found = ctc.prefix_search([easy, hard], max_prefixes=50, on_limit="best")
    assert found[0].labels.tolist() == [1, 2]


# A bounded beam


@pytest.mark.parametrize("beam_size", [1, 2, 5, 20])
def test_a_bounded_beam_is_the_textbooks(beam_size):
    for seed, spread in itertools.product(range(4), (0.3, 2.0)):
        x = long_problem(25, 5, spread, seed)
        wanted = beam_by_hand(x, beam_size, blank=2)
        [found] = ctc.prefix_beam([x], blank=2, beam_size=beam_size, n_best=beam_size)
        assert [tuple(h.labels) for h in found] == [labels for labels, _ in wanted]
        np.testing.assert_allclose(
            [h.score for h in found], [score for _, score in wanted], **EXACT
        )


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_over_many_classes_is_the_textbooks(seed):
    # More classes than the beam holds, and labels that come back again and again.
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30, 40)) * rng.choice([0.1, 1.0, 4.0])
    x[:, 3] += 2
    wanted = beam_by_hand(x, 12)
    [found] = ctc.prefix_beam([x], beam_size=12, n_best=12)
    assert [tuple(h.labels) for h in found] == [labels for labels, _ in wanted]
    np.testing.assert_allclose(
        [h.score for h in found], [score for _, score in wanted], **EXACT
    )


def test_times_are_those_of_the_likeliest_path():
    x = 9 * np.eye(4)[[0, 1, 1, 0, 1, 2, 3, 3]]
    [[found]] = ctc.prefix_beam([x])
    assert found.labels.tolist() == [1, 1, 2, 3]
    assert found.starts.tolist() == [1, 4, 5, 6]
    assert found.ends.tolist() == [3, 5, 6, 8]
    np.testing.assert_allclose(
        found.confidences, np.exp(log_softmax(x).max(axis=1))[:4], **EXACT
    )
    assert found.words is None


def test_thresholds_leave_out_what_they_say():
    x = np.log([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    [found] = ctc.prefix_beam([x], n_best=9, label_threshold=np.log(0.25))
    assert {tuple(h.labels) for h in found} == {(), (1,), (1, 1)} - {(1, 1)}
    [found] = ctc.prefix_beam([x], n_best=9, beam_threshold=0.0)
    assert len(found) == 1
    [found] = ctc.prefix_beam([x], n_best=9, beam_threshold=1e9)
    assert len(found) == len(labellings(x))


# Company and threads


def test_threads_and_company_change_nothing():
    rng = np.random.default_rng(8)
    samples = [
        (rng.normal(size=(steps, 9)) * 2).astype("float32")
        for steps in (300, 1, 0, 70, 250, 13, 400, 90)
    ]
    decoders = [
        lambda x, threads: ctc.best_path(x, threads=threads),
        lambda x, threads: [
            h for row in ctc.prefix_beam(x, threads=threads, n_best=3) for h in row
        ],
        lambda x, threads: ctc.prefix_search(
            [30 * own[:60] for own in x], threads=threads
        ),
    ]
    for decode in decoders:
        alone = [h for x in samples for h in decode([x], 1)]
        for threads in (1, 2, 3):
            together = decode(samples, threads)
            assert len(alone) == len(together)
            for one, other in zip(alone, together):
                assert one.score == other.score
                for own, theirs in zip(one[:5], other[:5]):
                    np.testing.assert_array_equal(own, theirs)


def test_forms_of_logits_agree():
    rng = np.random.default_rng(3)
    padded = rng.normal(size=(3, 12, 5))
    lengths = [12, 5, 0]
    ragged = [x[:n] for x, n in zip(padded, lengths)]
    padded[1, 5:] = np.nan  # what the padding holds does not matter
    for decode in (ctc.best_path, ctc.prefix_search):
        wanted = [h.labels.tolist() for h in decode(ragged)]
        assert wanted[2] == []
        for form in (decode(padded, lengths=lengths), decode(as_sequences(ragged))):
            assert [h.labels.tolist() for h in form] == wanted


def as_sequences(ragged):
    return Sequences.from_flat(np.concatenate(ragged), [len(x) for x in ragged])


# What is refused

DECODERS = [ctc.best_path, ctc.prefix_beam, ctc.prefix_search]


@pytest.mark.parametrize("decode", DECODERS)
def test_nan_is_refused_with_its_place(decode):
    x = [np.zeros((3, 4)), np.zeros((5, 4))]
    x[1][2, 3] = np.nan
    with pytest.raises(ValueError, match=r"sample 1, frame 2, class 3.*nan"):
        decode(x)


@pytest.mark.parametrize("decode", DECODERS)
def test_an_empty_batch_is_refused(decode):
    with pytest.raises(ValueError, match="at least 1 sample"):
        decode([])


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("blank", [-1, 4, 1.5, None])
def test_a_blank_outside_the_classes_is_refused(decode, blank):
    with pytest.raises(ValueError, match="blank: expected a class from 0 to 3"):
        decode([np.zeros((3, 4))], blank=blank)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size: expected an integer of at least 1, got 0"),
        ({"beam_size": 2.5}, "beam_size: expected an integer"),
        ({"n_best": 0}, "n_best: expected an integer of at least 1, got 0"),
        ({"beam_size": 3, "n_best": 4}, "n_best: expected at most beam_size 3, got 4"),
        ({"alpha": -1}, "alpha: expected a number of at least 0, got -1"),
        ({"beta": np.inf}, "beta: expected a finite number, got inf"),
        ({"label_threshold": np.nan}, "label_threshold: expected a finite number"),
        ({"beam_threshold": -1}, "beam_threshold: expected a number of at least 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ctc.prefix_beam([np.zeros((3, 4))], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": -0.1}, "threshold: expected a number of at least 0"),
        ({"max_prefixes": 0}, "max_prefixes: expected an integer of at least 1"),
        ({"on_limit": "stop"}, "on_limit: expected 'raise' or 'best', got 'stop'"),
    ],
)
def test_options_of_prefix_search_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ctc.prefix_search([np.zeros((3, 4))], **options)


def test_impossible_classes_never_come_out():
    x = np.zeros((8, 5))
    x[:, 2] = -np.inf
    for h in ctc.prefix_beam([x], n_best=50)[0]:
        assert 2 not in h.labels
        assert np.isfinite(h.score)


@pytest.mark.parametrize("decode", [ctc.prefix_beam, ctc.prefix_search])
def test_a_signal_ends_a_long_search(decode):
    # Ten seconds of work or more, were it not for the signal.
    x = long_problem(100_000 if decode is ctc.prefix_beam else 300, 40, 0.1)
    options = {"beam_size": 200} if decode is ctc.prefix_beam else {"threshold": None}
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        decode([x], **options)
    assert time.monotonic() - start < 5  # 0.2 s on a machine that is not busy
    assert ctc.prefix_beam([x[:5]])[0]
