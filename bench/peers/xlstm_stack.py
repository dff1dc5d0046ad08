"""Blocks and stacks of an xLSTM with the package of its authors, in plain PyTorch."""

from __future__ import annotations

import runpy

import numpy as np
import torch

from bench.equations import TESTS
from bench.peers.torch import set_up
from bench.xlstm_stack import ours


def build(case, problem, variant):
    """Build forward and backward of a batch, or steps."""
    set_up(case)
    shape = case.shape
    make = runpy.run_path(str(TESTS / "make_xlstm.py"))["make_stack"]
    stack = make(list(case.kinds), shape.d, shape.heads, shape.T)
    weights = {name: torch.from_numpy(a) for name, a in problem["weights"].items()}
    stack.load_state_dict(weights)
    x, dy = torch.from_numpy(problem["x"]), torch.from_numpy(problem["dy"])
    if case.kind == "stack-step":
        return build_steps(stack, x)
    x.requires_grad_()

    def train():
        stack.zero_grad(set_to_none=True)
        x.grad = None
        y = stack(x)
        y.backward(dy)
        return y

    def read(y):
        found = {name: p.grad.numpy() for name, p in stack.named_parameters()}
        # Our names; what is added to 1 has the gradient of the sum.
        at, along = ours(problem["weights"]), {}
        moved = {n: problem["weights"][n] + found[n] for n in problem["weights"]}
        for name, array in ours(moved).items():
            along[name] = array - at[name]
        return {"y": y.detach().numpy(), "gradients": along | {"x": x.grad.numpy()}}

    return train, read


def build_steps(stack, x):
    """Step after step from nothing, each in a call."""
    steps = [x[:, t : t + 1] for t in range(x.shape[1])]

    def answers():
        state = None
        with torch.inference_mode():
            for step in steps:
                y, state = stack.step(step, state=state)
                yield y

    def run():
        for y in answers():
            last = y
        return last

    def read(_):
        return {"y": np.concatenate([y.numpy() for y in answers()], axis=1)}

    return run, read
