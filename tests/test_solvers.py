"""Solvers: the updates of scikit-learn's, and the schedules under their names."""

import math

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from lstmc.solvers import SGD, Adam, Schedule, clip_scale, gradient_norm

RNG = np.random.default_rng(0)
SIZE = 37  # no multiple of a vector


def compare(ours, theirs, rtol):
    """Take ten steps with both along the same gradients."""
    weights = RNG.normal(size=SIZE)
    expected = weights.copy()
    for _ in range(10):
        gradient = RNG.normal(size=SIZE)
        ours.step(weights, gradient, learning_rate=0.1)
        theirs.update_params([expected], [gradient])
        np.testing.assert_allclose(weights, expected, rtol=rtol)


def test_adam_is_that_of_scikit_learn():
    weights = np.zeros(SIZE)
    ours = Adam(weights, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    # Where epsilon enters, before or after the bias correction, moves a step by 1e-8.
    compare(ours, AdamOptimizer([weights], 0.1, 0.9, 0.99, 1e-8), rtol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_that_of_scikit_learn(momentum, nesterov):
    weights = np.zeros(SIZE)
    ours = SGD(weights, momentum=momentum, nesterov=nesterov)
    theirs = SGDOptimizer([weights], 0.1, "constant", momentum, nesterov)
    compare(ours, theirs, rtol=1e-12)  # some tens of roundings


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_multiplies_the_gradient(dtype):
    gradient = RNG.normal(size=SIZE).astype(dtype)
    for make in (
        lambda w: Adam(w, beta_1=0.9, beta_2=0.99, epsilon=1e-8),
        lambda w: SGD(w, momentum=0.9, nesterov=True),
    ):
        scaled, given = np.zeros(SIZE, dtype), np.zeros(SIZE, dtype)
        make(scaled).step(scaled, gradient, learning_rate=0.1, scale=0.25)
        make(given).step(given, gradient * dtype(0.25), learning_rate=0.1)
        assert scaled.tobytes() == given.tobytes()


def test_clipping():
    gradient = np.array([3.0, 4.0])
    norm = gradient_norm(gradient)
    assert norm == 5
    assert clip_scale(norm, 1.0) == 0.2
    assert clip_scale(norm, 5.0) == clip_scale(norm, None) == 1
    assert math.isnan(gradient_norm(np.array([math.nan, 1.0])))


def test_schedules():
    constant = Schedule("constant", 0.1, 0.5)
    constant.end_epoch(99)
    assert constant.learning_rate == 0.1
    assert constant.stops_at_plateau()
    inverse = Schedule("invscaling", 0.1, 0.5)
    inverse.end_epoch(99)
    assert inverse.learning_rate == pytest.approx(0.01)
    assert inverse.stops_at_plateau()
    adaptive = Schedule("adaptive", 1e-5, 0.5)
    assert [adaptive.stops_at_plateau() for _ in range(3)] == [False, False, True]
    assert adaptive.learning_rate == pytest.approx(4e-7)
