"""A highway stack with PyTorch: two linear layers for each, as one writes it."""

from __future__ import annotations

import torch
from torch import nn

from bench.peers.torch import set_up


class Highway(nn.Module):
    """A layer with coupled gates."""

    def __init__(self, size):
        super().__init__()
        self.transform, self.gate = nn.Linear(size, size), nn.Linear(size, size)

    def forward(self, x):
        """Return H T + x (1 - T), the faster of the ways to write it."""
        return torch.lerp(x, torch.tanh(self.transform(x)), torch.sigmoid(self.gate(x)))


def build(case, problem, variant):
    """Build the outputs, or with training the gradients of weights and inputs."""
    set_up(case)
    x, dy, weights = problem
    x, dy = torch.from_numpy(x), torch.from_numpy(dy)
    stack = nn.Sequential(*(Highway(case.shape.h) for _ in range(case.shape.layers)))
    tensors = {}
    for k, layer in enumerate(stack):
        for column, linear in ("h", layer.transform), ("t", layer.gate):
            for kind, tensor in linear.named_parameters():
                name = f"{kind}_{column}_l{k}"
                tensor.data = torch.from_numpy(weights[name].copy())
                tensors[name] = tensor

    def infer():
        with torch.inference_mode():
            return stack(x)

    def train():
        for tensor in (x, *tensors.values()):
            tensor.grad = None
        y = stack(x)
        y.backward(dy)
        return y

    def read(y):
        if case.kind == "highway":
            return {"y": y.numpy()}
        gradients = {name: t.grad.numpy() for name, t in (tensors | {"x": x}).items()}
        return {"y": y.detach().numpy(), "gradients": gradients}

    if case.kind == "highway":
        return infer, read
    x.requires_grad_()
    return train, read
