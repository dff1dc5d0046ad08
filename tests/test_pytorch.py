"""With PyTorch's weights layers give PyTorch's outputs and gradients, in float64."""

import numpy as np
import pytest

from lstmc.layers import Recurrent

# Ours: the cell, its options, PyTorch's class and options.
PAIRS = {
    "lstm": ("lstm", {}, "LSTM", {}),
    "projection": ("lstm", {"proj_size": 5}, "LSTM", {"proj_size": 5}),
    "gru": ("gru", {}, "GRU", {}),
    "rnn": ("rnn", {}, "RNN", {}),
}


def translated(parameters, cell, n):
    """PyTorch's two biases are one here, but those of the candidate of a GRU."""
    out = {k: v for k, v in parameters.items() if not k.startswith("bias")}
    for name, first in parameters.items():
        if not name.startswith("bias_ih"):
            continue
        second = parameters[name.replace("bias_ih", "bias_hh")]
        merged = first + second
        if cell == "gru":
            merged = np.concatenate([merged[: 2 * n], first[2 * n :], second[2 * n :]])
        out[name.replace("bias_ih", "bias")] = merged
    return out


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_outputs_and_gradients(pair):
    torch = pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    cell, ours, name, theirs = pair
    n, size = 7, {"num_layers": 2, "bidirectional": True}
    peer = getattr(torch.nn, name)(3, n, batch_first=True, **size, **theirs).double()
    layer = Recurrent(3, n, cell, dtype="float64", **size, **ours)
    weights = {k: v.detach().numpy() for k, v in peer.named_parameters()}
    layer.load_parameters(translated(weights, cell, n))
    X = np.random.default_rng(0).standard_normal((4, 6, 3))
    dY = np.random.default_rng(1).standard_normal((4, 6, layer.output_size))
    x = torch.tensor(X, requires_grad=True)
    y, _ = peer(x)
    (y * torch.tensor(dY)).sum().backward()
    Y, _, tape = layer.forward(X)
    dX, _, grads = layer.backward(tape, dY)
    wanted = {k: v.grad.numpy() for k, v in peer.named_parameters()}
    # Float64 sums of some ten products over six steps.
    np.testing.assert_allclose(Y, y.detach().numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(dX, x.grad.numpy(), rtol=0, atol=1e-12)
    for key, gradient in grads.items():
        expected = wanted.get(key)
        if key.startswith("bias"):  # one parameter for the sum has the gradient of each
            expected = wanted[key.replace("bias", "bias_ih")]
            if cell == "gru":
                second = wanted[key.replace("bias", "bias_hh")]
                expected = np.concatenate([expected, second[2 * n :]])
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12)
