"""What weights are before training."""

import math

import numpy as np
import pytest
from conftest import needed_by

from lstmc import initializers
from lstmc.layers import Recurrent


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60)])
def test_orthogonal(shape):
    q = initializers.orthogonal(np.random.default_rng(0), shape)
    gram = q @ q.T if shape[0] <= shape[1] else q.T @ q
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-13)


def test_spreads():
    rng = np.random.default_rng(0)
    uniform = initializers.glorot_uniform(rng, (300, 100))
    assert np.abs(uniform).max() <= math.sqrt(6 / 400)
    assert uniform.std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    normal = initializers.glorot_normal(rng, (300, 100))
    assert normal.std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    torch_like = initializers.uniform(rng, (300, 100))
    assert 0.099 < np.abs(torch_like).max() <= 0.1


def test_the_power_law():
    # The settings of xLSTM's authors, units 0 to 7 of the first layer.
    ratio, n = 0.0, 8
    wanted = [-(-5 + 12 * (j / (n - 1)) ** (0.3 + 1.3 * ratio)) for j in range(n)]
    np.testing.assert_allclose(initializers.power_law(n, ratio), wanted)
    assert initializers.power_law(1).tolist() == [5]


def test_layers_take_them_by_name_and_by_hand():
    layer = Recurrent(
        5, 6, "lstm", input_initializer="zeros", recurrent_initializer="identity",
        forget_bias=3,
    )  # fmt: skip
    parameters = layer.parameters
    assert not parameters["weight_ih_l0"].any()
    assert np.array_equal(parameters["weight_hh_l0"], np.tile(np.eye(6), (4, 1)))
    assert parameters["bias_l0"].tolist() == [0] * 6 + [3] * 6 + [0] * 12
    twos = Recurrent(5, 6, input_initializer=lambda rng, shape: np.full(shape, 2))
    assert (twos.parameters["weight_ih_l0"] == 2).all()


def test_each_head_has_its_own_power_law():
    layer = Recurrent(
        4, 16, "slstm", num_layers=2, num_heads=2, forget_bias="power_law"
    )
    for k, ratio in ((0, 0.0), (1, 1.0)):
        forget = layer.parameters[f"bias_l{k}"][16:32]
        wanted = np.tile(initializers.power_law(8, ratio), 2)
        np.testing.assert_allclose(forget, wanted, rtol=1e-6)


def test_recurrent_blocks_are_orthogonal_one_by_one(make_layer, option):
    layer = Recurrent(3, 9, option[0], dtype="f8", **needed_by(option[0]))
    for block in layer.parameters.get("weight_hh_l0", np.zeros((0, 9))).reshape(
        -1, 9, 9
    ):
        np.testing.assert_allclose(block @ block.T, np.eye(9), atol=1e-13)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"input_initializer": "ones"},
            r"input_initializer: expected one of \[.*'ones'",
        ),
        ({"recurrent_initializer": "x"}, r"recurrent_initializer: expected one of"),
        ({"forget_bias": "law"}, 'forget_bias: expected a number or "power_law", got'),
        ({"forget_bias": True}, "forget_bias: expected a number"),
    ],
)
def test_wrong_names(wrong, said):
    with pytest.raises(ValueError, match=said):
        Recurrent(3, 4, **wrong)
