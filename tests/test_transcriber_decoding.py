"""Decoders of a transcriber: options by parameters, and labels by their names."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from transcripts import able, render, texts

from lstmc import ctc
from lstmc.metrics import label_error_rate


@pytest.fixture(scope="module")
def noisy():
    """A transcriber of noisy frames of four words, which errs now and then."""
    rng, words = np.random.default_rng(0), ["ab", "cab", "bc", "acca"]
    y = ["".join(rng.choice(words, 2)) for _ in range(160)]
    X = [render(text, rng, noise=0.6) for text in y]
    est = able(max_iter=15).fit(X[:80], y[:80])
    return est, X[80:], y[80:], words


def rate(est, X, y, **options):
    return label_error_rate(y, clone_with(est, options).predict(X))


def clone_with(est, options):
    """The fitted estimator with other parameters."""
    twin = clone(est).set_params(**options)
    twin.__dict__.update({k: v for k, v in vars(est).items() if k.endswith("_")})
    twin._alphabets, twin._univariate = est._alphabets, est._univariate
    twin._input_size = est._input_size
    return twin


@pytest.mark.parametrize("decoder", ["best_path", "prefix_beam", "prefix_search"])
def test_decoders_are_those_of_ctc(noisy, decoder):
    est, X, _, _ = noisy
    twin = clone_with(est, {"decoder": decoder})
    found = getattr(ctc, decoder)(est.model_.logits(X))
    best = [each[0] if decoder == "prefix_beam" else each for each in found]
    decoded = twin.decode(X)
    assert twin.predict(X) == [each[0].labels for each in decoded]
    for (own,), wanted in zip(decoded, best):
        assert own.labels == "".join(est.classes_[wanted.labels - 1])
        assert own.starts.tolist() == wanted.starts.tolist()
        # Logits in float32 and in float64.
        assert own.score == pytest.approx(wanted.score, rel=1e-4, abs=1e-4)


def test_hypotheses_are_sorted_and_apart(noisy):
    est, X, _, _ = noisy
    for hypotheses in clone_with(est, {"decoder": "prefix_beam"}).decode(X, n_best=5):
        scores = [best.score for best in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({best.labels for best in hypotheses}) == len(hypotheses) == 5


def test_what_is_known_of_the_words_helps(noisy):
    est, X, y, words = noisy
    plain = rate(est, X, y)
    assert plain > 0.02  # else nothing could help
    model = ctc.NGram.fit([list(text) for text in y], order=3)
    beam = {"decoder": "prefix_beam"}
    assert rate(est, X, y, **beam, language_model=model) < plain
    assert rate(est, X, y, **beam, lexicon=words) < plain
    assert rate(est, X, y, **beam, hotwords=dict.fromkeys(words, 2.0)) != plain
    [[best]] = clone_with(est, {**beam, "lexicon": words}).decode(X[:1])
    assert "".join(best.words) == best.labels
    named = {**beam, "lexicon": {word.upper(): word for word in words}}
    [[best]] = clone_with(est, named).decode(X[:1])
    assert "".join(best.words).lower() == best.labels
    by_number = ctc.Lexicon({w: ["abc".index(c) + 1 for c in w] for w in words})
    assert clone_with(est, {**beam, "lexicon": by_number}).predict(X) == clone_with(
        est, {**beam, "lexicon": words}
    ).predict(X)


def test_any_language_model_hears_the_names(noisy):
    est, X, _, _ = noisy
    heard = set()

    def model(prefix, token):
        heard.update((token, *prefix))
        return 0.0

    beam = {"decoder": "prefix_beam", "beam_size": 4, "language_model": model}
    clone_with(est, beam).predict(X[:3])
    assert heard == {"a", "b", "c"}


def test_words_part_at_the_space():
    rng = np.random.default_rng(0)
    y = [" ".join(rng.choice(["on", "no"], 2)) for _ in range(60)]
    table = np.eye(4)
    X = [
        np.repeat([table[k] for c in text for k in ("no ".index(c), 3)], 2, axis=0)
        for text in y
    ]
    est = able(decoder="prefix_beam", lexicon=["on", "no"]).fit(X, y)
    assert est.decode(X)[0][0].words == y[0].split()
    assert est.score(X, y) == 1


def test_lists_of_named_labels():
    X, y = texts(60)
    named = [[c + "!" for c in text] for text in y]
    beam = {"decoder": "prefix_beam", "hotwords": {"a!": 1.0, ("b!", "c!"): 0.5}}
    est = able(**beam).fit(X, named)
    assert est.score(X, named) > 0.9
    with pytest.raises(ValueError, match="hotwords: sample 0: expected labels among"):
        clone_with(est, {"hotwords": {"q": 1.0}}).predict(X)
    with pytest.raises(ValueError, match="lexicon: sample 1: expected labels among"):
        clone_with(est, {"lexicon": [["a!"], ["q"]]}).predict(X)


def test_parameters_of_decoders_are_searched(noisy):
    est, X, y, _ = noisy
    model = ctc.NGram.fit([list(text) for text in y], order=3)
    grid = {"language_weight": [0.0, 0.5], "language_model": [model]}
    search = GridSearchCV(
        clone(est).set_params(decoder="prefix_beam", beam_size=10), grid, cv=2
    )
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
