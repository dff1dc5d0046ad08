"""PyTorch: nn.LSTM and nn.GRU, time first, the oneDNN kernels it chooses itself."""

from __future__ import annotations

import torch

MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def build(problem, kind, threads):
    """Build a forward pass, or forward and backward with every gradient."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    shape = problem.shape
    module = MODULES[problem.cell](
        shape.d, shape.h, shape.layers, bidirectional=shape.directions == 2
    )
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in problem.weights.items()}
    )
    X, dY = torch.from_numpy(problem.X), torch.from_numpy(problem.dY)

    def infer():
        with torch.no_grad():
            return module(X)[0]

    def train():
        module.zero_grad(set_to_none=True)
        X.grad = None
        Y = module(X)[0]
        Y.backward(dY)
        return Y

    def read(Y):
        if kind == "inference":
            return {"Y": Y.numpy()}
        gradients = {name: p.grad.numpy() for name, p in module.named_parameters()}
        return {"Y": Y.detach().numpy(), "gradients": {"X": X.grad.numpy()} | gradients}

    if kind == "inference":
        return infer, read
    X.requires_grad_()
    return train, read
