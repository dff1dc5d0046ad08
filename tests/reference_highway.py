"""Highway layers in float64: the equations and nothing else."""

import numpy as np

SQUASHES = {
    "tanh": np.tanh,
    "relu": lambda a: np.where(a < 0, 0, a),
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "identity": lambda a: a,
}


def highway(x, layers, gates, activation):
    """Rows through layers, each a dict of weight_h, bias_h, weight_t, ..."""
    sigmoid, f = SQUASHES["logistic"], SQUASHES[activation]
    for p in layers:
        h = f(x @ p["weight_h"].T + p["bias_h"])
        if gates == "none":
            x = h
        elif gates == "open":
            x = h + x
        else:
            t = sigmoid(x @ p["weight_t"].T + p["bias_t"])
            c = 1 - t
            if gates == "separate":
                c = sigmoid(x @ p["weight_c"].T + p["bias_c"])
            x = h * t + x * c
    return x
