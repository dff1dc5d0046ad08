"""PyTorch: a loop over the steps for each cell, as one writes it where nn has none.

All that needs no state is computed for all steps at once, W x before all; a step has
one product for all gates, where the equations allow. Weights have our names and blocks.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import layer_norm, linear, logsigmoid

from bench.peers.torch import set_up


def build(case, problem, variant):
    """Build a forward pass, or forward and backward with every gradient."""
    if case.cell not in LOOPS:
        raise ValueError(f"cell: expected one of {list(LOOPS)}, got {case.cell!r}")
    set_up(case)
    loop, X = LOOPS[case.cell](problem), torch.from_numpy(problem.X)
    dY = torch.from_numpy(problem.dY)
    extras = {
        name: torch.from_numpy(array)
        for name, array in {"time": problem.time, "static": problem.static}.items()
        if array is not None
    }
    wanted = {"X": X, **extras, **dict(loop.named_parameters())}
    wanted.pop("time", None)

    def infer():
        with torch.inference_mode():
            return loop(X, **extras)

    def train():
        for tensor in wanted.values():
            tensor.grad = None
        Y = loop(X, **extras)
        Y.backward(dY)
        return Y

    def read(Y):
        if case.kind == "inference":
            return {"Y": Y.numpy()}
        gradients = {name: tensor.grad.numpy() for name, tensor in wanted.items()}
        return {"Y": Y.detach().numpy(), "gradients": gradients}

    if case.kind == "inference":
        return infer, read
    for tensor in wanted.values():
        tensor.requires_grad_()
    return train, read


class Loop(nn.Module):
    """One layer and direction; a cell is a `step`, or its own `forward`."""

    states = 2

    def __init__(self, problem):
        super().__init__()
        self.n, self.vectors = problem.shape.h, len(problem.facts["vectors"])
        for name, array in problem.weights.items():
            self.register_parameter(name, nn.Parameter(torch.from_numpy(array)))

    @property
    def W(self):
        return self.weight_ih_l0

    @property
    def R(self):
        return self.weight_hh_l0

    @property
    def b(self):
        return self.bias_l0

    @property
    def v(self):
        """The vectors, each (n,)."""
        return self.vector_l0.view(self.vectors, self.n).unbind()

    def project(self, X):
        """W x + b of all steps (T, B, blocks * n), step by step."""
        return linear(X, self.W, self.b).unbind()

    def zeros(self, X):
        return X.new_zeros(X.shape[1], self.n)

    def forward(self, X):
        """X (T, B, m) to Y (T, B, n)."""
        Y, states, weights = [], (self.zeros(X),) * self.states, self.weights()
        for a in self.project(X):
            states = self.step(a, *states, *weights)
            Y.append(states[0])
        return torch.stack(Y)

    def weights(self):
        """What a step needs beside a and the states, once a call: R' and vectors."""
        return (self.R.t(), *(self.v if self.vectors else ()))


class LSTM(Loop):
    def step(self, a, h, c, R):
        i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * z.tanh()
        return o.sigmoid() * c.tanh(), c


def fed_by_gates(R, gates, rows):
    """R (gates * rows * n, n) as a product of the rows side by side, transposed."""
    n = R.shape[1]
    blocks = R.view(gates, rows, n, n)
    return blocks.transpose(1, 2).reshape(gates * n, rows * n).t()


class LSTM1997(Loop):
    states = 4

    def weights(self):
        return (fed_by_gates(self.R, 3, 3),)

    def step(self, a, h, i, o, c, R):
        i, o, z = torch.addmm(a, torch.cat((h, i, o), 1), R).chunk(3, 1)
        i, o = i.sigmoid(), o.sigmoid()
        c = c + i * (4 * z.sigmoid() - 2)
        return o * (2 * c.sigmoid() - 1), i, o, c


class LSTM1997Modern(Loop):
    def step(self, a, h, c, R):
        i, o, z = torch.addmm(a, h, R).chunk(3, 1)
        c = c + i.sigmoid() * (4 * z.sigmoid() - 2)
        return o.sigmoid() * (2 * c.sigmoid() - 1), c


class Peephole(Loop):
    def step(self, a, h, c, R, p_i, p_f, p_o):
        i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
        i, f = (i + p_i * c).sigmoid(), (f + p_f * c).sigmoid()
        c = f * c + i * z.tanh()
        return (o + p_o * c).sigmoid() * c.tanh(), c


class PeepholeFull(Loop):
    def forward(self, X):
        c, R, Y = self.zeros(X), self.R.t(), []
        i, f, z, o = linear(X, self.W, self.b).chunk(4, 2)
        gates, candidates = torch.cat((i, f, o), 2), z.tanh()
        for a, z in zip(gates.unbind(), candidates.unbind()):
            i, f, o = torch.addmm(a, c, R).sigmoid().chunk(3, 1)
            c = f * c + i * z
            Y.append(o * c.tanh())
        return torch.stack(Y)


class NIG(Loop):
    def step(self, a, h, c, R, p_f, p_o):
        f, z, o = torch.addmm(a, h, R).chunk(3, 1)
        c = (f + p_f * c).sigmoid() * c + z.tanh()
        return (o + p_o * c).sigmoid() * c.tanh(), c


class NFG(Loop):
    def step(self, a, h, c, R, p_i, p_o):
        i, z, o = torch.addmm(a, h, R).chunk(3, 1)
        c = c + (i + p_i * c).sigmoid() * z.tanh()
        return (o + p_o * c).sigmoid() * c.tanh(), c


class NOG(Loop):
    def step(self, a, h, c, R, p_i, p_f):
        i, f, z = torch.addmm(a, h, R).chunk(3, 1)
        i, f = (i + p_i * c).sigmoid(), (f + p_f * c).sigmoid()
        c = f * c + i * z.tanh()
        return c.tanh(), c


class NIAF(Loop):
    def step(self, a, h, c, R, p_i, p_f, p_o):
        i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
        i, f = (i + p_i * c).sigmoid(), (f + p_f * c).sigmoid()
        c = f * c + i * z
        return (o + p_o * c).sigmoid() * c.tanh(), c


class NOAF(Loop):
    def step(self, a, h, c, R, p_i, p_f, p_o):
        i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
        i, f = (i + p_i * c).sigmoid(), (f + p_f * c).sigmoid()
        c = f * c + i * z.tanh()
        return (o + p_o * c).sigmoid() * c, c


class CIFG(Loop):
    def step(self, a, h, c, R, p_i, p_o):
        i, z, o = torch.addmm(a, h, R).chunk(3, 1)
        i = (i + p_i * c).sigmoid()
        c = (1 - i) * c + i * z.tanh()
        return (o + p_o * c).sigmoid() * c.tanh(), c


class FGR(Loop):
    states = 5

    def weights(self):
        n = self.n
        gates = fed_by_gates(self.R[: 12 * n], 3, 4)
        # What z does not read is zero, so that a step has one product; i f o z.
        z = torch.cat((self.R[12 * n :].t(), gates.new_zeros(3 * n, n)))
        return (torch.cat((gates, z), 1), *self.v)

    def project(self, X):
        i, f, z, o = linear(X, self.W, self.b).chunk(4, 2)
        return torch.cat((i, f, o, z), 2).unbind()

    def step(self, a, h, i, f, o, c, R, p_i, p_f, p_o):
        fed = torch.cat((h, i, f, o), 1)
        i, f, o, z = torch.addmm(a, fed, R).chunk(4, 1)
        i, f = (i + p_i * c).sigmoid(), (f + p_f * c).sigmoid()
        c = f * c + i * z.tanh()
        o = (o + p_o * c).sigmoid()
        return o * c.tanh(), i, f, o, c


class GRU(Loop):
    states = 1

    def project(self, X):
        """The last block of b stays: it goes with R h."""
        return linear(X, self.W, self.b[: 3 * self.n]).unbind()

    def weights(self):
        b = torch.cat((self.b.new_zeros(2 * self.n), self.b[3 * self.n :]))
        return self.R.t(), b

    def step(self, a, h, R, b):
        w_r, w_z, w_n = a.chunk(3, 1)
        r, z, m = torch.addmm(b, h, R).chunk(3, 1)
        r, z = (w_r + r).sigmoid(), (w_z + z).sigmoid()
        n = (w_n + r * m).tanh()
        return (n + z * (h - n),)


class GRUBefore(Loop):
    states = 1

    def weights(self):
        return self.R[: 2 * self.n].t(), self.R[2 * self.n :].t()

    def step(self, a, h, R, R_n):
        gates, a_n = a.split((2 * self.n, self.n), 1)
        r, z = torch.addmm(gates, h, R).sigmoid().chunk(2, 1)
        n = torch.addmm(a_n, r * h, R_n).tanh()
        return (n + z * (h - n),)


class RNN(Loop):
    states = 1

    def step(self, a, h, R):
        return (torch.addmm(a, h, R).tanh(),)


class Focused(Loop):
    def forward(self, X):
        [d], h, Y = self.v, self.zeros(X), []
        for y in linear(X, self.W, self.b).tanh().unbind():
            h = torch.addcmul(y, d, h)
            Y.append(h)
        return torch.stack(Y)


class TimeLSTM(Loop):
    def forward(self, X, time):
        n, h, c, Y = self.n, self.zeros(X), self.zeros(X), []
        A = linear(X, self.W, self.b[: 4 * n]).unbind()
        R, R_d, b_d = self.R[: 4 * n].t(), self.R[4 * n :].t(), self.b[4 * n :]
        fades = (1 / torch.log(math.e + time) - 1)[..., None].unbind()
        for a, fade in zip(A, fades):
            i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
            c = c + fade * torch.addmm(b_d, c, R_d).tanh()
            c = f.sigmoid() * c + i.sigmoid() * z.tanh()
            h = o.sigmoid() * c.tanh()
            Y.append(h)
        return torch.stack(Y)


class EntityLSTM(Loop):
    def forward(self, X, static):
        h, c, R, Y = self.zeros(X), self.zeros(X), self.R.t(), []
        i = linear(static, self.weight_static_l0, self.bias_static_l0).sigmoid()
        for a in self.project(X):
            f, z, o = torch.addmm(a, h, R).chunk(3, 1)
            c = f.sigmoid() * c + i * z.tanh()
            h = o.sigmoid() * c.tanh()
            Y.append(h)
        return torch.stack(Y)


class SLSTM(Loop):
    def forward(self, X):
        h = c = n = self.zeros(X)
        m, R, Y = torch.full_like(c, -math.inf), self.R.t(), []
        for a in self.project(X):
            i, f, z, o = torch.addmm(a, h, R).chunk(4, 1)
            kept = logsigmoid(f) + m
            m = torch.maximum(kept, i)
            i, f = (i - m).exp(), (kept - m).exp()
            c = f * c + i * z.tanh()
            n = f * n + i
            h = o.sigmoid() * c / n
            Y.append(h)
        return torch.stack(Y)


class LayerNormLSTM(Loop):
    def forward(self, X):
        n, h, c, Y = self.n, self.zeros(X), self.zeros(X), []
        g_x, g_h, b = self.vector_l0[: 12 * n].chunk(3)
        g_c, b_c = self.vector_l0[12 * n :].chunk(2)
        A = layer_norm(linear(X, self.W), (4 * n,), g_x, b)
        for a in A.unbind():
            a = a + layer_norm(linear(h, self.R), (4 * n,), g_h)
            i, f, z, o = a.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * z.tanh()
            h = o.sigmoid() * layer_norm(c, (n,), g_c, b_c).tanh()
            Y.append(h)
        return torch.stack(Y)


LOOPS = {
    "lstm": LSTM, "lstm1997": LSTM1997, "lstm1997_modern": LSTM1997Modern,
    "peephole": Peephole, "peephole_full": PeepholeFull, "nig": NIG, "nfg": NFG,
    "nog": NOG, "niaf": NIAF, "noaf": NOAF, "np": LSTM, "cifg": CIFG, "fgr": FGR,
    "gru": GRU, "gru_before": GRUBefore, "rnn": RNN, "focused": Focused,
    "tlstm": TimeLSTM, "ealstm": EntityLSTM, "slstm": SLSTM, "layernorm": LayerNormLSTM,
}  # fmt: skip
