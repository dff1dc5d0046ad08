"""PyTorch, step by step: nn.LSTM on sequences of one step, or nn.LSTMCell."""

from __future__ import annotations

import numpy as np
import torch

from bench.peers.torch import make_module


def build(case, problem, variant):
    """Build a loop over the steps; the variant is ``module`` or ``cell``."""
    module, shape = make_module(case, problem), case.shape
    steps = list(torch.from_numpy(problem.X))
    zeros = torch.zeros(shape.B, shape.h)
    if variant == "cell":
        cell = torch.nn.LSTMCell(shape.d, shape.h)
        weights = module.state_dict().items()
        cell.load_state_dict({name.removesuffix("_l0"): w for name, w in weights})

        def advance(x, state):
            return cell(x, state)

        first = (zeros, zeros)
    else:

        def advance(x, state):
            return module(x, state)[1]

        steps = [x[None] for x in steps]
        first = (zeros[None], zeros[None])

    def run():
        state = first
        with torch.inference_mode():
            for x in steps:
                state = advance(x, state)
        return state

    def read(last):
        state, outputs = first, []
        with torch.inference_mode():
            for x in steps:
                state = advance(x, state)
                outputs.append(state[0].numpy().reshape(shape.B, shape.h))
        return {"Y": np.array(outputs)}

    return run, read
