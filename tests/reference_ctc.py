"""CTC in float64 NumPy, in the two ways that need no thought: what is true.

By enumeration of all paths, for few frames; and by the recursion over the labels with
blanks between them, in logarithms, for any number of them.
"""

from itertools import product

import numpy as np


def log_softmax(logits):
    a = logits.astype(np.float64)
    a = a - a.max(axis=1, keepdims=True)
    return a - np.log(np.exp(a).sum(axis=1, keepdims=True))


def collapse(path, blank):
    """Runs become one, then blanks go."""
    runs = [k for t, k in enumerate(path) if t == 0 or k != path[t - 1]]
    return tuple(k for k in runs if k != blank)


def enumerate_paths(logits, labels, blank=0):
    """The paths that collapse to the labels (paths, T), and their probabilities."""
    T, C = logits.shape
    wanted = tuple(int(k) for k in labels)
    paths = [p for p in product(range(C), repeat=T) if collapse(p, blank) == wanted]
    paths = np.array(paths, int).reshape(-1, T)
    return paths, np.exp(log_softmax(logits)[np.arange(T), paths].sum(axis=1))


def enumerated_loss(logits, labels, blank=0):
    """-log p, and its gradient by the logits."""
    paths, p = enumerate_paths(logits, labels, blank)
    d = np.exp(log_softmax(logits))
    for t in range(len(d)):
        np.subtract.at(d[t], paths[:, t], p / p.sum())
    return -np.log(p.sum()), d


def extend(labels, blank):
    """The labels with blanks around them, and which may follow the last but one."""
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    jumps = np.zeros(len(states), bool)
    jumps[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    return states, jumps


def alphas(log_y, jumps):
    """log alpha of (T, S) log emissions."""
    out = np.full(log_y.shape, -np.inf)
    out[0, :2] = log_y[0, :2]
    jump = np.where(jumps, 0, -np.inf)
    for t in range(1, len(log_y)):
        a = out[t - 1].copy()
        a[1:] = np.logaddexp(a[1:], out[t - 1, :-1])
        a[2:] = np.logaddexp(a[2:], out[t - 1, :-2] + jump[2:])
        out[t] = a + log_y[t]
    return out


def ctc(logits, labels, blank=0):
    """-log p, and its gradient by the logits; at least one frame."""
    states, jumps = extend(labels, blank)
    log_y = log_softmax(logits)
    own = log_y[:, states]
    # Backward is forward from the other end: there a jump leads to where it came from.
    turned = np.zeros(len(states), bool)
    turned[2:] = jumps[::-1][:-2]
    forward, backward = alphas(own, jumps), alphas(own[::-1, ::-1], turned)[::-1, ::-1]
    log_p = np.logaddexp.reduce(forward[-1, -2:])
    with np.errstate(invalid="ignore"):  # -inf - -inf: of no class that can be
        gamma = np.nan_to_num(np.exp(forward + backward - own - log_p))
    d = np.exp(log_y)
    for s, k in enumerate(states):
        d[:, k] -= gamma[:, s]
    return -log_p, d
