"""ARPA files: n-grams with log10 probabilities and backoff weights, as text."""

from __future__ import annotations

import gzip
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._smoothing import Entries

LOG10 = math.log(10)
NEVER = -99.0  # how the format writes log10(0)


@contextmanager
def opened(target: Any, mode: str) -> Iterator[Any]:
    """A path, opened; anything else is taken for an open file."""
    if not isinstance(target, str | os.PathLike):
        yield target
        return
    opener: Any = gzip.open if os.fspath(target).endswith(".gz") else open
    with opener(target, mode, encoding="utf-8") as file:
        yield file


def read_arpa(
    lines: Iterable[str], rename: Mapping[str, Any] | Callable[[str], Any] | None
) -> Entries:
    """The entries of a file, in natural logarithms; `rename` gives its tokens."""
    entries: Entries = {}
    order, started, ended, line = 0, False, False, 0
    for line, text in enumerate(lines, 1):
        text = text.strip()
        if not started or ended or not text or text.startswith("ngram "):
            started |= text == "\\data\\"
        elif text == "\\end\\":
            ended = True
        elif text.startswith("\\"):
            found = re.fullmatch(r"\\(\d+)-grams:", text)
            if not found or int(found[1]) != order + 1:
                wanted = f"\\{order + 1}-grams: or \\end\\"
                raise ValueError(f"ARPA line {line}: expected {wanted}, got {text!r}")
            order += 1
        else:
            gram, values = _read_entry(text, order, line)
            entries[_renamed(gram, rename, line)] = values
    if not ended or not order:
        raise ValueError(
            f"ARPA: expected \\data\\, \\1-grams: and \\end\\, got {line} lines without"
        )
    return entries


def _read_entry(
    text: str, order: int, line: int
) -> tuple[tuple[str, ...], tuple[float, float]]:
    parts = text.split()
    if not order or len(parts) not in (order + 1, order + 2):
        raise ValueError(
            f"ARPA line {line}: expected a probability, {order} tokens and perhaps a "
            f"backoff, got {text!r}"
        )
    try:
        numbers = float(parts[0]), float((*parts, "0")[order + 1])
    except ValueError:
        numbers = math.nan, math.nan
    score, backoff = (-math.inf if x <= NEVER else x * LOG10 for x in numbers)
    if not score <= 0 or math.isnan(backoff) or backoff == math.inf:
        raise ValueError(
            f"ARPA line {line}: expected log10 of a probability, got {text!r}"
        )
    return tuple(parts[1 : order + 1]), (score, backoff)


def _renamed(gram: tuple[str, ...], rename: Any, line: int) -> tuple[Any, ...]:
    if rename is None:
        return gram
    name = rename.__getitem__ if isinstance(rename, Mapping) else rename
    try:
        return tuple(x if x in SPECIAL else name(x) for x in gram)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"ARPA line {line}: expected tokens that `tokens` knows, got {gram!r}"
        ) from error


SPECIAL = ("<s>", "</s>", "<unk>")


def write_arpa(entries: Entries, file: Any) -> None:
    """Write entries so that reading them gives the same numbers, but for roundings."""
    order = max(map(len, entries))
    by_length: list[list[tuple[Any, ...]]] = [[] for _ in range(order)]
    for gram in entries:
        by_length[len(gram) - 1].append(gram)
    file.write("\\data\\\n")
    for n, grams in enumerate(by_length, 1):
        file.write(f"ngram {n}={len(grams)}\n")
    for n, grams in enumerate(by_length, 1):
        file.write(f"\n\\{n}-grams:\n")
        for gram in sorted(grams, key=lambda gram: [str(token) for token in gram]):
            score, backoff = (_log10(x) for x in entries[gram])
            end = f"\t{backoff!r}" if backoff else ""
            file.write(f"{score!r}\t{' '.join(map(_text, gram))}{end}\n")
    file.write("\n\\end\\\n")


def _log10(x: float) -> float:
    return NEVER if x == -math.inf else x / LOG10


def _text(token: Any) -> str:
    text = str(token)
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"ARPA: expected a token without spaces, got {token!r}")
    return text
