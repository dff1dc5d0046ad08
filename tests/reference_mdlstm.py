"""The multidimensional LSTM of one image, cell by cell in float64: equations alone.

Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional Recurrent
Neural Networks. NIPS 2008; peepholes as in their RNNLIB.
"""

import numpy as np


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def sweep(x, W, U, b, p):
    """Outputs (..., n) of a sweep from the first corner of the image x (..., m)."""
    shape, n, dims = x.shape[:-1], p.shape[1], x.ndim - 1
    h, c = np.zeros((*shape, n)), np.zeros((*shape, n))
    for place in np.ndindex(shape):
        hs, cs = [], []
        for d in range(dims):
            before = tuple(u - (k == d) for k, u in enumerate(place))
            hs.append(h[before] if min(before) >= 0 else np.zeros(n))
            cs.append(c[before] if min(before) >= 0 else np.zeros(n))
        a_i, *a_f, a_z, a_o = np.split(
            W @ x[place] + U @ np.concatenate(hs) + b, dims + 3
        )
        i = sigmoid(a_i + p[0] * sum(cs))
        f = [sigmoid(a_f[d] + p[1 + d] * cs[d]) for d in range(dims)]
        c[place] = i * np.tanh(a_z) + sum(f[d] * cs[d] for d in range(dims))
        h[place] = sigmoid(a_o + p[1 + dims] * c[place]) * np.tanh(c[place])
    return h


def mdlstm(x, weights, directions):
    """Outputs (..., directions * n); bit d of a direction turns dimension d around."""
    found = []
    for own, direction in zip(weights, directions):
        turned = tuple(d for d in range(x.ndim - 1) if direction >> d & 1)
        found.append(np.flip(sweep(np.flip(x, turned), *own), turned))
    return np.concatenate(found, -1)
