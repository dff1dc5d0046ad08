"""Language models: n-grams with backoff, which C reads; any other one in Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core
from ._arpa import opened, read_arpa, write_arpa
from ._smoothing import END, START, UNKNOWN, Entries, estimate
from ._trie import FlatTrie, build_trie, find_suffixes

SMOOTHING = ("modified_kneser_ney", "kneser_ney", "witten_bell")


class NGram:
    """An n-gram language model with backoff.

    Make one with `fit` or `from_arpa`. A search reads it without the interpreter's
    lock; in Python it has the protocol of every language model: `start`, `score` and
    `finish`. All scores are natural logarithms of probabilities.

    Parameters
    ----------
    entries : mapping of tuples of tokens to pairs of floats
        Log probability of the last token after the others, and log backoff weight.
        ``"<s>"`` and ``"</s>"`` start and end a sequence, ``"<unk>"`` stands for
        tokens that are not in the model.

    Attributes
    ----------
    order : int
        Tokens of the longest n-gram.
    vocabulary : list
        The tokens that may be predicted, without the three above.
    entries : dict
        As given.

    Examples
    --------
    >>> model = NGram.fit(["the cat sat", "the dog sat"], order=2)
    >>> model.order, model.vocabulary
    (2, ['cat', 'dog', 'sat', 'the'])
    >>> state = model.start()
    >>> score, state = model.score(state, "the")
    >>> model.score(state, "cat")[0] > model.score(state, "sat")[0]
    True
    """

    def __init__(self, entries: Mapping[tuple[Any, ...], tuple[float, float]]):
        self.entries: Entries = {tuple(gram): pair for gram, pair in entries.items()}
        if not self.entries or () in self.entries:
            raise ValueError("entries: expected n-grams of at least 1 token")
        for gram, (score, backoff) in self.entries.items():
            if not score <= 0 or not backoff < math.inf:
                raise ValueError(
                    f"entries: {gram!r}: expected a log probability and a finite "
                    f"weight, got {score!r} and {backoff!r}"
                )
        self.order = max(map(len, self.entries))
        tokens = dict.fromkeys(token for gram in self.entries for token in gram)
        special = {START, END, UNKNOWN}
        self.vocabulary = sorted(
            (token for token in tokens if token not in special),
            key=lambda token: (str(type(token)), token),
        )
        self._number = {token: k for k, token in enumerate(tokens)}
        self._table = self._build()

    @classmethod
    def fit(
        cls,
        sequences: Iterable[Any],
        *,
        order: int = 3,
        smoothing: str = "modified_kneser_ney",
        vocabulary: Iterable[Any] = (),
    ) -> NGram:
        """Estimate a model from sequences.

        Parameters
        ----------
        sequences : iterable of str or of sequences
            Lines of text, whose words are tokens, or sequences of tokens: labels,
            words, ``list("letters")``.
        order : int, default=3
            Tokens of the longest n-gram.
        smoothing : {"modified_kneser_ney", "kneser_ney", "witten_bell"}
            How unseen n-grams come by their probability; interpolated. Where counts are
            too few for the discounts of Kneser and Ney, these become simpler.
        vocabulary : iterable of tokens, default=()
            Tokens that may come, seen or not, such as all labels.

        Returns
        -------
        NGram
            After every seen context, the probabilities of the vocabulary, of
            ``"</s>"`` and of ``"<unk>"`` sum to one.

        Raises
        ------
        ValueError
            There are no tokens, or an option is unknown.

        Examples
        --------
        >>> model = NGram.fit([[1, 2, 1], [1, 2]], order=2, vocabulary=[1, 2, 3])
        >>> round(math.exp(model.score_sequence([1, 2])), 3)
        0.225
        """
        if not isinstance(order, int | np.integer) or order < 1:
            raise ValueError(f"order: expected an integer of at least 1, got {order!r}")
        if smoothing not in SMOOTHING:
            raise ValueError(
                f"smoothing: expected one of {', '.join(SMOOTHING)}, got {smoothing!r}"
            )
        if isinstance(sequences, str):
            raise TypeError("sequences: expected lines or sequences, got one string")
        sentences = list(_sentences(sequences))
        if not any(sentences):
            raise ValueError("sequences: expected at least 1 token, got none")
        extra = [_plain(token) for token in vocabulary]
        return cls(estimate(sentences, int(order), smoothing, extra))

    @classmethod
    def from_arpa(
        cls,
        source: Any,
        *,
        tokens: Mapping[str, Any] | Callable[[str], Any] | None = None,
    ) -> NGram:
        r"""Read a model from a file in ARPA format.

        Parameters
        ----------
        source : path, or iterable of lines such as an open file
            A path that ends with .gz is decompressed.
        tokens : mapping or callable, default=None
            What the tokens of the file become, such as ``int`` for labels. None: they
            stay strings.

        Returns
        -------
        NGram

        Raises
        ------
        ValueError
            The file is not in this format; the message names the line.

        Examples
        --------
        >>> lines = ["\\data\\", "ngram 1=2", "\\1-grams:", "-0.3 a", "-0.3 </s>"]
        >>> NGram.from_arpa([*lines, "\\end\\"]).vocabulary
        ['a']
        """
        with opened(source, "rt") as file:
            return cls(read_arpa(file, tokens))

    def to_arpa(self, target: Any) -> None:
        """Write the model in ARPA format.

        Parameters
        ----------
        target : path, or open text file
            A path that ends with .gz is compressed.

        Examples
        --------
        >>> import io
        >>> file = io.StringIO()
        >>> NGram.fit(["a b"], order=1).to_arpa(file)
        >>> file.getvalue().splitlines()[1]
        'ngram 1=5'
        """
        with opened(target, "wt") as file:
            write_arpa(self.entries, file)

    def start(self) -> int:
        """The state before the first token.

        Examples
        --------
        >>> NGram.fit(["a b"], order=1).start()
        0
        """
        return self._start

    def score(self, state: int, token: Any) -> tuple[float, int]:
        """Log probability of a token after a state, and the state after it.

        Examples
        --------
        >>> model = NGram.fit(["a b"], order=1, smoothing="witten_bell")
        >>> score, state = model.score(model.start(), "a")
        >>> round(math.exp(score), 4)  # (1 + 3 / 4) / 6: a, b, the end; the unknown
        0.2917
        """
        return self._table.score(state, self._number_of(token))

    def finish(self, state: int) -> float:
        """Log probability that the sequence ends; 0 if the model knows no end.

        Examples
        --------
        >>> model = NGram.fit(["a b"], order=1, smoothing="witten_bell")
        >>> round(math.exp(model.finish(model.start())), 4)
        0.2917
        """
        return self._table.score(state, self._end)[0] if self._end >= 0 else 0.0

    def score_sequence(self, tokens: Iterable[Any]) -> float:
        """Log probability of a whole sequence, with its end.

        Examples
        --------
        >>> model = NGram.fit(["a b"], order=1, smoothing="witten_bell")
        >>> round(math.exp(model.score_sequence("ab")), 4)  # 0.2917 cubed
        0.0248
        """
        state, total = self.start(), 0.0
        for token in tokens:
            score, state = self.score(state, token)
            total += score
        return total + self.finish(state)

    def __reduce__(self) -> tuple[Any, ...]:
        return NGram, (self.entries,)

    def __repr__(self) -> str:
        return f"NGram(order={self.order}, {len(self.vocabulary)} tokens)"

    def numbers(self, tokens: Sequence[Any]) -> np.ndarray:
        """The numbers that C knows tokens by, -1: unknown, and there is no <unk>."""
        return np.array([self._number_of(token) for token in tokens], np.int32)

    @property
    def table(self) -> Any:
        """What C reads."""
        return self._table

    def _number_of(self, token: Any) -> int:
        unknown = self._number.get(UNKNOWN, -1)
        return unknown if token == START else self._number.get(token, unknown)

    def _build(self) -> Any:
        number = self._number
        grams = list(self.entries)
        trie = build_trie([[number[token] for token in gram] for gram in grams])
        suffix = find_suffixes(trie)
        values = np.full((len(suffix), 2), math.nan)
        values[trie.ends] = list(self.entries.values())
        _fill_gaps(values, trie, suffix)
        ends = dict(zip(grams, trie.ends.tolist()))
        keep = _states(trie, suffix, values[:, 1], self.order)
        self._start = int(keep[ends.get((START,), 0)])
        self._end = number.get(END, -1)
        score, backoff = np.ascontiguousarray(values.T)
        return _core.NGramTable(
            *(trie.first, trie.label, score, backoff, suffix, keep),
            *(-math.inf, self._start, self._end),
        )


def _fill_gaps(values: np.ndarray, trie: FlatTrie, suffix: np.ndarray) -> None:
    """Scores of nodes that are no n-grams but begin one: by backing off."""
    values[0] = 0
    child = {
        (p, word): k
        for k, (p, word) in enumerate(zip(trie.parent.tolist(), trie.label.tolist()))
    }
    for k in range(1, len(values)):
        if not math.isnan(values[k, 0]):
            continue
        score, at = 0.0, int(trie.parent[k])
        while at:
            score, at = score + values[at, 1], int(suffix[at])
            if (found := child.get((at, int(trie.label[k])))) is not None:
                score += values[found, 0]
                break
        else:
            score = -math.inf
        values[k] = score, 0.0


def _states(
    trie: FlatTrie, suffix: np.ndarray, backoff: np.ndarray, order: int
) -> np.ndarray:
    """For each node, the shortest suffix that predicts as it does."""
    keep = np.arange(len(suffix), dtype=np.int32)
    leaf = np.diff(trie.first) == 0
    for k in range(1, len(keep)):
        if trie.depth[k] == order or (leaf[k] and backoff[k] == 0):
            keep[k] = keep[suffix[k]]
    return keep


def _sentences(sequences: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    for sequence in sequences:
        parts = sequence.split() if isinstance(sequence, str) else sequence
        yield tuple(_plain(token) for token in parts)


def _plain(token: Any) -> Any:
    return token.item() if isinstance(token, np.generic) else token
