"""Language models in a beam search: n-grams in C, any other in Python, broken ones."""

import math
from collections import Counter

import numpy as np
import pytest
from ctc_paths import beam_by_hand

from lstmc import ctc
from lstmc.ctc import NGram

# Sums of a few logarithms.
EXACT = {"rtol": 0, "atol": 1e-9}


def logits(steps=20, classes=5, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, classes)) * 1.5


def label_model(order=3):
    rng = np.random.default_rng(1)
    lines = [rng.integers(1, 5, size=rng.integers(1, 9)) for _ in range(40)]
    return NGram.fit(lines, order=order, vocabulary=range(1, 5))


def weighed(score, alpha, beta):
    """The bonus of a prefix for the search in pure Python."""

    def bonus(prefix):
        told = sum(score(prefix[:k], prefix[k]) for k in range(len(prefix)))
        return alpha * told + beta * len(prefix)

    return bonus


def state_of(model, prefix):
    state = model.start()
    for label in prefix:
        _, state = model.score(state, label)
    return state


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.0), (1.5, 0.7), (0.3, -1.0)])
@pytest.mark.parametrize("beam_size", [3, 25])
def test_a_search_with_n_grams_is_the_textbooks(alpha, beta, beam_size):
    model = label_model()

    def score(prefix, label):
        return model.score(state_of(model, prefix), label)[0]

    def finish(prefix):
        return alpha * model.finish(state_of(model, prefix))

    bonus = weighed(score, alpha, beta)
    for seed in range(3):
        x = logits(12, seed=seed)
        wanted = beam_by_hand(x, beam_size, bonus=bonus, finish=finish)
        for form in (model, Wrapped(model)):
            [found] = ctc.prefix_beam(
                [x],
                beam_size=beam_size,
                n_best=len(wanted),
                language_model=form,
                alpha=alpha,
                beta=beta,
            )
            assert [tuple(h.labels) for h in found] == [key for key, _ in wanted]
            np.testing.assert_allclose(
                [h.score for h in found], [score for _, score in wanted], **EXACT
            )


class Wrapped:
    """A model in Python: an NGram behind its protocol, counting what it is asked."""

    def __init__(self, model):
        self.model = model
        self.asked = Counter()

    def start(self):
        return (), self.model.start()

    def score(self, state, token):
        prefix, own = state
        self.asked[prefix, token] += 1
        score, own = self.model.score(own, token)
        return score, ((*prefix, token), own)

    def finish(self, state):
        return self.model.finish(state[1])


def test_a_model_is_asked_once_for_each_prefix_and_token():
    model = Wrapped(label_model())
    ctc.prefix_beam([logits(60)], language_model=model, beam_size=20)
    assert model.asked and set(model.asked.values()) == {1}


def test_a_function_is_a_model():
    def model(prefix, token):
        return -3.0 if prefix and prefix[-1] == token else -0.1 * token

    x = logits(15)
    wanted = beam_by_hand(x, 10, bonus=weighed(model, 0.8, 0.2))
    options = {"beam_size": 10, "n_best": 10, "alpha": 0.8, "beta": 0.2}
    [found] = ctc.prefix_beam([x], language_model=model, **options)
    assert [tuple(h.labels) for h in found] == [key for key, _ in wanted]


def test_an_alpha_of_zero_asks_nobody():
    def model(prefix, token):
        raise AssertionError("asked")

    x = logits()
    [[with_model]] = ctc.prefix_beam([x], language_model=model, alpha=0)
    [[without]] = ctc.prefix_beam([x])
    assert with_model.labels.tolist() == without.labels.tolist()
    assert with_model.score == without.score


# Models that fail


class Broken(Exception):
    pass


@pytest.mark.parametrize("method", ["start", "score", "finish"])
def test_what_a_model_raises_comes_out_with_the_sample(method):
    calls = Counter()

    class Model(Wrapped):
        def start(self):
            calls["start"] += 1
            if method == "start" and calls["start"] == 3:
                raise Broken("here")
            return super().start()

        def score(self, state, token):
            if method == "score" and calls["start"] == 3 and len(state[0]) == 2:
                raise Broken("here")
            return super().score(state, token)

        def finish(self, state):
            if method == "finish" and calls["start"] == 3:
                raise Broken("here")
            return super().finish(state)

    batch = [logits(seed=seed) for seed in range(5)]
    model = Model(label_model())
    with pytest.raises(Broken, match="here") as caught:
        ctc.prefix_beam(batch, language_model=model)
    assert caught.value.__notes__ == ["raised by the language model at sample 2"]
    assert calls["start"] == 3
    calls.clear()
    calls["start"] = 10  # the same model is as good as before
    assert len(ctc.prefix_beam(batch, language_model=model)) == 5


@pytest.mark.parametrize("bad", [math.nan, 0.5, "high", None, math.inf])
def test_what_is_no_log_probability_is_refused(bad):
    with pytest.raises(
        ValueError, match=r"expected a log probability of 3, .*got"
    ) as e:
        ctc.prefix_beam([logits()], language_model=lambda p, k: bad if k == 3 else -1.0)
    assert e.value.__notes__ == ["raised by the language model at sample 0"]


def test_never_is_a_log_probability():
    def model(prefix, token):
        return -math.inf if token == 3 else -1.0

    [found] = ctc.prefix_beam([logits()], language_model=model, n_best=100)
    assert found and all(3 not in h.labels for h in found)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="language_model: expected an NGram"):
        ctc.prefix_beam([logits()], language_model="lm.arpa")
    with pytest.raises(ValueError, match="language_model: expected a vocabulary"):
        ctc.prefix_beam([logits()], language_model=NGram.fit(["a b"]))

    class Poor(Wrapped):
        def score(self, state, token):
            return -1.0

    with pytest.raises(TypeError, match="score to return a log probability and a st"):
        ctc.prefix_beam([logits()], language_model=Poor(label_model()))
