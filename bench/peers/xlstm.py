"""xLSTM: the sLSTM cell of the package of its authors, in plain PyTorch ("vanilla").

The cell starts from gates: W x of all steps is one product before it, as in its layer.
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear
from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

from bench.peers.torch import set_up


def build(case, problem, variant):
    """Build forward and backward with every gradient."""
    set_up(case)
    cell, W = make_cell(problem), torch.from_numpy(problem.weights["weight_ih_l0"])
    X, dY = torch.from_numpy(problem.X), torch.from_numpy(problem.dY)
    W.requires_grad_()
    X.requires_grad_()

    def train():
        cell.zero_grad(set_to_none=True)
        W.grad = X.grad = None
        Y, _ = cell(linear(X, W))
        Y.backward(dY)
        return Y

    def read(Y):
        dR, db = cell.recurrent_kernel.grad, cell.bias.grad
        gradients = {
            "X": X.grad,
            "weight_ih_l0": W.grad,
            "weight_hh_l0": dR.permute(2, 0, 3, 1).reshape(W.shape[0], -1),
            "bias_l0": db.permute(1, 0, 2).reshape(-1),
        }
        return {
            "Y": Y.detach().numpy(),
            "gradients": {name: grad.numpy() for name, grad in gradients.items()},
        }

    return train, read


def make_cell(problem):
    """The cell with R and b of a problem; time comes first, as in ours."""
    shape = problem.shape
    cell = sLSTMCell(
        sLSTMCellConfig(
            hidden_size=shape.h,
            num_heads=shape.heads,
            backend="vanilla",
            batch_size=shape.B,
            input_shape="SBGNH",
            output_shape="SBH",
            dtype="float32",
            enable_automatic_mixed_precision=False,
        )
    )
    # Ours are (gates, heads, out, in), in its order of the gates.
    units = shape.h // shape.heads
    R, b = (
        torch.from_numpy(problem.weights[name]).view(4, shape.heads, units, -1)
        for name in ("weight_hh_l0", "bias_l0")
    )
    cell.recurrent_kernel[:] = R.permute(1, 3, 0, 2)
    cell.bias[:] = b[..., 0].permute(1, 0, 2)
    return cell
