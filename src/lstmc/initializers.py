"""Initializers: what the weights of a layer are before training.

Each is a function ``(rng, shape) -> array``; layers take them by name or as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def glorot_uniform(rng, shape):
    """Uniform over +-sqrt(6 / (outputs + inputs)).

    Source: Glorot, Bengio: Understanding the difficulty of training deep feedforward
    neural networks. AISTATS 2010.
    """
    bound = math.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)


def glorot_normal(rng, shape):
    """Normal with variance 2 / (outputs + inputs); source as `glorot_uniform`."""
    return math.sqrt(2 / sum(shape)) * rng.standard_normal(shape)


def orthogonal(rng, shape):
    """A random matrix whose rows, or columns if they are fewer, are orthonormal.

    Source: Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks. ICLR 2014; signs as in Mezzadri: How to
    Generate Random Matrices from the Classical Compact Groups. 2007.
    """
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def identity(rng, shape):
    """Ones on the diagonal.

    Source: Le, Jaitly, Hinton: A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units. 2015.
    """
    return np.eye(*shape)


def uniform(rng, shape):
    """Uniform over +-1 / sqrt(inputs), as PyTorch does for its recurrent layers."""
    bound = 1 / math.sqrt(shape[1])
    return rng.uniform(-bound, bound, shape)


def zeros(rng, shape):
    """Nothing."""
    return np.zeros(shape)


BY_NAME: dict[str, Initializer] = {
    f.__name__: f
    for f in (glorot_uniform, glorot_normal, orthogonal, identity, uniform, zeros)
}


def find_initializer(name: str | Initializer, what: str) -> Initializer:
    """Return the function of a name, or the function itself.

    Raises
    ------
    ValueError
        There is no initializer of that name.
    """
    if callable(name):
        return name
    if name not in BY_NAME:
        raise ValueError(f"{what}: expected one of {list(BY_NAME)}, got {name!r}")
    return BY_NAME[name]


def power_law(units: int, ratio: float = 0.0) -> np.ndarray:
    """Biases of forget gates from 5 down to -7, so that units forget at all speeds.

    Parameters
    ----------
    units : int
        Units of a head.
    ratio : float, default=0.0
        Which layer it is of all: 0 the first, 1 the last.

    Source: Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024, and its
    authors' published settings.

    Examples
    --------
    >>> from lstmc.initializers import power_law
    >>> power_law(3).round(2)
    array([ 5.  , -4.75, -7.  ])
    """
    place = np.arange(units) / max(1, units - 1)
    return 5 - 12 * place ** (0.3 + 1.3 * ratio)
