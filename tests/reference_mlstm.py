"""The matrix memory of the mLSTM in float64 NumPy: the equations and nothing else.

One head of one sequence: q, k (T, d_k), v (T, d_v), i, f (T,) before their squash.
"""

import numpy as np


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def recurrent(q, k, v, i, f, state=None, sigmoid=False, exponential=False, plain=False,
              epsilon=1e-6):  # fmt: skip
    """Step by step. Returns h (T, d_v) and the state (C, n, m)."""
    d = q.shape[1]
    C, n, m0 = state or (np.zeros((v.shape[1], d)), np.zeros(d), 0.0)
    log_i = log_sigmoid(i) if sigmoid else i
    log_f = f if exponential else log_sigmoid(f)
    h = np.empty_like(v)
    for t in range(len(q)):
        m = m0 if sigmoid else max(log_f[t] + m0, log_i[t])
        kept, own = np.exp(log_f[t] + m0 - m), np.exp(log_i[t] - m)
        C = kept * C + own * np.outer(v[t], k[t] / np.sqrt(d))
        n = kept * n + own * k[t] / np.sqrt(d)
        h[t] = C @ q[t]
        if not plain:
            h[t] /= max(abs(n @ q[t]), np.exp(-m)) + epsilon
        m0 = m
    return h, (C, n, m0)


def parallel(q, k, v, i, f, epsilon=1e-6):
    """All steps at once, from zeros, with exponential input and sigmoid forget gate."""
    T, d = q.shape
    log_f = log_sigmoid(f)
    log_D = np.full((T, T), -np.inf)
    for t in range(T):
        for s in range(t + 1):
            log_D[t, s] = log_f[s + 1 : t + 1].sum() + i[s]
    m = log_D.max(axis=1)
    S = q @ k.T / np.sqrt(d) * np.exp(log_D - m[:, None])
    D = np.maximum(abs(S.sum(axis=1)), np.exp(-m)) + epsilon
    return S @ v / D[:, None]


def every_head(q, k, v, i, f, offsets, state=None, heads=1, **options):
    """The same over ragged batches and heads, as the layers have them."""
    h, states = np.empty((len(q), v.shape[1])), []
    for j in range(len(offsets) - 1):
        rows = slice(offsets[j], offsets[j + 1])
        for n in range(heads):
            own = [np.split(x[rows], heads, axis=1)[n].astype(float) for x in (q, k, v)]
            before = None if state is None else [s[j, n].astype(float) for s in state]
            answer, after = recurrent(
                *own, i[rows, n].astype(float), f[rows, n].astype(float), before,
                **options,
            )  # fmt: skip
            h[rows, n * answer.shape[1] : (n + 1) * answer.shape[1]] = answer
            states.append(after)
    shape = len(offsets) - 1, heads
    return h, tuple(
        np.array([s[k] for s in states]).reshape(*shape, *np.shape(states[0][k]))
        for k in range(3)
    )
