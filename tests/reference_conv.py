"""Convolutions in float64 NumPy, tap by tap, and the cells of reference.py over images.

Images have their channels first here, so that the equations of a cell stay as they are.
"""

from itertools import product
from types import SimpleNamespace

import numpy as np
import reference


def correlate(weight, image, dilation):
    """y[o, q] = sum of weight[o, tap, c] image[c, q - before + tap * dilation]."""
    kernel, size = weight.shape[1:-1], image.shape[1:]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    margins = [(0, 0), *((r // 2, r - r // 2) for r in reach)]
    padded = np.pad(image, margins)
    y = np.zeros((len(weight), *size))
    for tap in product(*map(range, kernel)):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        seen = padded[:, *(slice(s, s + n) for s, n in zip(starts, size, strict=True))]
        y += np.tensordot(weight[:, *tap], seen, 1)
    return y


class Convolution:
    """A matrix of weights whose product with an image is their convolution."""

    def __init__(self, weight, dilation):
        self.weight, self.dilation = weight, dilation

    def __matmul__(self, image):
        return correlate(self.weight, image, self.dilation)


def to_front(image):
    """Channels first."""
    return np.moveaxis(image, -1, 0)


def run(cell, parameters, dilation, frames, states):
    """A layer over one sequence of frames (T, *size, channels): outputs and states.

    parameters: weight_ih (blocks, *kernel, inputs), weight_hh, bias and peephole
    (vectors, *size or nothing, units); states (*size, units) each.
    """
    axes, p = frames.ndim - 2, parameters
    w = SimpleNamespace(
        W=Convolution(p["weight_ih"], dilation),
        R=Convolution(p.get("weight_hh"), dilation),
        b=p["bias"].reshape(-1, *[1] * axes),
        squash=np.tanh,
        v=[to_front(v) if v.ndim > 1 else v.reshape(-1, *[1] * axes)
           for v in p.get("peephole", [])],
    )  # fmt: skip
    states = tuple(map(to_front, states))
    outputs = []
    for frame in frames:
        states = reference.find(cell)(to_front(frame), states, w)
        outputs.append(np.moveaxis(states[0], 0, -1))
    return np.array(outputs), [np.moveaxis(s, 0, -1) for s in states]
