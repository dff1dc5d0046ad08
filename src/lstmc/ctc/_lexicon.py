"""Lexicon: the words that may come out, and how they are spelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import _core
from ._trie import build_trie, spread_credit


class Lexicon:
    """Words and their spellings; a search with one finds sequences of its words alone.

    What is no word never comes out: an unknown word becomes the likeliest sequence of
    known ones. Where the beam of a sample ends without any, the search says so; it then
    needs a larger beam, or that sample a search without a lexicon.

    Parameters
    ----------
    words : mapping of words to spellings, iterable of pairs, or iterable of str
        A spelling is a sequence of labels, or with an alphabet a string. In pairs
        (word, spelling) a word may have several spellings; words of one spelling are
        told apart by a language model. Strings alone are spelled by their characters.
    alphabet : mapping of str to int, default=None
        The label of each character.
    separator : int or str, default=None
        Label that stands between two words, such as a space; a character if there is
        an alphabet. None: words follow one another directly.

    Attributes
    ----------
    words : list
        The words, each once.
    separator : int or None

    Raises
    ------
    ValueError
        A spelling is empty, has a character that is not in the alphabet, a negative
        label or the separator. Spellings with the blank are refused by the search,
        which knows it.

    Examples
    --------
    >>> lexicon = Lexicon(["no", "on"], alphabet={"n": 1, "o": 2, " ": 3},
    ...                   separator=" ")
    >>> lexicon.words, lexicon.spellings
    (['no', 'on'], [(1, 2), (2, 1)])
    """

    def __init__(
        self,
        words: Mapping[Any, Any] | Iterable[Any],
        *,
        alphabet: Mapping[str, int] | None = None,
        separator: int | str | None = None,
    ):
        self.alphabet = None if alphabet is None else dict(alphabet)
        self.separator = None if separator is None else self._label(separator)
        number: dict[Any, int] = {}
        self.spellings: list[tuple[int, ...]] = []
        self._word_of: list[int] = []  # of a spelling
        for word, spelling in self._pairs(words):
            self._word_of.append(number.setdefault(word, len(number)))
            self.spellings.append(self._spell(word, spelling))
        if not number:
            raise ValueError("words: expected at least 1 word, got none")
        self.words = list(number)
        self._number = number
        self._trie = build_trie(self.spellings)
        order = np.lexsort((np.asarray(self._word_of), self._trie.ends))
        self._word = np.asarray(self._word_of, np.int32)[order]
        counts = np.bincount(self._trie.ends, minlength=len(self._trie.label))
        self._first_word = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=self._first_word[1:])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: Any) -> bool:
        try:
            return word in self._number
        except TypeError:  # what has no hash is no word
            return False

    def __repr__(self) -> str:
        return f"Lexicon({len(self)} words, {len(self.spellings)} spellings)"

    def _pairs(self, words: Any) -> Iterable[tuple[Any, Any]]:
        if isinstance(words, Mapping):
            return words.items()
        if isinstance(words, str):
            raise TypeError(f"words: expected words, got the string {words!r}")
        return [(item, item) if isinstance(item, str) else item for item in words]

    def _label(self, symbol: Any) -> int:
        if isinstance(symbol, str):
            if self.alphabet is None:
                raise ValueError(
                    f"alphabet: expected the labels of characters for {symbol!r}, "
                    "got None"
                )
            if symbol not in self.alphabet:
                raise ValueError(f"alphabet: expected a label for {symbol!r}, got none")
            symbol = self.alphabet[symbol]
        if not isinstance(symbol, int | np.integer) or symbol < 0:
            raise ValueError(f"expected a label of at least 0, got {symbol!r}")
        return int(symbol)

    def _spell(self, word: Any, spelling: Any) -> tuple[int, ...]:
        try:
            labels = tuple(self._label(symbol) for symbol in spelling)
            if not labels:
                raise ValueError("expected at least 1 label, got none")
            if self.separator in labels:
                raise ValueError(
                    f"expected labels other than the separator {self.separator}"
                )
        except (TypeError, ValueError) as error:
            raise type(error)(f"lexicon: spelling of {word!r}: {error}") from error
        return labels

    def check(self, n_classes: int, blank: int) -> None:
        """Raise unless all labels are classes other than the blank."""
        for word, spelling in zip(self._word_of, self.spellings):
            for label in spelling:
                if label == blank or label >= n_classes:
                    raise ValueError(
                        f"lexicon: spelling of {self.words[word]!r}: expected classes "
                        f"below {n_classes} other than the blank {blank}, got {label}"
                    )
        own = self.separator
        if own is not None and (own == blank or own >= n_classes):
            raise ValueError(
                f"lexicon: separator: expected a class below {n_classes} other than "
                f"the blank {blank}, got {own}"
            )

    def table(self, bonus: Mapping[Any, float] | None = None) -> Any:
        """What C reads, with bonuses for words."""
        each = partial = None
        if bonus:
            each = np.zeros(len(self))
            for word, gain in bonus.items():
                each[self._number[word]] = gain
            at_node = np.zeros(len(self._trie.label))
            np.maximum.at(at_node, self._trie.ends, each[self._word_of])
            partial = spread_credit(self._trie, at_node, own=True)
        return _core.LexiconTable(
            *(self._trie.first, self._trie.label, self._first_word, self._word),
            -1 if self.separator is None else self.separator,
            *(len(self), each, partial),
        )
