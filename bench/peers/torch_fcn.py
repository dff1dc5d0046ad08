"""An epoch of LSTM-FCN with PyTorch, as one writes it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bench.fcn import DROPOUT, EPSILON, FILTERS, TAPS, batches


class Classifier(nn.Module):
    """nn.LSTM on the series as one step, beside Conv1d, BatchNorm1d and ReLU."""

    def __init__(self, shape, dropout):
        super().__init__()
        self.lstm = nn.LSTM(shape.T, shape.h, batch_first=True)
        self.drop = nn.Dropout(dropout)
        stages = []
        for c, taps, f in zip((1, *FILTERS), TAPS, FILTERS):
            # padding="same" copies its input for an even number of taps.
            stages += [
                nn.ZeroPad1d(((taps - 1) // 2, taps // 2)) if taps % 2 == 0 else
                nn.Identity(),
                nn.Conv1d(c, f, taps, padding=0 if taps % 2 == 0 else taps // 2),
                nn.BatchNorm1d(f, eps=EPSILON, momentum=0.01),
                nn.ReLU(inplace=True),
            ]  # fmt: skip
        self.convolutions = nn.Sequential(*stages)
        self.head = nn.Linear(shape.h + FILTERS[-1], shape.d)

    def forward(self, x):
        """Logits of series (B, 1, T): channels first, and one step of T features."""
        h = self.drop(self.lstm(x)[0][:, -1])
        return self.head(torch.cat([h, self.convolutions(x).mean(2)], 1))

    def by_our_names(self):
        """The parameters by the names of lstmc."""
        named = {
            "lstm.weight_ih_l0": self.lstm.weight_ih_l0,
            "lstm.weight_hh_l0": self.lstm.weight_hh_l0,
            "lstm.bias_l0": self.lstm.bias_ih_l0,
            "head.weight": self.head.weight, "head.bias": self.head.bias,
        }  # fmt: skip
        for k in range(len(FILTERS)):
            for name, layer in (("conv", 4 * k + 1), ("norm", 4 * k + 2)):
                module = self.convolutions[layer]
                named[f"{name}{k + 1}.weight"] = module.weight
                named[f"{name}{k + 1}.bias"] = module.bias
        return named


def _model(case, problem, dropout):
    model = Classifier(case.shape, dropout)
    with torch.no_grad():
        nn.init.zeros_(model.lstm.bias_hh_l0)
        for name, parameter in model.by_our_names().items():
            parameter.copy_(_turned(name, torch.from_numpy(problem.weights[name])))
    return model


def _turned(name, array):
    """Convolutions have their taps last here, in the middle there."""
    turned = name.startswith("conv") and array.ndim == 3
    return array.transpose(1, 2) if turned else array


def build(case, problem, variant):
    """Build an epoch."""
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    model = _model(case, problem, DROPOUT)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    pieces = [
        (torch.from_numpy(x)[:, None], torch.from_numpy(y)) for x, y in batches(problem)
    ]

    def step():
        for x, y in pieces:
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()

    def read(_):
        whole = _model(case, problem, 0.0)
        x, y = pieces[0]
        logits = whole(x)
        cross_entropy(logits, y).backward()
        gradient = {
            name: _turned(name, parameter.grad).numpy()
            for name, parameter in whole.by_our_names().items()
        }
        return {"logits": logits.detach().numpy(), "gradient": gradient}

    return step, read
