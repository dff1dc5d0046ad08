"""Learner: recurrent layers under a dense head, with a loss at every step that has one.

What the proofs train: `lstmc.layers` and a solver by hand, since their losses stand at
the steps of a sequence rather than at its end.
"""

import numpy as np

from lstmc.layers import Dense
from lstmc.layers.layer import aligned
from lstmc.losses import LOSSES
from lstmc.sequences import as_sequences
from lstmc.solvers import SGD, Adam, clip_scale, gradient_norm


class Learner:
    """Layers, a head, and one solver over both.

    Parameters
    ----------
    layer : lstmc.layers.Recurrent
    outputs : int
        Logits of a step.
    loss : {"cross_entropy", "binary_cross_entropy", "squared_error"}
        Of one step; the loss of a batch is the mean over the steps that count.
    learning_rate : float
    momentum : float or None, default=None
        Of gradient descent; None: Adam.
    max_grad_norm : float or None, default=1.0
    head_bias : bool, default=True
        Whether the head has biases; else they stay at 0.
    random_state : int, default=0
        Of the head's weights.
    """

    def __init__(
        self, layer, outputs, loss, *, learning_rate, momentum=None, max_grad_norm=1.0,
        head_bias=True, random_state=0,
    ):  # fmt: skip
        self.layer = layer
        self.head = Dense(
            layer.output_size, outputs, dtype=layer.dtype, random_state=random_state
        )
        self.loss = LOSSES[loss].gradient
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.head_bias = head_bias
        self.gradients = [
            aligned(part.n_weights, layer.dtype) for part in (layer, self.head)
        ]
        self.solvers = [
            Adam(part.weights, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
            if momentum is None
            else SGD(part.weights, momentum=momentum, nesterov=False)
            for part in (layer, self.head)
        ]
        self.steps = 0

    def read(self, X):
        """A batch as Sequences of the layer's type."""
        return as_sequences(X, dtype=self.layer.dtype, n_features=self.layer.input_size)

    def logits(self, X, state=None, **extras):
        """Logits of all steps, (steps, outputs), sequence after sequence; and state."""
        y, state = self.layer.apply(self.read(X), state, **extras)
        return self.head.apply(y), state

    def learn(self, X, target, weight=None, state=None, **extras):
        """Take one step of the solver; return the loss before it, and the final state.

        target (steps,) of classes or (steps, outputs), sequence after sequence; weight
        (steps,): 0 where a step has no target; None: all have one.
        """
        x = self.read(X)
        self.steps += 1
        y, after, tape = self.layer.record(
            x, state, dropout_key=(7, self.steps), **extras
        )
        logits, head_tape = self.head.record(y)
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        # LOSSES divide by all steps; the mean is over those that count.
        weight = weight * (len(weight) / max(weight.sum(), 1e-30))
        value, d_logits = self.loss(logits, np.asarray(target), weight)
        dy = self.head.pull(head_tape, d_logits, self.gradients[1])
        if not self.head_bias:
            self.gradients[1][-self.head.output_size :] = 0
        self.layer.pull(tape, dy, None, self.gradients[0], input_gradient=False)
        norm = np.hypot(*(gradient_norm(g) for g in self.gradients))
        scale = clip_scale(norm, self.max_grad_norm)
        for part, solver, gradient in zip(
            (self.layer, self.head), self.solvers, self.gradients, strict=True
        ):
            solver.step(
                part.weights, gradient, learning_rate=self.learning_rate, scale=scale
            )
        return value, after
