"""LSTM-FCN in float64 NumPy, sequence by sequence, the equations and nothing else."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def conv1d(x, weight, bias):
    """'same' with (k - 1) // 2 zeros in front; weight (out, k, in)."""
    k = weight.shape[1]
    padded = np.pad(x, (((k - 1) // 2, k // 2), (0, 0)))
    taps = [padded[j : j + len(x)] @ weight[:, j].T for j in range(k)]
    return sum(taps) + bias


def batch_norm(xs, w, epsilon):
    """A batch by its own moments, over all steps of all sequences."""
    every = np.concatenate(xs)
    scale = w["weight"] / np.sqrt(every.var(axis=0) + epsilon)
    return [(x - every.mean(axis=0)) * scale + w["bias"] for x in xs]


def batch_norm_running(x, w, epsilon):
    scale = w["weight"] / np.sqrt(w["running_var"] + epsilon)
    return (x - w["running_mean"]) * scale + w["bias"]


def relu(x):
    return np.maximum(x, 0)


def global_average(x):
    return x.mean(axis=0) if len(x) else np.zeros(x.shape[1])


def lstm(x, h, c, w):
    """PyTorch's names and its order of gates: i, f, z, o."""
    hs = []
    for x_t in x:
        i, f, z, o = np.split(w["W"] @ x_t + w["R"] @ h + w["b"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.reshape(hs, (-1, len(h))), h, c


def attention_lstm(x, h, c, w):
    hs = []
    for x_t in x:
        e = np.tanh(x @ w["weight_key"].T + w["bias_key"] + w["weight_query"] @ h)
        e = np.exp(e @ w["vector"])
        s = (e / e.sum()) @ x
        a = w["weight_ih"] @ x_t + w["weight_hh"] @ h + w["weight_ch"] @ s + w["bias"]
        i, f, z, o = np.split(a, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.reshape(hs, (-1, len(h))), h, c


def shuffle(x, steps):
    """Step k of (steps, F) becomes feature k: (F, steps); zeros behind the end."""
    x = x[:steps]
    return np.pad(x, ((0, steps - len(x)), (0, 0))).T
