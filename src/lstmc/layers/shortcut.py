"""Shortcuts: what goes past a recurrent layer, from the one below to the one above."""

from __future__ import annotations

import numpy as np

from .. import _core
from .layer import aligned


class Residual:
    """``y + x``: the layer learns what to add to its input.

    Source: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR
    2016; between recurrent layers: Wu et al.: Google's Neural Machine Translation
    System. 2016.
    """

    def apply(self, x, y, weights, threads):
        """Return ``y`` (steps, width), changed in place."""
        y += x
        return y

    def record(self, x, y, weights, threads):
        """Return the outputs and the tape that `pull` needs."""
        return y + x, None

    def pull(self, tape, d, weights, gradient, threads):
        """Return the gradients at x and at y, and fill in that of the weights."""
        return d, d

    def release(self):
        """Give back the memory that is kept from one training step to the next."""


class Gated(Residual):
    """``y T + x (1 - T)``, ``T = sigmoid(W_T x + b_T)``: a highway layer.

    Parameters
    ----------
    width : int
        Features of x and of y.
    dtype : numpy.dtype
        Of all arrays.
    part : slice
        Where W_T, then b_T, lie in the weights.

    Source: Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015;
    between recurrent layers: Zhang et al.: Highway Long Short-Term Memory RNNs for
    Distant Speech Recognition. ICASSP 2016, without the path between cell states.
    """

    def __init__(self, width, dtype, part):
        self._kernel = _core.Highway(width, 1, 0, 0, dtype == np.float64)
        self._dtype, self._part = dtype, part
        self._spare = None

    def apply(self, x, y, weights, threads):
        """Return ``y`` (steps, width), changed in place."""
        self._kernel.forward(x, y, weights[self._part], y, None, threads)
        return y

    def record(self, x, y, weights, threads):
        """Return the outputs and the tape that `pull` needs."""
        size, out = self._kernel.tape_size(len(x)), np.empty_like(y)
        tape, self._spare = self._spare, None
        if tape is None or len(tape) < size:
            tape = aligned(size, self._dtype)
        self._kernel.forward(x, y, weights[self._part], out, tape, threads)
        return out, tape

    def pull(self, tape, d, weights, gradient, threads):
        """Return the gradients at x and at y, and fill in that of the weights."""
        dx, dy = np.empty_like(d), np.empty_like(d)
        self._kernel.backward(
            d, weights[self._part], tape, dx, dy, gradient[self._part], threads
        )
        self._spare = tape
        return dx, dy

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare = None


def make_shortcuts(packing, residual):
    """One for each layer of a stack, None where nothing goes past."""
    form = packing.form
    width = form.width * form.directions

    def make(layer, part):
        if residual and layer > 0:
            return Residual()
        return Gated(width, form.dtype, part) if part else None

    return [make(layer, part) for layer, part in enumerate(packing.gates)]


def pull_past(shortcut, tape, dy, gradient, threads):
    """Return the gradients past a stack's next layer back and at its outputs.

    None, as ``dy`` may be, stands for zeros.
    """
    gate = tape.gates.pop()
    if dy is None and gate is not None:
        dy = np.zeros_like(tape.outputs[0])
    if dy is None:
        return None, None
    return shortcut.pull(gate, dy, tape.weights, gradient, threads)


def add_past(dx, past):
    """Return ``dx`` with what came past the layer added in place; None: nothing did."""
    if past is not None:
        dx += past
    return dx
