"""Hotwords: label sequences or words that a search shall rather find."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _core
from ._lexicon import Lexicon
from ._trie import build_trie, find_suffixes, spread_credit


def read_hotwords(
    hotwords: Mapping[Any, float] | None,
    lexicon: Lexicon | None,
    n_classes: int,
    blank: int,
) -> tuple[dict[Any, float], Any]:
    """Bonuses of words of the lexicon, and what C reads for the label sequences."""
    words: dict[Any, float] = {}
    sequences: dict[tuple[int, ...], float] = {}
    if hotwords is not None and not isinstance(hotwords, Mapping):
        raise TypeError(
            "hotwords: expected a dict of label sequences or words to bonuses, "
            f"got {type(hotwords).__name__}"
        )
    for key, bonus in (hotwords or {}).items():
        try:
            gain = float(bonus)
        except (TypeError, ValueError):
            gain = math.nan
        if not math.isfinite(gain):
            raise ValueError(
                f"hotwords: expected a finite bonus for {key!r}, got {bonus!r}"
            )
        if lexicon is not None and key in lexicon:
            words[key] = gain
        else:
            sequences[_labels(key, lexicon, n_classes, blank)] = gain
    return words, _table(sequences) if sequences else None


def _labels(
    key: Any, lexicon: Lexicon | None, n_classes: int, blank: int
) -> tuple[int, ...]:
    if isinstance(key, str):
        wanted = "a tuple of labels" if lexicon is None else "a word of the lexicon"
        raise ValueError(f"hotwords: expected {wanted}, got {key!r}")
    labels = (key,) if isinstance(key, int | np.integer) else tuple(key)
    for label in labels:
        if (
            not isinstance(label, int | np.integer)
            or not 0 <= label < n_classes
            or label == blank
        ):
            raise ValueError(
                f"hotwords: {key!r}: expected labels below {n_classes} other than the "
                f"blank {blank}, got {label!r}"
            )
    if not labels:
        raise ValueError("hotwords: expected at least 1 label, got an empty sequence")
    return tuple(int(label) for label in labels)


def _table(sequences: dict[tuple[int, ...], float]) -> Any:
    trie = build_trie(sequences)
    suffix = find_suffixes(trie)
    bonus = np.zeros(len(suffix))
    bonus[trie.ends] = list(sequences.values())
    partial = spread_credit(trie, bonus, own=False)
    for k in range(1, len(bonus)):  # a suffix comes before what it ends
        bonus[k] += bonus[suffix[k]]
    return _core.HotwordTable(trie.first, trie.label, suffix, bonus, partial)
