"""The matrix memory of the mLSTM with the package of its authors, in plain PyTorch."""

from __future__ import annotations

import functools

import torch
from mlstm_kernels.torch.chunkwise.native import mlstm_chunkwise__native_autograd
from xlstm.blocks.mlstm.backends import (
    chunkwise_simple,
    parallel_stabilized_simple,
    recurrent_step_stabilized_simple,
)

from bench.mlstm import NAMES
from bench.peers.torch import set_up

CHUNKWISE = {
    "chunkwise": chunkwise_simple,
    "kernels": functools.partial(
        mlstm_chunkwise__native_autograd,
        chunk_size=64,
        autocast_kernel_dtype=torch.float32,
    ),
}


def build(case, problem, variant):
    """Build forward and backward in the parallel or chunkwise form, or steps."""
    set_up(case)
    shape = case.shape
    heads = {
        name: torch.from_numpy(array)
        .view(shape.B, shape.T, shape.heads, -1)
        .transpose(1, 2)
        .contiguous()
        for name, array in problem.items()
    }
    dh = heads.pop("dh")
    if case.kind == "mlstm-step":
        return build_steps(heads, shape)
    mask = torch.tril(torch.ones(shape.T, shape.T, dtype=torch.bool))
    for tensor in heads.values():
        tensor.requires_grad_()

    def train():
        for tensor in heads.values():
            tensor.grad = None
        gates = [heads[name] for name in "if"]
        inputs = [heads[name] for name in "qkv"]
        if variant:
            flat = [gate[..., 0] for gate in gates]
            h = CHUNKWISE[variant](*inputs, *flat)
        else:
            h = parallel_stabilized_simple(*inputs, *gates, mask)
        h.backward(dh)
        return h

    def read(h):
        def first(tensor):
            return tensor[0].transpose(0, 1).reshape(shape.T, -1).numpy()

        return {
            "h": first(h.detach()),
            "gradients": {name: first(heads[name].grad) for name in NAMES},
        }

    return train, read


def build_steps(heads, shape):
    """Step after step from zeros, each in a call.

    The function squeezes its arguments in place, so each step hands it views.
    """
    d = shape.d // shape.heads
    zeros = [
        torch.zeros(1, shape.heads, d, d),
        torch.zeros(1, shape.heads, d, 1),
        torch.zeros(1, shape.heads, 1, 1),
    ]
    steps = [
        [heads[name][:, :, t : t + 1] for name in NAMES] for t in range(shape.T)
    ]  # fmt: skip

    def answers():
        state = zeros
        with torch.inference_mode():
            for step in steps:
                views = [x[:] for x in step]
                h, state = recurrent_step_stabilized_simple(*state, *views)
                yield h

    def run():
        for h in answers():
            last = h
        return last

    def read(_):
        return {"h": torch.cat([h.reshape(1, -1) for h in answers()]).numpy()}

    return run, read
