"""Pyramid: multidimensional LSTM layers under one another, with blocks between them.

    x_0 = blocks of the image                        all their channels side by side
    y_k = MDLSTM_k(x_k)                              from all corners
    x_k+1 = tanh(W_k blocks of y_k + b_k)            smaller, and more units
    logits = V pool(y_last) + b                      pool: mean or sum of the cells, or
                                                     sums of columns: a sequence

Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional Recurrent
Neural Networks. NIPS 2008.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from ..layers import MDLSTM, Blocks, Collapse, Dense
from ..layers.blocks import cut_blocks
from ..layers.layer import aligned
from ..sequences import Sequences
from .recurrent import whole_lines

POOLINGS = ("mean", "sum")  # and "columns": each has logits of its own

# Initial weights that are overwritten before anyone sees them.
UNDRAWN = {
    "input_initializer": "zeros",
    "recurrent_initializer": "zeros",
    "random_state": 0,
}


class Pyramid:
    """A network over images, with the face of a `Network`.

    Parameters
    ----------
    input_size : int
        Channels.
    hidden_size : sequence of int
        Units of each direction of each layer, from the lowest.
    output_size : int
        Number of logits.
    block_size : sequence of tuples of int
        Cells of a block along each dimension, below each layer: those of the image
        itself first.
    feedforward_size : sequence of int or None, default=None
        Units of the blocks between layers, one less than layers; None: as many as a
        direction of the layer above has.
    ndim : {2, 3}, default=2
        Dimensions of an image.
    pooling : {"mean", "sum", "columns"}, default="mean"
        What the head sees: the mean or the sum of the outputs of all cells, or at each
        place along the last dimension the sum over all others.
    dropout : float, default=0.0
        Share of units dropped in training: of the blocks between layers, and of what
        the head sees.
    input_initializer, recurrent_initializer : str or callable
        As `layers.MDLSTM` takes them.
    forget_bias : float or None, default=None
        As `layers.MDLSTM` takes it.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    layers : dict of str to Layer
        ``mdlstm0``, ``blocks1``, ``mdlstm1`` ... ``head``.
    config, weights, gradient
        As in `Network`.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.images import as_images
    >>> from lstmc.networks.pyramid import Pyramid
    >>> network = Pyramid(1, (4, 8), output_size=3, block_size=((2, 2), (2, 2)))
    >>> network.apply(as_images(np.zeros((5, 9, 12)))).shape
    (5, 3)
    """

    def __init__(
        self, input_size, hidden_size, *, output_size, block_size,
        feedforward_size=None, ndim=2, pooling="mean", dropout=0.0,
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=None, dtype="float32", random_state=None, architecture="pyramid",
    ):  # fmt: skip
        sizes = check_sizes(hidden_size, block_size, feedforward_size, ndim)
        if pooling not in (*POOLINGS, "columns"):
            raise ValueError(
                f"pooling: expected one of {(*POOLINGS, 'columns')}, got {pooling!r}"
            )
        self.config = {
            "architecture": architecture, "input_size": int(input_size), **sizes,
            "output_size": int(output_size), "ndim": int(ndim), "pooling": pooling,
            "dropout": float(dropout), "dtype": np.dtype(dtype).name,
        }  # fmt: skip
        rng = np.random.default_rng(random_state)
        options = {
            "input_initializer": input_initializer, "forget_bias": forget_bias,
            "recurrent_initializer": recurrent_initializer, "ndim": ndim,
        }  # fmt: skip
        own = {"dtype": dtype}
        blocks, forward = sizes["block_size"], sizes["feedforward_size"]
        width = int(input_size) * math.prod(blocks[0])
        self.layers: dict[str, Any] = {}
        for k, units in enumerate(sizes["hidden_size"]):
            own["random_state"] = int(rng.integers(2**31))
            if k > 0:
                self.layers[f"blocks{k}"] = Blocks(
                    width, forward[k - 1], blocks[k], **own
                )
                width = forward[k - 1]
            own["random_state"] = int(rng.integers(2**31))
            self.layers[f"mdlstm{k}"] = MDLSTM(width, units, **options, **own)
            width = self.layers[f"mdlstm{k}"].output_size
        own["random_state"] = int(rng.integers(2**31))
        self.layers["head"] = Dense(width, int(output_size), **own)
        self.collapse = Collapse(ndim=ndim)
        self._gather(dtype)

    def _gather(self, dtype):
        """All weights in one buffer, each layer's on cache lines of its own."""
        self._parts, start = {}, 0
        for name, layer in self.layers.items():
            self._parts[name] = slice(start, start + layer.n_weights)
            start += whole_lines(layer.n_weights, dtype)
        self.weights, self.gradient = aligned(start, dtype), aligned(start, dtype)
        self.weights[:] = self.gradient[:] = 0
        for name, layer in self.layers.items():
            layer.bind(self.weights[self._parts[name]])

    @property
    def parameters(self):
        """Read-only copies of all weights: a dict ``"<layer>.<name>"``."""
        return {
            f"{prefix}.{name}": array
            for prefix, layer in self.layers.items()
            for name, array in layer.parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        network = cls(**config, **UNDRAWN)
        own: dict[str, dict] = {prefix: {} for prefix in network.layers}
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            own[prefix][name] = array
        for prefix, layer in network.layers.items():
            layer.load_parameters(own[prefix])
        return network

    def copy(self):
        """Return a network of the same weights in buffers of its own."""
        twin = Pyramid(**self.config, **UNDRAWN)
        twin.weights[:] = self.weights
        return twin

    def __reduce__(self):
        return Pyramid.from_parameters, (self.config, self.parameters)

    def apply(self, x, *, threads=0):
        """Return the logits (n, output_size) of the `Images` ``x``.

        With ``pooling="columns"``: those of each place, as `Sequences`.
        """
        for name, layer in self.layers.items():
            if name == "mdlstm0":
                x, _ = cut_blocks(x, self.config["block_size"][0])
            if name == "head":
                break
            y = layer.apply(x, threads=threads)
            x = y if name.startswith("blocks") else x.with_values(y)
        pooled = self._pool(x)
        logits = self.layers["head"].apply(_values(pooled), threads=threads)
        return pooled.with_values(logits) if isinstance(pooled, Sequences) else logits

    def loss_and_gradient(
        self, x, target, weight, loss, *, dropout_key=(0, 0), threads=0
    ):
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        As in `Network`.
        """
        x, _ = cut_blocks(x, self.config["block_size"][0])
        tapes, drops = {}, {}
        for k, (name, layer) in enumerate(self.layers.items()):
            if name == "head":
                break
            y, tapes[name] = layer.record(x, threads=threads)
            if name.startswith("blocks"):
                x = y.with_values(self._drop(y.values.copy(), dropout_key, k))
                drops[name] = k
            else:
                x = x.with_values(y)
        pooled = self._pool(x)
        number = len(self.layers)
        features = self._drop(_values(pooled).copy(), dropout_key, number)
        logits, head = self.layers["head"].record(features, threads=threads)
        if isinstance(pooled, Sequences):
            logits = pooled.with_values(logits)
        value, d_logits = loss(logits, target, weight)
        dy = self._pull_layer("head", head, d_logits, threads=threads)
        dy = self._pull_pool(x, self._drop(dy, dropout_key, number))
        for name in reversed(tapes):
            if name in drops:
                dy = self._drop(dy, dropout_key, drops[name])
            first = name == "mdlstm0"
            dy = self._pull_layer(
                name, tapes[name], dy, input_gradient=not first, threads=threads
            )
        return value

    def _pull_layer(self, name, tape, dy, **options):
        return self.layers[name].pull(
            tape, dy, self.gradient[self._parts[name]], **options
        )

    def _drop(self, values, key, number):
        """Drop units in place, by a seed for each place of the network."""
        if self.config["dropout"]:
            seed, stream = key[0] + number, key[1]
            _core.dropout(values.reshape(-1), self.config["dropout"], seed, stream)
        return values

    def _pool(self, x):
        """What the head sees of the outputs of the last layer."""
        if self.config["pooling"] == "columns":
            return self.collapse.apply(x)
        if len(x) == 0:
            return np.zeros((0, x.n_features), x.dtype)
        pooled = np.add.reduceat(x.values, x.offsets[:-1], axis=0)
        return pooled / self._share(x)

    def _share(self, x):
        """What sums over the cells of each image are divided by."""
        if self.config["pooling"] == "sum":
            return np.ones((len(x), 1), x.dtype)
        return x.lengths[:, None].astype(x.dtype)

    def _pull_pool(self, x, d_pooled):
        if self.config["pooling"] == "columns":
            return self.collapse.pull(x, d_pooled)
        return np.repeat(d_pooled / self._share(x), x.lengths, axis=0)

    def release(self):
        """Give back what is kept from one training step to the next: nothing."""

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        total = 0.0
        for name, layer in self.layers.items():
            weights = self.weights[self._parts[name]]
            gradient = self.gradient[self._parts[name]]
            for piece in layer.penalised:
                gradient[piece] += strength * weights[piece]
                total += _core.squared_norm(weights[piece])
        return 0.5 * strength * total


def _values(pooled):
    return pooled.values if isinstance(pooled, Sequences) else pooled


def count_frames(shapes, block_size):
    """Places along the last dimension that images of these shapes end up with.

    Examples
    --------
    >>> count_frames(np.array([[24, 100], [24, 9]]), [(3, 4), (2, 2)]).tolist()
    [13, 2]
    """
    found = shapes[:, -1]
    for block in block_size:
        found = -(-found // block[-1])
    return found


def check_sizes(hidden_size, block_size, feedforward_size, ndim):
    """Return the sizes as lists of ints, as JSON keeps them, or raise ValueError.

    Examples
    --------
    >>> check_sizes(8, [(2, 2)], None, 2)
    {'hidden_size': [8], 'block_size': [[2, 2]], 'feedforward_size': []}
    """
    if ndim not in (2, 3):
        raise ValueError(f"ndim: expected 2 or 3, got {ndim!r}")
    units = [hidden_size] if np.ndim(hidden_size) == 0 else list(hidden_size)
    blocks = [list(block) for block in block_size]
    between = units[1:] if feedforward_size is None else list(feedforward_size)
    wanted = {
        "hidden_size": (units, max(1, len(units))),
        "block_size": (blocks, len(units)),
        "feedforward_size": (between, len(units) - 1),
    }
    for name, (given, count) in wanted.items():
        if len(given) != count:
            raise ValueError(
                f"{name}: expected {count} for {len(units)} layers, got {len(given)}"
            )
    for block in blocks:
        if len(block) != ndim:
            raise ValueError(
                f"block_size: expected {ndim} sizes of each block, got {block}"
            )
    plain = {
        "hidden_size": [int(n) for n in units],
        "block_size": [[int(n) for n in block] for block in blocks],
        "feedforward_size": [int(n) for n in between],
    }
    flat = [*units, *between, *(n for block in blocks for n in block)]
    if min(map(int, flat)) < 1:
        raise ValueError(f"expected sizes of at least 1, got {plain}")
    return plain
