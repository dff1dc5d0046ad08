"""Losses: exact values, exact gradients, stable at the edges."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from lstmc.losses import LOSSES, binary_cross_entropy, cross_entropy, squared_error

RNG = np.random.default_rng(0)
N, K = 7, 4


def problem(name, dtype=np.float64):
    """Logits, targets and weights of seven samples."""
    targets = {
        "cross_entropy": RNG.integers(0, K, N),
        "binary_cross_entropy": RNG.integers(0, 2, (N, K)),
        "squared_error": RNG.normal(size=(N, K)),
    }
    logits = RNG.normal(size=(N, K)).astype(dtype)
    return logits, targets[name], RNG.uniform(0.5, 2, N)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_the_derivative(name):
    logits, target, weight = problem(name)
    loss = LOSSES[name].gradient
    _, d = loss(logits, target, weight)
    for k in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[k] += 1e-5
        down[k] -= 1e-5
        slope = (loss(up, target, weight)[0] - loss(down, target, weight)[0]) / 2e-5
        # Central differences: 1e-10 from the third derivative, 1e-11 from rounding.
        assert d[k] == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_types(name):
    value, d = LOSSES[name].gradient(*problem(name, np.float32))
    assert type(value) is float
    assert d.dtype == np.float32


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_two_is_a_copy(name):
    loss = LOSSES[name].gradient
    logits, target, _ = problem(name)
    weight = np.ones(N)
    weight[0] = 2
    copied = np.append(np.arange(N), 0)
    value, _ = loss(logits, target, weight)
    again, _ = loss(logits[copied], target[copied], np.ones(N + 1))
    assert value * N == pytest.approx(again * (N + 1), rel=1e-14)


def test_cross_entropy_at_the_edges():
    logits = np.array([[1e4, 0.0], [0.0, 1e4], [40.0, 0.0]])
    value, d = cross_entropy(logits, np.zeros(3, int), np.ones(3))
    assert value == pytest.approx((0 + 1e4 + math.log1p(math.exp(-40))) / 3)
    assert d[0].tolist() == [0, 0]
    assert d[1].tolist() == [-1 / 3, 1 / 3]
    assert d[2, 0] == pytest.approx(-math.exp(-40) / 3)  # 1 - p is not rounded away


@pytest.mark.parametrize("loss", LOSSES)
def test_arrays_may_be_parts_of_larger_ones(loss):
    given = problem(loss)
    value, d = LOSSES[loss].gradient(*given)
    spread = [np.repeat(array, 2, axis=-1)[..., ::2] for array in given]
    assert not any(array.flags.c_contiguous for array in spread)
    value_of_parts, d_of_parts = LOSSES[loss].gradient(*spread)
    assert value_of_parts == value and np.array_equal(d_of_parts, d)


def test_binary_cross_entropy_at_the_edges():
    logits = np.array([[1e4], [-1e4], [-50.0]])
    value, d = binary_cross_entropy(logits, np.array([[1], [1], [0]]), np.ones(3))
    assert value == pytest.approx(1e4 / 3)
    assert d[:2].tolist() == [[0], [-1 / 3]]
    assert d[2, 0] == pytest.approx(math.exp(-50) / 3)


def test_squared_error_of_known_numbers():
    value, d = squared_error(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]]), np.ones(1))
    assert value == 1
    assert d.tolist() == [[1, 0]]


def test_scores_are_those_of_scikit_learn():
    logits, target, weight = problem("cross_entropy")
    assert LOSSES["cross_entropy"].score(logits, target, weight) == pytest.approx(
        accuracy_score(target, logits.argmax(axis=1), sample_weight=weight)
    )
    logits, target, weight = problem("binary_cross_entropy")
    target[:3] = logits[:3] > 0
    assert LOSSES["binary_cross_entropy"].score(logits, target, weight) == (
        pytest.approx(accuracy_score(target, logits > 0, sample_weight=weight))
    )
    logits, target, weight = problem("squared_error")
    target[:, 0] = 1.0  # constant: scikit-learn scores 0 unless hit exactly
    assert LOSSES["squared_error"].score(logits, target, weight) == pytest.approx(
        r2_score(target, logits, sample_weight=weight)
    )
