"""The blocks of an xLSTM in plain NumPy, one sequence, step by step: the equations.

Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024. A state is a dict.
"""

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def norm(x, w, groups=1):
    parts = x.reshape(groups, -1)
    mean, variance = parts.mean(axis=1), parts.var(axis=1)
    return w * ((parts - mean[:, None]) / np.sqrt(variance + 1e-5)[:, None]).ravel()


def convolve(x, p, state):
    """The last three inputs are the state."""
    window = np.vstack([state["conv"], x])
    state["conv"] = window[1:]
    return silu((p["conv_weight"] * window).sum(axis=0) + p["conv_bias"])


def mlstm(q, k, v, i, f, state):
    """One step of all heads; C = exp(m) state["C"], n = exp(m) state["n"]."""
    heads = len(i)
    q, k, v = (x.reshape(heads, -1) for x in (q, k, v))
    k = k / math.sqrt(k.shape[1])
    m = np.maximum(log_sigmoid(f) + state["m"], i)
    f = np.exp(log_sigmoid(f) + state["m"] - m)[:, None]
    i = np.exp(i - m)[:, None]
    state["C"] = f[..., None] * state["C"] + i[..., None] * v[:, :, None] * k[:, None]
    state["n"] = f * state["n"] + i * k
    state["m"] = m
    along = np.abs((state["n"] * q).sum(axis=1))
    down = np.maximum(along, np.exp(-m)) + 1e-6
    return ((state["C"] @ q[:, :, None])[..., 0] / down[:, None]).ravel()


def mlstm_block(x, p, heads, state):
    u, z = np.split(p["up"] @ norm(x, p["norm"]), 2)
    a = convolve(u, p, state)
    q, k, v = (
        np.einsum("boi,bi->bo", p[name], source.reshape(-1, 4)).ravel()
        for name, source in (("query", a), ("key", a), ("value", u))
    )
    gates = p["gates_weight"] @ np.concatenate([q, k, v]) + p["gates_bias"]
    h = mlstm(q, k, v, *np.split(gates, 2), state)
    h = norm(h, p["head_norm"], heads) + p["skip"] * a
    return x + p["down"] @ (h * silu(z))


def slstm(i, f, z, o, state):
    m = np.maximum(log_sigmoid(f) + state["m"], i)
    m = np.where(state["n"] == 0, i, m)
    f = np.where(state["n"] == 0, 0, np.exp(log_sigmoid(f) + state["m"] - m))
    i = np.exp(i - m)
    state["c"] = f * state["c"] + i * np.tanh(z)
    state["n"] = f * state["n"] + i
    state["m"] = m
    state["h"] = sigmoid(o) * state["c"] / state["n"]
    return state["h"]


def slstm_block(x, p, heads, state):
    u = norm(x, p["norm"])
    a = convolve(u, p, state)

    def by_head(weight, of):
        return np.einsum("hoi,hi->ho", weight, of.reshape(heads, -1)).ravel()

    i, f, z, o = (
        by_head(p["gates_weight"][gate], source)
        + by_head(p["recurrent"][gate], state["h"])
        + p["gates_bias"][gate].ravel()
        for gate, source in enumerate((a, a, u, u))
    )
    v = x + norm(slstm(i, f, z, o, state), p["head_norm"], heads)
    w, r = np.split(p["feed_up"] @ norm(v, p["feed_norm"]), 2)
    return v + p["feed_down"] @ (gelu(w) * r)


BLOCKS = {"mlstm": mlstm_block, "slstm": slstm_block}


def run(layer, x, state):
    """Outputs (T, hidden_size) of a BlockStack for x (T, input_size); state is changed.

    state: a dict a block, of arrays without the axis of samples.
    """
    p, out = layer.parameters, []
    for row in x.astype(float):
        if "embed.weight" in p:
            row = p["embed.weight"] @ row + p["embed.bias"]
        for k, kind in enumerate(layer.kinds):
            prefix = f"blocks.{k}." if f"blocks.{k}.norm" in p else ""
            own = {
                name.removeprefix(prefix): array.astype(float)
                for name, array in p.items()
                if name.startswith(prefix)
            }
            row = BLOCKS[kind](row, own, layer.num_heads, state[k])
        out.append(norm(row, p["norm.weight"]) if "norm.weight" in p else row)
    return np.array(out).reshape(-1, layer.hidden_size)
