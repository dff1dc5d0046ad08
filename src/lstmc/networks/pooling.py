"""Pooling: what a network's head sees of the recurrent layers, and the way back.

    last    the final h of each direction
    ends    the outputs at the last step that each direction takes; where nothing goes
            past the layers, they are the same
    mean    of the outputs over the steps
    max     likewise; steps that tie share its gradient
    steps   the output of each step

A sequence of no steps gives zeros, and with "last" its initial state.
"""

from __future__ import annotations

import numpy as np


def pool(kind, stack, x, y, state):
    """Return what the head sees, rows of what the recurrent stack puts out.

    Parameters
    ----------
    kind : str
        See above.
    stack : Stack
        Its sizes are read.
    x : Sequences
        What went in.
    y : ndarray of shape (sum T, output_size) or None
        What came out; None for "last", which needs none of it.
    state : tuple of ndarrays
        Final states.
    """
    if kind == "last":
        last = state[0][-stack.directions :]
        return last[0] if len(last) == 1 else np.concatenate(last, axis=1)
    if kind == "steps":
        return y
    filled = x.lengths > 0
    starts = x.offsets[:-1][filled]
    pooled = np.zeros((len(x), y.shape[1]), y.dtype)
    if len(starts) == 0:
        return pooled
    if kind == "ends":
        for part, rows in _ends(stack, x, filled):
            pooled[filled, part] = y[rows, part]
    elif kind == "max":
        pooled[filled] = np.maximum.reduceat(y, starts, axis=0)
    else:
        totals = np.add.reduceat(y, starts, axis=0)
        pooled[filled] = totals / x.lengths[filled, None].astype(y.dtype)
    return pooled


def pull_pool(kind, stack, x, y, state, pooled, d):
    """Return the gradients of the outputs and of the final states; None: zeros.

    ``d``, like ``pooled``, is what `pool` returned; the others are what it was given.
    """
    if kind == "last":
        return None, stack.pull_last(state, d)
    if kind == "steps":
        return d, None
    filled = x.lengths > 0
    if kind == "ends":
        dy = np.zeros_like(y)
        for part, rows in _ends(stack, x, filled):
            dy[rows, part] = d[filled, part]
        return dy, None
    if kind == "mean":
        share = d / np.maximum(x.lengths, 1)[:, None].astype(y.dtype)
        return np.repeat(share, x.lengths, axis=0), None
    top = y == np.repeat(pooled, x.lengths, axis=0)
    starts = x.offsets[:-1][filled]
    share = d.copy()
    if len(starts):
        ties = np.add.reduceat(top, starts, axis=0, dtype=y.dtype)
        share[filled] /= np.maximum(ties, 1)
    return top * np.repeat(share, x.lengths, axis=0), None


def _ends(stack, x, filled):
    """Features of each direction, and the rows of its last steps."""
    n = stack.state_size
    yield slice(0, n), x.offsets[1:][filled] - 1
    if stack.bidirectional:
        yield slice(n, 2 * n), x.offsets[:-1][filled]
