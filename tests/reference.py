"""The equations in float64 NumPy, one function a cell and nothing else: what is true.

A cell's function is one step of one sample: (x, states, W, R, b, squash) to the new
states, h first; W (blocks * n, m), R (blocks * n, n), b (blocks * n) in the order of
the blocks of rows that the registry names.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm(x, states, W, R, b, squash=np.tanh):
    h, c = states
    i, f, z, o = np.split(W @ x + R @ h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return sigmoid(o) * squash(c), c


def gru(x, states, W, R, b, squash=np.tanh):
    (h,) = states
    n = len(h)
    r, z = np.split(sigmoid(W[: 2 * n] @ x + R[: 2 * n] @ h + b[: 2 * n]), 2)
    m = R[2 * n :] @ h + b[3 * n :]
    candidate = np.tanh(W[2 * n :] @ x + b[2 * n : 3 * n] + r * m)
    return ((1 - z) * candidate + z * h,)


def rnn(x, states, W, R, b, squash=np.tanh):
    return (np.tanh(W @ x + R @ states[0] + b),)


def direction(cell, x, states, W, R, b, squash, reverse):
    """One sample through time: outputs (T, n) and final states."""
    outputs = np.zeros((len(x), len(states[0])))
    steps = range(len(x))
    for t in reversed(steps) if reverse else steps:
        states = cell(x[t], states, W, R, b, squash)
        outputs[t] = states[0]
    return outputs, states


def layers(cell, x, states, parameters, squash=np.tanh):
    """One sample x (T, m) through stacked layers.

    states: per state (layers * directions, n); parameters: PyTorch's names.
    """
    directions = 2 if "weight_ih_l0_reverse" in parameters else 1
    count = len(parameters) // (3 * directions)
    final = [np.zeros_like(s) for s in states]
    for layer in range(count):
        sides = []
        for side in range(directions):
            k = layer * directions + side
            end = f"_l{layer}" + ("_reverse" if side else "")
            W, R, b = (parameters[n + end] for n in ("weight_ih", "weight_hh", "bias"))
            own = tuple(s[k] for s in states)
            y, after = direction(cell, x, own, W, R, b, squash, bool(side))
            sides.append(y)
            for whole, part in zip(final, after, strict=True):
                whole[k] = part
        x = np.concatenate(sides, axis=1)
    return x, final
