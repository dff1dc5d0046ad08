"""Multidimensional LSTM with PyTorch: a loop over the cells, the images as a batch.

What does not depend on other cells, W x + b, is one product before the loop.
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from bench.mdlstm import DIRECTIONS


def sweep(x, W, U, b, p):
    """Outputs (B, H, T, n) of a sweep from the first corner of x (B, H, T, m)."""
    a_x = linear(x, W, b)
    B, height, width, _ = a_x.shape
    zeros = a_x.new_zeros(B, p.shape[1])
    h = [[zeros] * (width + 1) for _ in range(height + 1)]  # [-1]: outside
    c = [[zeros] * (width + 1) for _ in range(height + 1)]
    for i in range(height):
        for j in range(width):
            c_0, c_1 = c[i - 1][j], c[i][j - 1]
            before = torch.cat([h[i - 1][j], h[i][j - 1]], 1)
            a = a_x[:, i, j] + before @ U.T
            a_i, a_f0, a_f1, a_z, a_o = a.chunk(5, 1)
            gate = torch.sigmoid(a_i + p[0] * (c_0 + c_1))
            f_0 = torch.sigmoid(a_f0 + p[1] * c_0)
            f_1 = torch.sigmoid(a_f1 + p[2] * c_1)
            c[i][j] = gate * torch.tanh(a_z) + f_0 * c_0 + f_1 * c_1
            h[i][j] = torch.sigmoid(a_o + p[3] * c[i][j]) * torch.tanh(c[i][j])
    rows = [torch.stack(row[:width], 1) for row in h[:height]]
    return torch.stack(rows, 1)


def forward(x, weights):
    """Outputs of all directions, side by side."""
    found = []
    for own, direction in zip(weights, DIRECTIONS):
        turned = [1 + d for d in range(2) if direction >> d & 1]
        found.append(sweep(x.flip(turned), *own).flip(turned))
    return torch.cat(found, -1)


def build(case, problem, variant):
    """Build a forward pass, or one with the gradients of the weights."""
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    x, dy = torch.from_numpy(problem.x), torch.from_numpy(problem.dy)
    training = case.kind == "mdlstm-training"
    weights = [
        [torch.from_numpy(array).requires_grad_(training) for array in own]
        for own in problem.weights
    ]

    def infer():
        with torch.inference_mode():
            return forward(x, weights)

    def train():
        for own in weights:
            for array in own:
                array.grad = None
        y = forward(x, weights)
        (y * dy).sum().backward()
        return y

    def read(y):
        answer = {"Y": y.detach().numpy()}
        if training:
            answer["gradients"] = [[a.grad.numpy() for a in own] for own in weights]
        return answer

    return train if training else infer, read
