"""CTC by its definition: every path of every labelling, one after another."""

import itertools

import numpy as np


def log_softmax(x):
    """Log probabilities of the classes at each frame."""
    x = np.asarray(x, np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def collapse(path, blank=0):
    """The labels that a path says."""
    return tuple(int(k) for k, _ in itertools.groupby(path) if k != blank)


def labellings(x, blank=0):
    """Log probability of every labelling of logits (T, C), by all C**T paths."""
    y = log_softmax(x)
    steps, classes = y.shape
    sums = {}
    for path in itertools.product(range(classes), repeat=steps):
        labels = collapse(path, blank)
        own = y[np.arange(steps), list(path)].sum()
        sums[labels] = np.logaddexp(sums.get(labels, -np.inf), own)
    return sums


def best_first(scores):
    """Pairs (key, score), best first."""
    return sorted(scores.items(), key=lambda pair: -pair[1])


def beam_by_hand(x, beam_size, blank=0, bonus=None, credit=None, finish=None):
    """Prefix beam search, word for word: pairs (labels, score) of the last beam.

    bonus(prefix) is added to the score of a prefix, credit(prefix) during the search
    alone, finish(prefix) at the end.
    """
    bonus, credit, finish = (f or (lambda prefix: 0.0) for f in (bonus, credit, finish))
    beam = {(): (0.0, -np.inf)}
    for y in log_softmax(x):
        new = {}
        for prefix, (empty, full) in beam.items():
            both = np.logaddexp(empty, full)
            add(new, prefix, 0, both + y[blank])
            for label in range(len(y)):
                if label == blank:
                    continue
                again = prefix[-1:] == (label,)
                if again:
                    add(new, prefix, 1, full + y[label])
                add(new, (*prefix, label), 1, (empty if again else both) + y[label])
        ranked = {
            prefix: np.logaddexp(*masses) + bonus(prefix) + credit(prefix)
            for prefix, masses in new.items()
        }
        kept = [prefix for prefix, rank in best_first(ranked)[:beam_size]]
        beam = {prefix: new[prefix] for prefix in kept if ranked[prefix] > -np.inf}
    ends = {
        prefix: np.logaddexp(*masses) + bonus(prefix) + finish(prefix)
        for prefix, masses in beam.items()
    }
    return best_first(ends)


def add(beam, prefix, kind, mass):
    """Add paths to a prefix: kind 0 ends with a blank, 1 with its last label."""
    masses = list(beam.get(prefix, (-np.inf, -np.inf)))
    masses[kind] = np.logaddexp(masses[kind], mass)
    beam[prefix] = tuple(masses)
