"""CTC's loss and gradient with PyTorch."""

from __future__ import annotations

import torch
from torch.nn.functional import ctc_loss, log_softmax

from bench.ctc import CHECKED


def build(case, problem, variant):
    """Build the losses and the gradient of their sum; time stands first, as it wants.

    Everything but the sum is made beforehand.
    """
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    logits = torch.from_numpy(problem[0]).transpose(0, 1).contiguous()
    logits.requires_grad_()
    labels = torch.from_numpy(problem[1])
    steps = torch.full((case.shape.B,), case.shape.T)
    sizes = torch.full((case.shape.B,), case.shape.h)

    def step():
        logits.grad = None
        log_y = log_softmax(logits, 2)
        losses = ctc_loss(log_y, labels, steps, sizes, reduction="none")
        losses.sum().backward()
        return losses

    def read(losses):
        few = logits.grad[:, :CHECKED].transpose(0, 1)
        return {"losses": losses.detach().numpy()[:CHECKED], "gradients": few.numpy()}

    return step, read
