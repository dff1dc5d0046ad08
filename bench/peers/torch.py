"""PyTorch: nn.LSTM and nn.GRU, time first, the oneDNN kernels it chooses itself.

Ragged batches are packed, as its manual tells.
"""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bench.problem import merge_bias_gradients, pair_of_biases, suffixes

MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def build(case, problem, variant):
    """Build a forward pass, or forward and backward with every gradient."""
    shape = problem.shape
    module = make_module(case, problem)
    X, dY = torch.from_numpy(problem.X), torch.from_numpy(problem.dY)
    lengths = torch.from_numpy(shape.lengths)

    def run():
        if not shape.shortest:
            return module(X)[0]
        packed = pack_padded_sequence(X, lengths, enforce_sorted=False)
        return pad_packed_sequence(module(packed)[0], total_length=shape.T)[0]

    def infer():
        with torch.no_grad():
            return run()

    def train():
        module.zero_grad(set_to_none=True)
        X.grad = None
        Y = run()
        Y.backward(dY)
        return Y

    def read(Y):
        if case.kind == "inference":
            return {"Y": Y.numpy()}
        gradients = {name: p.grad.numpy() for name, p in module.named_parameters()}
        for suffix, _ in suffixes(shape):
            pair = (gradients.pop(f"bias_{side}_{suffix}") for side in ("ih", "hh"))
            gradients[f"bias_{suffix}"] = merge_bias_gradients(*pair, case.cell)
        return {"Y": Y.detach().numpy(), "gradients": {"X": X.grad.numpy()} | gradients}

    if case.kind == "inference":
        return infer, read
    X.requires_grad_()
    return train, read


def make_module(case, problem):
    """Set PyTorch up, and make the module with the weights of a problem."""
    set_up(case)
    shape = problem.shape
    module = MODULES[problem.cell](
        shape.d,
        shape.h,
        shape.layers,
        bidirectional=shape.directions == 2,
        dtype=getattr(torch, shape.dtype),
    )
    weights = dict(problem.weights)
    for suffix, _ in suffixes(shape):
        b_x, b_h = pair_of_biases(weights.pop(f"bias_{suffix}"), case.cell)
        weights |= {f"bias_ih_{suffix}": b_x, f"bias_hh_{suffix}": b_h}
    module.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    return module


def set_up(case):
    """So many threads, and no denormals, as in lstmc's own."""
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
