"""Smoothing: from counts of n-grams to probabilities with backoff.

All kinds interpolate: the probability of an n-gram holds that of its suffix, and the
backoff weight of a context is what it leaves to the shorter one,

    p(w | h)   = (c(h w) - D) / c(h) + gamma(h) p(w | suffix(h))
    gamma(h)   = what the discounts D have taken from h

so that both seen and unseen tokens of a context sum to one. Unigrams are interpolated
with the uniform distribution over the vocabulary.

Kneser, Ney: Improved backing-off for m-gram language modeling. ICASSP 1995.
Chen, Goodman: An empirical study of smoothing techniques for language modeling.
Computer Speech and Language 13, 1999: modified Kneser-Ney, and Witten-Bell in this
form.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Grams = Counter[tuple[Any, ...]]
Entries = dict[tuple[Any, ...], tuple[float, float]]
Discount = Callable[[int], float]

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


def estimate(
    sentences: Iterable[tuple[Any, ...]], order: int, smoothing: str, extra: list[Any]
) -> Entries:
    """Log probability and backoff of each n-gram, in natural logarithms."""
    counts = [Counter() for _ in range(order)]  # type: list[Grams]
    for sentence in sentences:
        tokens = (START, *sentence, END)
        for n in range(1, order + 1):
            counts[n - 1].update(tokens[k : k + n] for k in range(len(tokens) - n + 1))
    counts[0].pop((START,), None)  # it is never predicted
    if smoothing != "witten_bell":
        counts = [*map(_continuations, counts[:-1], counts[1:]), counts[-1]]
    vocabulary = [(token,) for token in (UNKNOWN, *extra)]
    unigrams = dict.fromkeys([*counts[0], *vocabulary], 1.0)
    p = {gram: 1.0 / len(unigrams) for gram in unigrams}
    entries: Entries = {(START,): (-math.inf, 0.0)}
    lower: dict[tuple[Any, ...], float] = {(): 1.0}
    for n, own in enumerate(counts, 1):
        p, gamma = _interpolate(own, p if n == 1 else lower, smoothing, n)
        if n == 1:
            p = {gram: p.get(gram, gamma[()] / len(unigrams)) for gram in unigrams}
        for context, weight in gamma.items():
            if context:
                entries[context] = (entries[context][0], math.log(weight))
        entries.update({gram: (math.log(value), 0.0) for gram, value in p.items()})
        lower = p
    return entries


def _continuations(own: Grams, longer: Grams) -> Grams:
    """In how many contexts an n-gram stands; nothing stands before the start."""
    left = Counter(gram[1:] for gram in longer)
    return Counter({g: own[g] if g[0] == START else left[g] for g in own})


def _interpolate(
    counts: Grams, lower: dict[tuple[Any, ...], float], smoothing: str, n: int
) -> tuple[dict[tuple[Any, ...], float], dict[tuple[Any, ...], float]]:
    """Probabilities of seen n-grams, and the weight that each context leaves."""
    total: dict[tuple[Any, ...], float] = defaultdict(float)
    taken: dict[tuple[Any, ...], float] = defaultdict(float)
    kinds: Grams = Counter(gram[:-1] for gram in counts)
    discount = _discounts(counts.values(), smoothing)
    for gram, count in counts.items():
        total[gram[:-1]] += count
        taken[gram[:-1]] += discount(count)
    if smoothing == "witten_bell":
        for context, kind in kinds.items():
            total[context] += kind
            taken[context] = kind
    gamma = {context: taken[context] / total[context] for context in total}
    p = {}
    for gram, count in counts.items():
        context = gram[:-1]
        shorter = lower[gram[1:] if n > 1 else gram]
        p[gram] = (count - discount(count)) / total[context] + gamma[context] * shorter
    return p, gamma


def _discounts(counts: Iterable[int], smoothing: str) -> Discount:
    """What is taken from a count, as the counts of counts say.

    Where these are too few for the formulas, one discount, and at last a half.
    """
    if smoothing == "witten_bell":
        return lambda count: 0.0
    seen = Counter(counts)
    n1, n2, n3, n4 = (seen[k] for k in (1, 2, 3, 4))
    plain = n1 / (n1 + 2 * n2) if n1 and n2 else 0.5
    if smoothing == "kneser_ney" or not (n1 and n2 and n3 and n4):
        return lambda count: plain
    each = [k - (k + 1) * plain * b / a for k, a, b in
            ((1, n1, n2), (2, n2, n3), (3, n3, n4))]  # fmt: skip
    if any(not 0 < taken < k for k, taken in enumerate(each, 1)):
        return lambda count: plain
    return lambda count: each[min(count, 3) - 1]
