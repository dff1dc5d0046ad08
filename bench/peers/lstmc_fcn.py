"""An epoch of LSTM-FCN with lstmc: what a fit does between two looks at the loss."""

from __future__ import annotations

import numpy as np

from bench.fcn import DROPOUT, EPSILON, batches
from lstmc import Sequences
from lstmc.losses import LOSSES
from lstmc.networks.lstm_fcn import LSTMFCN
from lstmc.solvers import Adam


def _network(case, problem, dropout):
    shape = case.shape
    network = LSTMFCN(
        1, shape.h, output_size=shape.d, dimension_shuffle=True, steps=shape.T,
        dropout=dropout, norm_epsilon=EPSILON, random_state=0,
    )  # fmt: skip
    network.load_parameters(network.parameters | problem.weights)
    return network


def build(case, problem, variant):
    """Build an epoch."""
    network = _network(case, problem, DROPOUT)
    solver = Adam(network.weights, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    loss = LOSSES["cross_entropy"].gradient
    pieces = [(Sequences.from_padded(x), y) for x, y in batches(problem)]

    def learn(network, x, y, step):
        return network.loss_and_gradient(
            x, y, np.ones(len(y)), loss, dropout_key=(0, step), threads=case.threads
        )

    def step():
        for x, y in pieces:
            learn(network, x, y, solver.steps)
            solver.step(network.weights, network.gradient, learning_rate=1e-3)

    def read(_):
        whole = _network(case, problem, 0.0)
        x, y = pieces[0]
        logits = whole.record(x, threads=case.threads)[0]
        learn(whole, x, y, 0)
        found = whole.copy()
        found.weights[:] = whole.gradient
        gradient = {
            f"{prefix}.{name}": array
            for prefix, layer in found._layers.items()
            for name, array in layer._read().items()
        }
        return {"logits": logits, "gradient": gradient}

    return step, read
