"""Convolutions by fewer products: those of 3 to 5 taps between many channels."""

import numpy as np
import pytest
import reference_fcn as reference

from lstmc import Sequences
from lstmc.layers import Conv1D

LENGTHS = [1, 0, 2, 5, 600, 7, 130]  # shorter than a piece, more than a window
# Sums of some 600 products of size 1; transforms by up to 20 cost a digit.
ROUNDING = {"float32": 1e-5, "float64": 2e-14}


def make(taps, dtype, inputs=64, outputs=80):
    layer = Conv1D(
        inputs, outputs, taps, padding="same_upper", dtype=dtype, random_state=0
    )
    bias = np.random.default_rng(1).standard_normal(outputs)
    layer.load_parameters(layer.parameters | {"bias": bias})
    return layer


def batch(dtype, features=64, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((sum(lengths), features)).astype(dtype)
    return Sequences.from_flat(x, lengths)


def gradients(X, dY, weight):
    """dx and dw, sequence by sequence and tap by tap, in float64."""
    taps = weight.shape[1]
    before = (taps - 1) // 2
    dw, dX = np.zeros(weight.shape), []
    for x, dy in zip(X, dY, strict=True):
        steps = len(x)
        padded = np.pad(x.astype("f8"), ((before, taps - 1 - before), (0, 0)))
        dp = np.zeros_like(padded)
        for t in range(taps):
            dw[:, t] += dy.astype("f8").T @ padded[t : t + steps]
            dp[t : t + steps] += dy.astype("f8") @ weight[:, t]
        dX.append(dp[before : before + steps])
    return np.concatenate(dX), dw


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [3, 4, 5])
def test_it_is_the_sum_over_taps(target, taps, dtype):
    layer, X = make(taps, dtype), batch(dtype)
    w = {k: a.astype("f8") for k, a in layer.parameters.items()}
    Y, tape = layer.forward(X)
    right = np.concatenate(
        [reference.conv1d(x.astype("f8"), w["weight"], w["bias"]) for x in X]
    )
    dY = batch(dtype, 80, seed=2)
    dX, grads = layer.backward(tape, dY)
    dx, dw = gradients(X, dY, w["weight"])
    for found, wanted in (
        (Y.values, right), (dX.values, dx), (grads["weight"], dw),
        (grads["bias"], dY.values.sum(0, dtype="f8")),
    ):  # fmt: skip
        assert abs(found - wanted).max() < ROUNDING[dtype] * abs(wanted).max()


@pytest.mark.parametrize("taps", [3, 5])
def test_any_number_of_threads_and_any_company(target, taps):
    layer, X = make(taps, "float32"), batch("float32")
    dY = batch("float32", 80, seed=2)

    def run(threads):
        Y, tape = layer.forward(X, threads=threads)
        dX, grads = layer.backward(tape, dY, threads=threads)
        return [a.tobytes() for a in (Y.values, dX.values, *grads.values())]

    one = run(1)
    assert run(2) == run(3) == run(8) == one
    Y, tape = layer.forward(X)
    dX = layer.backward(tape, dY)[0]
    for j in range(len(X)):
        alone, tape = layer.forward(X[j : j + 1])
        assert alone[0].tobytes() == Y[j].tobytes()
        d = layer.backward(tape, dY[j : j + 1])[0]
        assert d[0].tobytes() == dX[j].tobytes()


def test_nan_stays_where_it_is_seen():
    layer, X = make(5, "float32"), batch("float32", lengths=[50, 50])
    values = X.values.copy()
    values[20, 3] = np.nan
    y = layer.apply(X.with_values(values))
    assert np.isnan(y[18:23]).all()
    assert np.isfinite(y[:15]).all() and np.isfinite(y[28:]).all()
