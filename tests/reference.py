"""The equations in float64 NumPy, one function a cell and nothing else: what is true.

A cell's function is one step of one sample: (x, states, w) to the new states, h first.
w has W (blocks * n, m), R (blocks * n, width of h), b (blocks * n) in the order of the
blocks of rows that the registry names, v (vectors, n), the output squash, and time,
what elapsed before the step. A column that reads several states has a block of R for
each. Nothing is said of the units but by axis 0, so that samples may be columns.
"""

from types import SimpleNamespace

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def linear(c):
    return c


def lstm(x, states, w):
    h, c = states
    i, f, z, o = np.split(w.W @ x + w.R @ h + w.b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return sigmoid(o) * w.squash(c), c


def lstm1997(x, states, w):
    h, i, o, c = states
    R = w.R.reshape(3, 3, len(h), len(h)).swapaxes(1, 2).reshape(3 * len(h), -1)
    i, o, z = np.split(w.W @ x + R @ np.concatenate([h, i, o]) + w.b, 3)
    i, o, z = sigmoid(i), sigmoid(o), 4 * sigmoid(z) - 2
    c = c + i * z
    return o * (c if w.squash is linear else 2 * sigmoid(c) - 1), i, o, c


def lstm1997_modern(x, states, w):
    h, c = states
    i, o, z = np.split(w.W @ x + w.R @ h + w.b, 3)
    c = c + sigmoid(i) * (4 * sigmoid(z) - 2)
    return sigmoid(o) * (c if w.squash is linear else 2 * sigmoid(c) - 1), c


def peephole(x, states, w):
    h, c0 = states
    i, f, z, o = np.split(w.W @ x + w.R @ h + w.b, 4)
    p_i, p_f, p_o = w.v
    c = sigmoid(f + p_f * c0) * c0 + sigmoid(i + p_i * c0) * np.tanh(z)
    return sigmoid(o + p_o * c) * w.squash(c), c


def peephole_full(x, states, w):
    _, c0 = states
    i, f, z, o = np.split(w.W @ x + w.b, 4)
    r_i, r_f, r_o = np.split(w.R @ c0, 3)
    c = sigmoid(f + r_f) * c0 + sigmoid(i + r_i) * np.tanh(z)
    return sigmoid(o + r_o) * w.squash(c), c


def nig(x, states, w):
    h, c0 = states
    f, z, o = np.split(w.W @ x + w.R @ h + w.b, 3)
    p_f, p_o = w.v
    c = sigmoid(f + p_f * c0) * c0 + np.tanh(z)
    return sigmoid(o + p_o * c) * w.squash(c), c


def nfg(x, states, w):
    h, c0 = states
    i, z, o = np.split(w.W @ x + w.R @ h + w.b, 3)
    p_i, p_o = w.v
    c = c0 + sigmoid(i + p_i * c0) * np.tanh(z)
    return sigmoid(o + p_o * c) * w.squash(c), c


def nog(x, states, w):
    h, c0 = states
    i, f, z = np.split(w.W @ x + w.R @ h + w.b, 3)
    p_i, p_f = w.v
    c = sigmoid(f + p_f * c0) * c0 + sigmoid(i + p_i * c0) * np.tanh(z)
    return w.squash(c), c


def niaf(x, states, w):
    h, c0 = states
    i, f, z, o = np.split(w.W @ x + w.R @ h + w.b, 4)
    p_i, p_f, p_o = w.v
    c = sigmoid(f + p_f * c0) * c0 + sigmoid(i + p_i * c0) * z
    return sigmoid(o + p_o * c) * w.squash(c), c


def noaf(x, states, w):
    return peephole(x, states, SimpleNamespace(**vars(w) | {"squash": linear}))


def cifg(x, states, w):
    h, c0 = states
    i, z, o = np.split(w.W @ x + w.R @ h + w.b, 3)
    p_i, p_o = w.v
    i = sigmoid(i + p_i * c0)
    c = (1 - i) * c0 + i * np.tanh(z)
    return sigmoid(o + p_o * c) * w.squash(c), c


def fgr(x, states, w):
    h, *gates, c0 = states
    i, f, z, o = np.split(w.W @ x + w.b, 4)
    R = w.R.reshape(13, len(h), len(h))
    i, f, o = (
        a + sum(R[k + j] @ s for j, s in enumerate([h, *gates]))
        for k, a in ((0, i), (4, f), (8, o))
    )
    p_i, p_f, p_o = w.v
    i, f = sigmoid(i + p_i * c0), sigmoid(f + p_f * c0)
    c = f * c0 + i * np.tanh(z + R[12] @ h)
    o = sigmoid(o + p_o * c)
    return o * w.squash(c), i, f, o, c


def gru(x, states, w):
    (h,) = states
    r, z, m = np.split(w.R @ h, 3)
    w_r, w_z, w_n = np.split(w.W @ x, 3)
    b_r, b_z, b_n, b_m = np.split(w.b, 4)
    r, z = sigmoid(w_r + r + b_r), sigmoid(w_z + z + b_z)
    return ((1 - z) * np.tanh(w_n + b_n + r * (m + b_m)) + z * h,)


def gru_before(x, states, w):
    (h,) = states
    w_r, w_z, w_n = np.split(w.W @ x + w.b, 3)
    R_r, R_z, R_n = np.split(w.R, 3)
    r, z = sigmoid(w_r + R_r @ h), sigmoid(w_z + R_z @ h)
    return ((1 - z) * np.tanh(w_n + R_n @ (r * h)) + z * h,)


def rnn(x, states, w):
    return (np.tanh(w.W @ x + w.R @ states[0] + w.b),)


def focused(x, states, w):
    return (w.v[0] * states[0] + np.tanh(w.W @ x + w.b),)


def tlstm(x, states, w):
    h, c = states
    n = len(c)
    i, f, z, o = np.split(w.W @ x + w.R[: 4 * n] @ h + w.b[: 4 * n], 4)
    fading = np.tanh(w.R[4 * n :] @ c + w.b[4 * n :])
    c = c - fading + fading / np.log(np.e + w.time)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return sigmoid(o) * w.squash(c), c


def ealstm(x, states, w):
    h, c, i = states
    f, z, o = np.split(w.W @ x + w.R @ h + w.b, 3)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return sigmoid(o) * w.squash(c), c, i


def slstm(x, states, w):
    h, c, n, m = states
    i, f, z, o = np.split(w.W @ x + w.R @ h + w.b, 4)
    kept = np.where(n == 0, -np.inf, m - np.log1p(np.exp(-f)))
    m = np.maximum(kept, i)
    c = np.exp(kept - m) * c + np.exp(i - m) * np.tanh(z)
    n = np.exp(kept - m) * n + np.exp(i - m)
    return sigmoid(o) * c / n, c, n, m


def layernorm(x, states, w):
    def norm(a):
        return (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-5)

    h, c = states
    g_x, g_h, b = (np.concatenate(w.v[k : k + 4]) for k in (0, 4, 8))
    i, f, z, o = np.split(g_x * norm(w.W @ x) + g_h * norm(w.R @ h) + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return sigmoid(o) * w.squash(w.v[12] * norm(c) + w.v[13]), c


# --- through heads, projections, time, layers and directions --------------------------


def find(name):
    """The function of a cell; `np`, the variant without peepholes, is `lstm`."""
    return lstm if name == "np" else globals()[name]


def direction(cell, x, states, weights, time, reverse):
    """One sample through time: outputs (T, width) and final states."""
    outputs = np.zeros((len(x), len(states[0])))
    steps = range(len(x))
    for t in reversed(steps) if reverse else steps:
        states = step(cell, x[t], states, weights, None if time is None else time[t])
        outputs[t] = states[0]
    return outputs, states


def step(cell, x, before, w, time):
    """One step of all heads, with the projection and the expectation of zoneout."""
    heads = [
        cell(x, states, SimpleNamespace(**vars(own), squash=w.squash, time=time))
        for states, own in zip(by_head(before, w.heads), w.own, strict=True)
    ]
    after = [np.concatenate(parts) for parts in zip(*heads, strict=True)]
    if w.P is not None:
        after[0] = w.P @ after[0]
    for k, name in enumerate(w.names):
        share = {"h": w.zoneout[0], "c": w.zoneout[1]}.get(name, 0)
        after[k] = share * before[k] + (1 - share) * after[k]
    return tuple(after)


def by_head(arrays, heads):
    """Arrays of all units to those of each head."""
    return list(zip(*(np.split(a, heads) for a in arrays), strict=True))


def layers(layer, x, states, *, time=None, static=None):
    """One sample x (T, m) through the stacked layers of a `Recurrent`.

    states: per state (layers * directions, width); time (T,), static (static_size,).
    """
    final = [np.zeros_like(s) for s in states]
    for k in range(layer.num_layers * layer.directions):
        number, side = divmod(k, layer.directions)
        if side == 0:
            sides = []
        w = weights_of(layer, number, side)
        own = tuple(s[k] for s in states)
        if static is not None:
            own = (*own, w.S @ static + w.s)
        y, after = direction(find(layer.cell), x, own, w, time, bool(side))
        sides.append(y)
        for whole, part in zip(final, after, strict=False):
            whole[k] = part
        if side == layer.directions - 1:
            x = np.concatenate(sides, axis=1)
    return x, final


def weights_of(layer, number, side):
    """What `step` needs of a layer and direction, in float64."""
    end = f"_l{number}" + ("_reverse" if side else "")
    found = {
        name.removesuffix(end): array.astype(np.float64)
        for name, array in layer.parameters.items()
        if name.endswith(end)
    }
    heads, n = layer.num_heads, layer.hidden_size // layer.num_heads

    def split(name, columns=()):
        whole = found.get(name, np.zeros((0, *columns)))
        blocks = whole.reshape(-1, heads, n, *whole.shape[1:])
        return [blocks[:, k].reshape(-1, *whole.shape[1:]) for k in range(heads)]

    own = [
        SimpleNamespace(W=W, R=R, b=b, v=v.reshape(-1, n))
        for W, R, b, v in zip(
            split("weight_ih", (1,)), split("weight_hh", (1,)), split("bias"),
            split("vector"), strict=True,
        )
    ]  # fmt: skip
    return SimpleNamespace(
        own=own, heads=heads, P=found.get("weight_hr"), S=found.get("weight_static"),
        s=found.get("bias_static"), zoneout=layer.zoneout, names=layer.state_names,
        squash=np.tanh if layer.output_activation == "tanh" else linear,
    )  # fmt: skip
