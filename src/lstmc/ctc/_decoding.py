"""Decoding: from frames of logits to the labels that they most probably mean."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..sequences import Sequences
from ._hotwords import read_hotwords
from ._hypothesis import Hypothesis, path_hypotheses, read_frames, timed, untimed
from ._language_model import NGram
from ._lexicon import Lexicon
from ._python_model import NumberedModel, number_states


def best_path(
    logits: Any, *, blank: int = 0, lengths: Any = None, threads: int = 0
) -> list[Hypothesis]:
    """The likeliest class of each frame; repeats collapsed, blanks dropped.

    The fastest decoder. It finds the likeliest path, which need not be one of the
    likeliest labelling: that has many paths.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        Unnormalised log probabilities of the classes at each frame.
    blank : int, default=0
        The class that means no label.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array.
    threads : int, default=0
        Threads to use; 0: the default of `lstmc.set_num_threads`.

    Returns
    -------
    list of n Hypothesis
        Their score is the log probability of the path.

    Raises
    ------
    ValueError
        Logits hold NaN, or the blank is not one of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> logits = 5 * np.eye(3)[[0, 1, 1, 0, 1, 2]]
    >>> [found] = best_path([logits])
    >>> found.labels.tolist(), found.starts.tolist(), found.ends.tolist()
    ([1, 1, 2], [1, 4, 5], [3, 5, 6])
    """
    return path_hypotheses(read_frames(logits, lengths, blank), int(blank), threads)


def prefix_beam(
    logits: Any,
    *,
    beam_size: int = 100,
    n_best: int = 1,
    blank: int = 0,
    language_model: Any = None,
    names: Sequence[Any] | None = None,
    alpha: float = 0.5,
    beta: float = 0.0,
    lexicon: Lexicon | None = None,
    hotwords: Mapping[Any, float] | None = None,
    label_threshold: float | None = None,
    beam_threshold: float | None = None,
    lengths: Any = None,
    threads: int = 0,
) -> list[list[Hypothesis]]:
    """The likeliest labellings, by prefix beam search.

    The score of a labelling is the log probability of all its paths, with
    ``alpha * log p(labelling) + beta * tokens`` of a language model, and the bonuses of
    hotwords. Equal prefixes are one; only what falls out of the beam is left out.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        Unnormalised log probabilities of the classes at each frame.
    beam_size : int, default=100
        Prefixes that are kept at each frame.
    n_best : int, default=1
        Hypotheses of each sample, at most beam_size; fewer where there are no more.
    blank : int, default=0
        The class that means no label.
    language_model : NGram, object or callable, default=None
        An object has ``start() -> state``, ``score(state, token) -> (log probability,
        new state)`` and ``finish(state) -> log probability``; a callable is a function
        ``f(prefix, token) -> log probability``, where the prefix is a tuple of tokens.
        Tokens are labels, or words if there is a lexicon. Only an NGram runs without
        the interpreter's lock and on more than one thread; others are asked once for
        each prefix and token of a sample.
    names : sequence of C tokens, default=None
        What the language model calls the classes; None: by their numbers.
    alpha : float, default=0.5
        Weight of the language model, at least 0.
    beta : float, default=0.0
        Added to the score for each token, against the taste of language models for
        short answers.
    lexicon : Lexicon, default=None
        If given, only sequences of its words come out; a prefix may end only where a
        word does. Segmentations of the same labels into other words are hypotheses of
        their own.
    hotwords : dict, default=None
        Bonuses by tuples of labels, or by words of the lexicon. Each match counts,
        overlapping ones, too. During the search the beginning of a match has its share
        of the bonus as a credit, which is taken back when the match breaks.
    label_threshold : float, default=None
        Labels whose log probability at a frame is below this start nothing new there;
        -5 saves time on flat logits with many classes. None: all labels may.
    beam_threshold : float, default=None
        Prefixes this far below the best one are dropped. None: only beam_size counts.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array.
    threads : int, default=0
        Threads to use; 0: the default of `lstmc.set_num_threads`. Samples are shared
        out; results do not depend on it.

    Returns
    -------
    list of n lists of Hypothesis
        Best first. Their times are those of the likeliest path of each labelling.

    Raises
    ------
    ValueError
        Logits hold NaN, an option is out of its range, a spelling or hotword holds the
        blank, or no sequence of words of the lexicon has survived in the beam of some
        sample. A language model says NaN.
    Exception
        Whatever a language model raises comes out as it is, with a note that names the
        sample.

    Notes
    -----
    Memory is taken for the worst case, 48 bytes for each frame of the longest sample,
    prefix of the beam and thread; what a search does not reach stays untouched.

    Hannun et al.: First-Pass Large Vocabulary Continuous Speech Recognition using
    Bi-Directional Recurrent DNNs. arXiv:1408.2873, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank is likelier at each frame
    >>> best_path([logits])[0].labels.tolist()
    []
    >>> [[best, second]] = prefix_beam([logits], n_best=2)
    >>> best.labels.tolist(), round(float(np.exp(best.score)), 2)
    ([1], 0.64)
    """
    frames = read_frames(logits, lengths, blank)
    beam_size, n_best = _counts(beam_size, n_best)
    if lexicon is not None:
        if not isinstance(lexicon, Lexicon):
            raise TypeError(
                f"lexicon: expected a Lexicon, got {type(lexicon).__name__}"
            )
        lexicon.check(frames.n_features, int(blank))
    words, matches = read_hotwords(hotwords, lexicon, frames.n_features, int(blank))
    classes = range(frames.n_features) if names is None else names
    tokens = classes if lexicon is None else lexicon.words
    alpha = _number(alpha, "alpha", low=0.0)
    model, numbers_ = _read_model(language_model if alpha else None, tokens, blank)
    n, steps = len(frames), len(frames.values)
    flat = np.empty((2, n_best * steps + 1), np.int32)
    counts, scores = np.empty((n, n_best, 2), np.intp), np.empty((n, n_best))
    try:
        _core.prefix_beam(
            *(frames.values, frames.offsets, blank, threads, beam_size, n_best),
            _number(label_threshold, "label_threshold", -math.inf),
            _number(beam_threshold, "beam_threshold", math.inf, low=0.0),
            *(alpha, _number(beta, "beta"), model, numbers_),
            *(lexicon and lexicon.table(words), matches, *flat, counts, scores),
        )
    except BaseException as error:
        if isinstance(model, NumberedModel) and model.error is error:
            error.add_note(f"raised by the language model at sample {model.sample}")
        raise
    rows = _collect(frames, flat, counts, scores, lexicon)
    return timed(frames, rows, int(blank), threads)


def prefix_search(
    logits: Any,
    *,
    blank: int = 0,
    threshold: float | None = 0.9999,
    max_prefixes: int = 10_000,
    on_limit: str = "raise",
    lengths: Any = None,
    threads: int = 0,
) -> list[Hypothesis]:
    """The most probable labelling, by the search of Graves et al.

    The prefix with the most probable continuations is opened first, until no prefix has
    any that could be better than the best labelling seen. On flat logits that takes
    time and memory exponential in the frames; networks that have learnt are rarely so.

    Parameters
    ----------
    logits : Sequences, list of arrays (T_i, C), or array of shape (n, T, C)
        Unnormalised log probabilities of the classes at each frame.
    blank : int, default=0
        The class that means no label.
    threshold : float, default=0.9999
        Frames whose blank is at least as probable cut a sample into sections, each
        searched alone. None: no cuts; the result is exact.
    max_prefixes : int, default=10_000
        Prefixes that may be opened in a section.
    on_limit : {"raise", "best"}, default="raise"
        What happens at that limit: a ValueError, or the best labelling seen so far and
        a RuntimeWarning. Both name the samples.
    lengths : array-like of int, shape (n,), default=None
        Frames of each sample of a padded array.
    threads : int, default=0
        Threads to use; 0: the default of `lstmc.set_num_threads`.

    Returns
    -------
    list of n Hypothesis
        Their score is the log probability of the labelling; with cuts, of its paths
        that are blank there.

    Raises
    ------
    ValueError
        Logits hold NaN, an option is out of its range, or a sample reaches the limit.

    Notes
    -----
    Graves, Fernandez, Gomez, Schmidhuber: Connectionist Temporal Classification:
    Labelling Unsegmented Sequence Data with Recurrent Neural Networks. ICML 2006.

    Examples
    --------
    >>> import numpy as np
    >>> [found] = prefix_search([np.log([[0.6, 0.4], [0.6, 0.4]])])
    >>> found.labels.tolist(), round(float(np.exp(found.score)), 2)
    ([1], 0.64)
    """
    frames = read_frames(logits, lengths, blank)
    limit = at_least_one(max_prefixes, "max_prefixes")
    if on_limit not in ("raise", "best"):
        raise ValueError(f"on_limit: expected 'raise' or 'best', got {on_limit!r}")
    cut = _number(threshold, "threshold", math.inf, low=0.0)
    n = len(frames)
    labels = np.empty(len(frames.values) + 1, np.int32)
    counts, scores, whole = np.empty(n, np.intp), np.empty(n), np.empty(n, np.intc)
    at = math.log(cut) if cut else -math.inf
    values, offsets = frames.values, frames.offsets
    _core.prefix_search(
        values, offsets, blank, threads, at, limit, labels, counts, scores, whole
    )
    if not whole.all():
        message = (
            f"max_prefixes: samples {str(np.flatnonzero(whole == 0).tolist())[1:-1]} "
            f"need more than {limit} prefixes; prefix_beam decides sooner"
        )
        if on_limit == "raise":
            raise ValueError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    found = [
        [untimed(labels[at : at + count].copy(), score, None)]
        for at, count, score in zip(frames.offsets, counts, scores)
    ]
    return [row[0] for row in timed(frames, found, int(blank), threads)]


def _counts(beam_size: Any, n_best: Any) -> tuple[int, int]:
    beam_size, n_best = (
        at_least_one(beam_size, "beam_size"),
        at_least_one(n_best, "n_best"),
    )
    if n_best > beam_size:
        raise ValueError(
            f"n_best: expected at most beam_size {beam_size}, got {n_best}"
        )
    return beam_size, n_best


def _read_model(model: Any, tokens: Any, blank: int) -> tuple[Any, Any]:
    """The model as the door takes it, and its numbers of the tokens."""
    if model is None:
        return None, None
    if not isinstance(model, NGram):
        return number_states(model, tokens), None
    if not set(model.vocabulary) & set(tokens):
        raise ValueError(
            "language_model: expected a vocabulary that has some of the tokens "
            f"{str(list(tokens[:3]))[1:-1]} ..., got {model.vocabulary[:3]} ..."
        )
    return model.table, model.numbers(tokens)


def _collect(
    frames: Sequences,
    flat: np.ndarray,
    counts: np.ndarray,
    scores: np.ndarray,
    lexicon: Lexicon | None,
) -> list[list[Hypothesis]]:
    """The hypotheses of each sample, without times."""
    n_best = scores.shape[1]
    rows: list[list[Hypothesis]] = []
    for k, (first, length) in enumerate(zip(frames.offsets, frames.lengths)):
        rows.append([])
        for rank in np.flatnonzero(counts[k, :, 0] >= 0):
            at = n_best * first + rank * length
            own, words = (x[at : at + m] for x, m in zip(flat, counts[k, rank]))
            said = None if lexicon is None else [lexicon.words[w] for w in words]
            rows[k].append(untimed(own.copy(), scores[k, rank], said))
        if lexicon is not None and not rows[k]:
            raise ValueError(
                f"lexicon: sample {k}: expected words that fit its "
                f"{length} frames, got none in the beam; a larger beam_size may help"
            )
    return rows


def at_least_one(value: Any, name: str) -> int:
    """An option that counts something."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)


def _number(
    value: Any, name: str, otherwise: float = math.nan, low: float = -math.inf
) -> float:
    """An option that is a finite number; None, where it may be, is `otherwise`."""
    if value is None and not math.isnan(otherwise):
        return otherwise
    fits = isinstance(value, numbers.Real) and math.isfinite(value)
    if not fits or value < low:
        wanted = "a finite number" if low < 0 else f"a number of at least {low:g}"
        raise ValueError(f"{name}: expected {wanted}, got {value!r}")
    return float(value)
