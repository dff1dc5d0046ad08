"""Lexicons and hotwords in a beam search: every sequence of words, one by one."""

import itertools
from collections import Counter

import numpy as np
import pytest
from ctc_paths import beam_by_hand, best_first, labellings

from lstmc import ctc
from lstmc.ctc import Lexicon, NGram

EXACT = {"rtol": 0, "atol": 1e-9}  # sums of some logarithms

# With prefixes, suffixes and repeats of one another, two of one spelling, one of two.
SPELLINGS = [
    ("a", (1,)),
    ("ab", (1, 2)),
    ("b", (2,)),
    ("bb", (2, 2)),
    ("bee", (2,)),
    ("aba", (1, 2, 1)),
    ("aba", (1, 1)),
]


def logits(steps=6, classes=4, seed=0, spread=1.5):
    return np.random.default_rng(seed).normal(size=(steps, classes)) * spread


def sequences_of_words(labels, separator):
    """Every way to cut labels into words: lists of words."""
    if not labels:
        yield []
        return
    for word, spelling in SPELLINGS:
        head, rest = labels[: len(spelling)], labels[len(spelling) :]
        if head != spelling:
            continue
        if separator is not None and rest:
            if rest[0] != separator or len(rest) == 1:
                continue
            rest = rest[1:]
        for words in sequences_of_words(rest, separator):
            yield [word, *words]


def all_hypotheses(x, separator, score):
    """(labels, words) of each labelling in words, and its score."""
    found = {}
    for labels, own in labellings(x).items():
        for words in sequences_of_words(labels, separator):
            found[labels, tuple(words)] = own + score(labels, words)
    return best_first(found)


def check(found, wanted):
    """The hypotheses are those wanted, best first; equal scores in any order."""
    assert len(found) == len(wanted)
    scores = dict(wanted)
    keys = [(tuple(h.labels.tolist()), tuple(h.words)) for h in found]
    assert set(keys) == set(scores)
    np.testing.assert_allclose(
        [h.score for h in found], [s for _, s in wanted], **EXACT
    )
    np.testing.assert_allclose(
        [h.score for h in found], [scores[k] for k in keys], **EXACT
    )


@pytest.mark.parametrize("separator", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_only_words_come_out_all_of_them(separator, seed):
    x = logits(seed=seed)
    [found] = ctc.prefix_beam(
        [x],
        lexicon=Lexicon(SPELLINGS, separator=separator),
        beam_size=3000,
        n_best=3000,
    )
    check(found, all_hypotheses(x, separator, lambda labels, words: 0.0))


@pytest.mark.parametrize("separator", [None, 3])
@pytest.mark.parametrize("kind", ["ngram", "function"])
def test_a_language_model_weighs_words(separator, kind):
    lines = ["a ab b", "bee a", "aba bee bee", "b ab a", "bb"]
    own = NGram.fit(lines, order=3)

    def function(prefix, word):
        return -0.3 * len(word) - (1.0 if word in prefix else 0.1)

    def score(labels, words):
        if kind == "ngram":
            told = own.score_sequence(words)
        else:
            told = sum(function(tuple(words[:k]), w) for k, w in enumerate(words))
        return 0.7 * told + 0.4 * len(words)

    x = logits()
    [found] = ctc.prefix_beam(
        [x],
        lexicon=Lexicon(SPELLINGS, separator=separator),
        language_model=own if kind == "ngram" else function,
        alpha=0.7,
        beta=0.4,
        beam_size=3000,
        n_best=3000,
    )
    check(found, all_hypotheses(x, separator, score))


def test_a_narrow_beam_finds_the_best_words_of_a_long_sample():
    alphabet = {chr(96 + k): k for k in range(1, 27)} | {" ": 27}
    words = ["the", "cat", "sat", "on", "a", "mat", "that", "matter", "ate"]
    lexicon = Lexicon(words, alphabet=alphabet, separator=" ")
    said = "the cat sat on a mat"
    path = [k for letter in said for k in (alphabet[letter], 0)]
    x = logits(len(path), 28, spread=1.0)
    x[np.arange(len(path)), path] += 4.5
    [[found]] = ctc.prefix_beam([x], lexicon=lexicon, beam_size=20)
    assert found.words == said.split()
    assert [c for k in found.labels for c, own in alphabet.items() if own == k] == list(
        said
    )
    assert (found.starts[1:] >= found.ends[:-1]).all()


def test_no_words_is_a_sequence_of_words():
    [[found]] = ctc.prefix_beam([np.zeros((0, 4))], lexicon=Lexicon(SPELLINGS))
    assert found.words == [] and found.score == 0


def test_what_fits_no_words_is_said_by_sample():
    x = np.full((1, 4), -50.0)
    x[0, 1] = 50  # surely label 1, and no word of one label
    lexicon = Lexicon({"word": (1, 2)})
    with pytest.raises(ValueError, match="lexicon: sample 1: expected words that fit"):
        ctc.prefix_beam([np.zeros((3, 4)), x], lexicon=lexicon, beam_size=1)


# Hotwords


def occurrences(labels, sequence):
    n = len(sequence)
    return sum(labels[k : k + n] == sequence for k in range(len(labels) - n + 1))


HOTWORDS = {(1, 2): 1.5, (2, 1, 2): 2.0, (2,): -0.7, (3, 3, 1): 4.0, (1, 2, 3): 0.5}


def test_each_match_of_a_hotword_counts_and_nothing_else():
    x = logits(6, 4)
    wanted = {
        labels: score + sum(n * occurrences(labels, w) for w, n in HOTWORDS.items())
        for labels, score in labellings(x).items()
    }
    [found] = ctc.prefix_beam([x], hotwords=HOTWORDS, beam_size=3000, n_best=3000)
    assert len(found) == len(wanted)
    for h in found:
        np.testing.assert_allclose(h.score, wanted[tuple(h.labels)], **EXACT)
    assert (np.diff([h.score for h in found]) <= 1e-12).all()


def test_credit_keeps_the_beginning_of_a_hotword_in_the_beam():
    # Each label of 1 2 3 is a little less likely than 4: without credit it falls out of
    # a narrow beam long before it is whole.
    x = np.zeros((3, 5))
    x[:, 4] = 1.0
    x[[0, 1, 2], [1, 2, 3]] = 0.5
    x[:, 0] = -9
    [[plain]] = ctc.prefix_beam([x], beam_size=1)
    [[hot]] = ctc.prefix_beam([x], beam_size=1, hotwords={(1, 2, 3): 4.0})
    assert plain.labels.tolist() == [4] and hot.labels.tolist() == [1, 2, 3]
    # A single label may be given alone.
    [[one]] = ctc.prefix_beam([x], beam_size=1, hotwords={2: 9.0})
    assert 2 in one.labels


def bonus_of(prefix):
    return sum(n * occurrences(prefix, word) for word, n in HOTWORDS.items())


def credit_of(prefix):
    """The share of the best hotword that the longest beginning of one has earned."""
    beginnings = {word[:k] for word in HOTWORDS for k in range(len(word) + 1)}
    longest = next(
        prefix[k:] for k in range(len(prefix) + 1) if prefix[k:] in beginnings
    )
    shares = [
        bonus * len(longest) / len(word)
        for word, bonus in HOTWORDS.items()
        if len(word) > len(longest) and word[: len(longest)] == longest
    ]
    return max([0.0, *shares])


@pytest.mark.parametrize("beam_size", [2, 5, 15])
def test_a_narrow_beam_with_hotwords_is_the_textbooks(beam_size):
    for seed in range(4):
        x = logits(20, 4, seed)
        wanted = beam_by_hand(x, beam_size, bonus=bonus_of, credit=credit_of)
        [found] = ctc.prefix_beam(
            [x], hotwords=HOTWORDS, beam_size=beam_size, n_best=beam_size
        )
        assert [tuple(h.labels) for h in found] == [labels for labels, _ in wanted]
        np.testing.assert_allclose(
            [h.score for h in found], [score for _, score in wanted], **EXACT
        )


@pytest.mark.parametrize("separator", [None, 3])
def test_hotwords_of_a_lexicon_are_its_words(separator):
    bonus = {"ab": 2.0, "bee": 1.0, "b": -0.5, "aba": 0.25}

    def score(labels, words):
        counts = Counter(words)
        return sum(counts[word] * own for word, own in bonus.items()) + occurrences(
            labels, (2, 2)
        )

    x = logits(seed=2)
    [found] = ctc.prefix_beam(
        [x],
        lexicon=Lexicon(SPELLINGS, separator=separator),
        hotwords=bonus | {(2, 2): 1.0},
        beam_size=3000,
        n_best=3000,
    )
    check(found, all_hypotheses(x, separator, score))


def test_results_with_everything_do_not_depend_on_threads():
    x = [logits(steps, 9, seed=steps) for steps in (200, 1, 150, 90, 220, 10)]
    rng = np.random.default_rng(0)
    spellings = {
        k: tuple(rng.integers(1, 8, size=rng.integers(1, 5)).tolist())
        for k in range(50)
    }
    lexicon = Lexicon(spellings, separator=8)
    lines = [rng.integers(0, 50, size=6) for _ in range(50)]
    options = {
        "lexicon": lexicon,
        "language_model": NGram.fit(lines, vocabulary=range(50)),
        "hotwords": {3: 2.0, (1, 2): 1.0},
        "beam_size": 50,
    }
    alone = [ctc.prefix_beam([own], threads=1, **options)[0][0] for own in x]
    for threads in (1, 2, 3):
        for one, [other] in zip(alone, ctc.prefix_beam(x, threads=threads, **options)):
            assert one.score == other.score and one.words == other.words


# What is refused


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Lexicon({}), "words: expected at least 1 word, got none"),
        (lambda: Lexicon({"a": ()}), "spelling of 'a': expected at least 1 label"),
        (lambda: Lexicon({"a": (1, -1)}), "spelling of 'a': expected a label of at le"),
        (lambda: Lexicon(["ab"]), "spelling of 'ab': alphabet: expected the labels"),
        (
            lambda: Lexicon(["ab"], alphabet={"a": 1}),
            "expected a label for 'b', got no",
        ),
        (
            lambda: Lexicon({"a": (1, 3)}, separator=3),
            "spelling of 'a': expected labels other than the separator 3",
        ),
    ],
)
def test_lexicons_that_cannot_be_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lexicon": Lexicon({"a": (1, 0)})}, "'a': expected classes below 4 .* got 0"),
        ({"lexicon": Lexicon({"a": (1, 4)})}, "'a': expected classes below 4 .* got 4"),
        ({"lexicon": Lexicon({"a": (1,)}, separator=0)}, "separator: expected a class"),
        ({"lexicon": Lexicon({"a": (1,)}, separator=4)}, "separator: expected a class"),
        ({"hotwords": {(1, 0): 1.0}}, "hotwords: .*other than the blank 0, got 0"),
        ({"hotwords": {(1, 4): 1.0}}, "hotwords: .*labels below 4"),
        ({"hotwords": {(): 1.0}}, "hotwords: expected at least 1 label"),
        ({"hotwords": {(1,): np.nan}}, "hotwords: expected a finite bonus for"),
        ({"hotwords": {(1,): "much"}}, "hotwords: expected a finite bonus for"),
        ({"hotwords": {"a": 1.0}}, "hotwords: expected a tuple of labels, got 'a'"),
        (
            {"hotwords": {"z": 1.0}, "lexicon": Lexicon({"a": (1,)})},
            "hotwords: expected a word of the lexicon, got 'z'",
        ),
    ],
)
def test_words_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ctc.prefix_beam([np.zeros((3, 4))], **options)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="lexicon: expected a Lexicon, got dict"):
        ctc.prefix_beam([np.zeros((3, 4))], lexicon={"a": (1,)})
    with pytest.raises(TypeError, match="hotwords: expected a dict"):
        ctc.prefix_beam([np.zeros((3, 4))], hotwords=[(1, 2)])
    with pytest.raises(TypeError, match="words: expected words, got the string"):
        Lexicon("abc")


def test_every_pair_of_words_may_follow_one_another():
    lexicon = Lexicon(SPELLINGS)
    for first, second in itertools.product(SPELLINGS, repeat=2):
        labels = [*first[1], *second[1]]
        path = [k for label in labels for k in (label, 0)]
        x = 30 * np.eye(4)[path]
        [found] = ctc.prefix_beam([x], lexicon=lexicon, n_best=100)
        said = [h.words for h in found if h.labels.tolist() == labels]
        assert [first[0], second[0]] in said
