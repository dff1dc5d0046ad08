"""N-grams: probabilities as computed by hand, smoothing, files."""

import gzip
import io
import itertools
import math
import pickle
from collections import Counter

import numpy as np
import pytest

from lstmc.ctc import NGram

ARPA = r"""
Made by hand.

\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-99 <s> -0.5
-1.0 </s>
-0.4 a -0.3
-0.6 b -0.2
-2.0 <unk>

\2-grams:
-0.1 <s> a -0.25
-0.2 a b -0.15
-0.7 b a

\3-grams:
-0.05 <s> a b

\end\
"""

SENTENCES = ["a b a c", "b a a", "c a b", "a a a b", "b", "d a b a"]
SMOOTHINGS = ["modified_kneser_ney", "kneser_ney", "witten_bell"]


def read(text=ARPA, **options):
    return NGram.from_arpa(io.StringIO(text), **options)


def log10_of(model, history, token):
    """What a model says of a token after a history, from the start."""
    state = model.start()
    for word in history:
        _, state = model.score(state, word)
    score = model.finish(state) if token == "</s>" else model.score(state, token)[0]
    return score / math.log(10)


# ARPA files


@pytest.mark.parametrize(
    ("history", "token", "wanted"),
    [
        ("", "a", -0.1),  # <s> a
        ("", "b", -0.5 - 0.6),  # backoff of <s>
        ("a", "b", -0.05),  # <s> a b
        ("a", "a", -0.25 - 0.3 - 0.4),  # backoff of <s> a, of a
        ("ab", "a", -0.15 - 0.7),  # no weight of <s> a b; of a b, then b a
        ("ba", "b", -0.2),  # a b: b a has no weight and no longer n-gram
        ("ab", "</s>", -0.15 - 0.2 - 1.0),
        ("ab", "z", -0.15 - 0.2 - 2.0),  # as <unk>
        ("z", "a", -0.4),  # after <unk> nothing is known
    ],
)
def test_backoff_is_as_computed_by_hand(history, token, wanted):
    assert log10_of(read(), history, token) == pytest.approx(wanted, abs=1e-12)


def test_a_sequence_sums_its_tokens_and_its_end():
    total = -0.1 - 0.05 + (-0.15 - 0.2 - 1.0)
    assert read().score_sequence("ab") == pytest.approx(total * math.log(10))


def test_a_file_may_skip_n_grams_within_longer_ones():
    text = "\\data\\\n\\1-grams:\n-0.5 a -0.1\n-0.7 b -0.2\n-0.9 c\n\\2-grams:\n"
    text += "-0.3 b c\n\\3-grams:\n-0.01 a b c\n\\end\\\n"
    model = read(text)
    assert log10_of(model, "ab", "c") == pytest.approx(-0.01)  # though a b is missing
    assert log10_of(model, "a", "b") == pytest.approx(-0.1 - 0.7)
    assert log10_of(model, "ab", "a") == pytest.approx(-0.2 - 0.5)


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
def test_what_is_written_reads_back(tmp_path, name):
    model = NGram.fit(SENTENCES, order=3)
    path = tmp_path / name
    model.to_arpa(path)
    again = NGram.from_arpa(path)
    assert again.vocabulary == model.vocabulary and again.order == model.order
    assert again.entries.keys() == model.entries.keys()
    for gram, pair in model.entries.items():
        # A division by log(10) and back.
        np.testing.assert_allclose(again.entries[gram], pair, rtol=1e-14)
    opener = gzip.open if name.endswith("gz") else open
    with opener(path, "rt") as file:
        assert file.readline() == "\\data\\\n"


def test_labels_may_be_tokens_of_a_file():
    model = NGram.fit([[1, 2, 1], [2, 1]], order=2)
    file = io.StringIO()
    model.to_arpa(file)
    file.seek(0)
    assert NGram.from_arpa(file, tokens=int).vocabulary == [1, 2]
    named = read(tokens={"a": 1, "b": 2})
    assert named.vocabulary == [1, 2]
    assert log10_of(named, [1], 2) == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ARPA: expected .*data.*, got 0 lines without"),
        (ARPA.replace("\\end\\", ""), "ARPA: expected"),
        (ARPA.replace("-0.2 a b", "zero a b"), "ARPA line 18: expected log10 of"),
        (ARPA.replace("-0.2 a b", "0.2 a b"), "ARPA line 18: expected log10 of"),
        (ARPA.replace("-0.7 b a", "-0.7 b"), "ARPA line 19: expected a probability, 2"),
        (ARPA.replace("\\2-grams", "\\3-grams"), "ARPA line 16: expected .*2-grams"),
        (ARPA.replace("-0.4 a", "nan a"), "ARPA line 12: expected log10 of"),
    ],
)
def test_files_that_are_none_are_refused_by_line(text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_tokens_without_a_name_are_refused():
    with pytest.raises(ValueError, match="line 12: expected tokens that `tokens` know"):
        read(tokens={"b": 2})
    with pytest.raises(ValueError, match="expected a token without spaces, got 'a b'"):
        NGram.fit([["a b"]], order=1).to_arpa(io.StringIO())


# Fitting


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_seen_context(order, smoothing):
    model = NGram.fit(SENTENCES, order=order, smoothing=smoothing, vocabulary=["e"])
    tokens = [*model.vocabulary, "<unk>"]
    assert model.vocabulary == list("abcde")
    histories = {()}
    for sentence in SENTENCES:
        words = tuple(sentence.split())
        histories |= {words[:k] for k in range(len(words) + 1)}
        histories |= {("z", *words[k:]) for k in range(len(words))}  # no start in sight
    for history in histories:
        total = sum(10 ** log10_of(model, history, t) for t in [*tokens, "</s>"])
        assert total == pytest.approx(1, abs=1e-12), history


def test_witten_bell_is_as_computed_by_hand():
    model = NGram.fit(["a b", "a a"], order=2, smoothing="witten_bell")
    # Unigrams: a 3, b 1, </s> 2 of 6, 3 kinds; uniform over a, b, </s>, <unk>.
    p = {"a": (3 + 3 / 4) / 9, "b": (1 + 3 / 4) / 9, "</s>": (2 + 3 / 4) / 9}
    # After a: b, a, </s> once each; 3 kinds.
    wanted = {token: (1 + 3 * p[token]) / 6 for token in p}
    for token, value in wanted.items():
        got = 10 ** log10_of(model, "a", token)
        assert got == pytest.approx(value, abs=1e-12)
    assert 10 ** log10_of(model, "a", "z") == pytest.approx(3 / 6 * (3 / 4) / 9)


def kneser_ney_by_hand(lines, history, token, discounts):
    """Interpolated bigrams with discounts for counts 1, 2 and more at each order."""
    pairs = Counter()
    for line in lines:
        words = ["<s>", *line.split(), "</s>"]
        pairs.update(itertools.pairwise(words))
    left = Counter(w for _, w in pairs)
    kinds = sorted({*left, "<unk>"})

    def discounted(counts, discount):
        taken = {w: discount[min(c, 3) - 1] for w, c in counts.items()}
        total = sum(counts.values())
        return {w: (c - taken[w]) / total for w, c in counts.items()}, (
            sum(taken.values()) / total
        )

    seen, rest = discounted(left, discounts[0])
    low = {w: seen.get(w, 0) + rest / len(kinds) for w in kinds}
    own = Counter({w: c for (h, w), c in pairs.items() if h == history})
    seen, rest = discounted(own, discounts[1])
    return seen.get(token, 0) + rest * low[token]


def test_kneser_ney_is_as_computed_by_hand():
    lines = ["a b a c", "b a a", "c a b", "a a a b", "b", "d a b a"]
    # Left contexts: a {<s>, a, b, c, d}, b {<s>, a}, c {<s>, a}, d {<s>}, </s> {a, b,
    # c}; one kind has 1, two have 2: D = 1 / (1 + 4).
    pairs = Counter()
    for line in lines:
        pairs.update(itertools.pairwise(["<s>", *line.split(), "</s>"]))
    n = Counter(pairs.values())
    plain = n[1] / (n[1] + 2 * n[2])
    discounts = [[0.2] * 3, [plain] * 3]
    model = NGram.fit(lines, order=2, smoothing="kneser_ney")
    for history, token in itertools.product("abcd", ["a", "b", "c", "d", "</s>"]):
        wanted = kneser_ney_by_hand(lines, history, token, discounts)
        state = model.score(0, history)[1]  # after the token alone
        score = model.finish(state) if token == "</s>" else model.score(state, token)[0]
        assert math.exp(score) == pytest.approx(wanted, abs=1e-12)


def test_modified_kneser_ney_takes_less_from_what_is_rare():
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 31)
    lines = [rng.choice(30, size=12, p=weights / weights.sum()) for _ in range(60)]
    model = NGram.fit(lines, order=2, vocabulary=range(30))
    plain = NGram.fit(lines, order=2, smoothing="kneser_ney", vocabulary=range(30))
    assert model.entries != plain.entries
    # A held-out line is likelier than by chance under both.
    held_out = rng.choice(30, size=400, p=weights / weights.sum())
    for fitted in (model, plain):
        assert fitted.score_sequence(held_out) > 401 * math.log(1 / 31)


def test_a_model_can_be_pickled():
    model = NGram.fit(SENTENCES)
    again = pickle.loads(pickle.dumps(model))
    assert again.score_sequence("aba") == model.score_sequence("aba")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NGram.fit([]), "sequences: expected at least 1 token, got none"),
        (lambda: NGram.fit([""]), "sequences: expected at least 1 token, got none"),
        (lambda: NGram.fit(["a"], order=0), "order: expected an integer of at least 1"),
        (lambda: NGram.fit(["a"], smoothing="no"), "smoothing: expected one of mod"),
        (lambda: NGram({}), "entries: expected n-grams"),
        (lambda: NGram({("a",): (0.5, 0.0)}), "entries: .'a',.: expected a log prob"),
        (lambda: NGram({("a",): (math.nan, 0.0)}), "expected a log probability and a"),
        (lambda: NGram({("a",): (-1.0, math.nan)}), "finite weight, got -1.0 and nan"),
    ],
)
def test_fits_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    with pytest.raises(TypeError, match="sequences: expected lines"):
        NGram.fit("a b c")
