"""Memory blocks: cells that share their gates, against the equations of a block."""

import numpy as np
import pytest
import reference

from lstmc.layers import Recurrent
from lstmc.layers.layer import aligned

S = 3  # cells of a block


def blocks_1997(x, states, p, cell_bias):
    """One step of lstm1997 as the paper has it; states: h, i, o, c, gates by block."""
    h, i, o, c = states
    seen = np.concatenate([h, i, o])
    n, blocks = len(c), len(i)
    bias = np.append(p["bias_l0"], np.zeros(0 if cell_bias else n))
    a = p["weight_ih_l0"] @ x + p["weight_hh_l0"] @ seen + bias
    i, o = reference.sigmoid(a[:blocks]), reference.sigmoid(a[blocks : 2 * blocks])
    z = 4 * reference.sigmoid(a[2 * blocks :]) - 2
    c = c + np.repeat(i, S) * z
    return np.repeat(o, S) * (2 * reference.sigmoid(c) - 1), i, o, c


def blocks_with_forget_gates(x, states, p, cell_bias):
    """One step of lstm with blocks; rows of W: i, f by block, z by cell, o by block."""
    h, c = states
    n, blocks = len(c), len(c) // S
    bias = p["bias_l0"]
    if not cell_bias:
        bias = np.insert(bias, [2 * blocks] * n, 0)
    a = p["weight_ih_l0"] @ x + p["weight_hh_l0"] @ h + bias
    i, f, z, o = np.split(a, [blocks, 2 * blocks, 2 * blocks + n])
    i, f, o = (np.repeat(reference.sigmoid(gate), S) for gate in (i, f, o))
    c = f * c + i * np.tanh(z)
    return o * np.tanh(c), c


BLOCKS = {"lstm1997": blocks_1997, "lstm": blocks_with_forget_gates}


@pytest.fixture(params=[(c, b) for c in BLOCKS for b in (True, False)], ids=str)
def case(request):
    cell, cell_bias = request.param
    layer = Recurrent(
        2, 2 * S, cell, block_size=S, cell_bias=cell_bias, dtype="float64",
        random_state=0,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    parameters = {k: rng.standard_normal(v.shape) for k, v in layer.parameters.items()}
    layer.load_parameters(parameters)
    return layer, parameters, rng.standard_normal((5, 2))


def outputs_of(layer, parameters, x):
    """Outputs of the equations; states start at 0."""
    n, step = layer.hidden_size, BLOCKS[layer.cell]
    sizes = {"h": n, "c": n, "i": n // S, "o": n // S}
    states = [np.zeros(sizes[name]) for name in layer.state_names]
    out = []
    for row in x:
        states = step(row, states, parameters, layer.cell_bias)
        out.append(states[0])
    return np.array(out)


def test_outputs(case):
    layer, parameters, x = case
    wanted = outputs_of(layer, parameters, x)
    # Float64 sums of some ten products, five steps.
    np.testing.assert_allclose(layer([x])[0][0], wanted, rtol=0, atol=1e-13)


def test_gradients(case):
    layer, parameters, x = case
    dY = np.random.default_rng(2).standard_normal((5, layer.hidden_size))
    tape = layer.forward([x])[2]
    grads = layer.backward(tape, [dY])[2]
    step = 1e-6
    for name, array in parameters.items():
        direction = np.random.default_rng(3).standard_normal(array.shape)
        losses = [
            np.vdot(
                outputs_of(
                    layer, parameters | {name: array + sign * step * direction}, x
                ),
                dY,
            )
            for sign in (1, -1)
        ]
        wanted = (losses[0] - losses[1]) / (2 * step)
        # Each parameter stands for copies in the kernels: the gradient is of all, and
        # a solver moves them alike.
        got = np.vdot(grads[name], direction)
        assert abs(got - wanted) < 1e-6 * max(1, abs(wanted)), name


def test_copies_stay_equal_under_a_solver(case):
    layer, _, x = case
    tape = layer.forward([x])[2]
    gradient = aligned(layer.n_weights, layer.dtype)
    layer.pull(tape, np.ones((5, layer.hidden_size)), None, gradient)
    layer.weights -= 0.1 * gradient
    once = layer.weights.copy()
    layer.load_parameters(layer.parameters)
    assert layer.weights.tobytes() == once.tobytes()


@pytest.mark.parametrize("cell", ["gru", "gru_before", "peephole", "tlstm"])
def test_cells_without_blocks_refuse_them(cell):
    for wrong in ({"block_size": 2}, {"cell_bias": False}):
        with pytest.raises(ValueError, match="has no gates to share"):
            Recurrent(3, 4, cell, **wrong)
    with pytest.raises(ValueError, match="expected a divisor of hidden_size 4"):
        Recurrent(3, 4, "lstm", block_size=3)


def test_blocks_start_with_the_forget_bias():
    layer = Recurrent(2, 2 * S, "lstm", block_size=S, cell_bias=False, forget_bias=3.0)
    # By block i, f, o; cells have no bias.
    assert layer.parameters["bias_l0"].tolist() == [0, 0, 3, 3, 0, 0]


def test_blocks_start_with_the_power_law():
    n, options = 4 * S, {"forget_bias": "power_law", "random_state": 0}
    layer = Recurrent(2, n, "lstm", block_size=S, **options)
    alone = Recurrent(2, n // S, "lstm", **options)
    gates = n // S
    np.testing.assert_array_equal(
        layer.parameters["bias_l0"][gates : 2 * gates],
        alone.parameters["bias_l0"][gates : 2 * gates],
    )
