"""ConvLSTM with PyTorch: one conv2d over x and h at each step, channels last."""

from __future__ import annotations

import torch
from torch.nn.functional import conv2d

LAST = torch.channels_last


def forward(x, weight, bias):
    """Outputs (T, B, h, size, size) of frames (T, B, d, size, size)."""
    units = len(bias) // 4
    h = x.new_zeros(x.shape[1], units, *x.shape[3:]).to(memory_format=LAST)
    c, outputs = h, []
    for frame in x.unbind(0):
        seen = torch.cat([frame, h], 1)
        a = conv2d(seen, weight, bias, padding="same")
        i, f, z, o = a.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(z)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


def _steps(array):
    """(B, T, size, size, channels) as steps of channels-last images."""
    return torch.from_numpy(array).permute(1, 0, 4, 2, 3)


def build(case, problem, variant):
    """Build a forward pass, or one with the gradients of the weights."""
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    training = case.kind == "convlstm-training"
    both = torch.cat([torch.from_numpy(a) for a in (problem.w, problem.r)], 3)
    weight = both.permute(0, 3, 1, 2).contiguous(memory_format=LAST)
    weight.requires_grad_(training)
    bias = torch.from_numpy(problem.b).clone().requires_grad_(training)
    x = torch.stack([f.contiguous(memory_format=LAST) for f in _steps(problem.x)])
    dy = _steps(problem.dy)

    def infer():
        with torch.inference_mode():
            return forward(x, weight, bias)

    def train():
        weight.grad = bias.grad = None
        y = forward(x, weight, bias)
        y.backward(dy)
        return y

    def read(_):
        few = problem.few
        weight.grad = bias.grad = None
        y = forward(_steps(few.x), weight, bias)
        answer = {"Y": y.detach()[:, 0].permute(0, 2, 3, 1).numpy()}
        if training:
            y.backward(_steps(few.dy))
            found = weight.grad.permute(0, 2, 3, 1)
            parts = found.split([case.shape.d, case.shape.h], 3)
            answer["gradients"] = [p.numpy() for p in parts] + [bias.grad.numpy()]
        return answer

    return train if training else infer, read
