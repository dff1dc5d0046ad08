"""HighwayNetwork: a projection of rows, a stack of highway layers, and a dense head.

It has the face of `network.Network`, so that the same loop trains it. Rows come as
sequences of one step.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..layers import Dense, Highway
from ..layers.layer import ALIGNMENT, aligned, checked_dtype
from ..layers.options import check_share

ROWS = 8192  # that go through the network at once in `apply`: its memory stays small


class HighwayNetwork:
    """A deep network of one width between two dense layers.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        Features of a row, units of every layer, number of logits.
    num_layers, activation, gates, transform_bias, dtype
        As `layers.Highway` takes them.
    dropout : float, default=0.0
        Share of units dropped in training, behind the projection and before the head;
        what highway layers carry past one another is left alone.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    config : dict
        The arguments but those that concern the initial weights alone, in types that
        JSON knows.
    weights, gradient : ndarray of shape (n_weights,)
        All weights, and the gradient that `loss_and_gradient` fills. Between the
        layers lie zeros, up to the next cache line.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.networks.highway import HighwayNetwork
    >>> from lstmc.sequences import as_sequences
    >>> network = HighwayNetwork(3, 8, output_size=2, num_layers=20, random_state=0)
    >>> network.apply(as_sequences(np.zeros((5, 1, 3)))).shape
    (5, 2)
    """

    def __init__(
        self, input_size, hidden_size, *, output_size, num_layers=10,
        activation="tanh", gates="coupled", transform_bias=-1.0, dropout=0.0,
        dtype="float32", random_state=None,
    ):  # fmt: skip
        check_share("dropout", dropout)
        seeds = np.random.default_rng(random_state).integers(2**31, size=3).tolist()
        dtype = checked_dtype(dtype)
        self.projection = Dense(
            input_size, hidden_size, dtype=dtype, random_state=seeds[0]
        )
        self.highway = Highway(
            hidden_size, num_layers, activation=activation, gates=gates,
            transform_bias=transform_bias, dtype=dtype, random_state=seeds[1],
        )  # fmt: skip
        self.head = Dense(hidden_size, output_size, dtype=dtype, random_state=seeds[2])
        self.config = {
            "architecture": "highway",
            "input_size": int(input_size),
            "hidden_size": self.highway.size,
            "output_size": int(output_size),
            "num_layers": self.highway.num_layers,
            "activation": activation,
            "gates": gates,
            "dropout": float(dropout),
            "dtype": dtype.name,
        }
        line = ALIGNMENT // dtype.itemsize
        self._parts, end = {}, 0
        for name in ("projection", "highway", "head"):
            start, size = -(-end // line) * line, getattr(self, name).n_weights
            self._parts[name] = slice(start, start + size)
            end = start + size
        self.weights, self.gradient = aligned(end, dtype), aligned(end, dtype)
        self.weights[:] = self.gradient[:] = 0
        for layer, part in self._layers():
            layer.bind(self.weights[part])

    def _layers(self):
        return [(getattr(self, name), part) for name, part in self._parts.items()]

    @property
    def parameters(self):
        """Read-only copies of all weights: a dict ``"<layer>.<its name there>"``."""
        return {
            f"{prefix}.{name}": array
            for prefix in self._parts
            for name, array in getattr(self, prefix).parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        network = cls._undrawn(config)
        given: dict[str, dict[str, np.ndarray]] = {name: {} for name in network._parts}
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            given[prefix][name] = array
        for prefix, arrays in given.items():
            getattr(network, prefix).load_parameters(arrays)
        return network

    @classmethod
    def _undrawn(cls, config):
        options = {name: v for name, v in config.items() if name != "architecture"}
        return cls(**options, random_state=0)

    def copy(self):
        """Return a network of the same weights in buffers of its own."""
        twin = self._undrawn(self.config)
        twin.weights[:] = self.weights
        return twin

    def __reduce__(self):
        return HighwayNetwork.from_parameters, (self.config, self.parameters)

    def apply(self, x, *, threads=0, **extras):
        """Return the logits (n, output_size) of n rows.

        Parameters
        ----------
        x : Sequences
            Of one step each.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        **extras
            What other networks read beside x; there is none here.
        """
        out = np.empty((len(x), self.config["output_size"]), self.weights.dtype)
        for start in range(0, len(x), ROWS):
            rows = x.values[start : start + ROWS]
            for layer, _ in self._layers():
                rows = layer.apply(rows, threads=threads)
            out[start : start + ROWS] = rows
        return out

    def loss_and_gradient(
        self, x, target, weight, loss, *, dropout_key=(0, 0), threads=0, **extras
    ):
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        Parameters
        ----------
        x : Sequences
            Of one step each.
        target, weight, loss
            As in `network.Network`.
        dropout_key : tuple of 2 ints, default=(0, 0)
            Seed and stream of the dropout; the next seed is taken, too.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        **extras
            As in `apply`.
        """
        rows, first = self.projection.record(x.values, threads=threads)
        self._drop(rows, 0, dropout_key)
        rows, middle = self.highway.record(rows, threads=threads)
        self._drop(rows, 1, dropout_key)
        logits, last = self.head.record(rows, threads=threads)
        value, d = loss(logits, target, weight)
        into = {name: self.gradient[part] for name, part in self._parts.items()}
        d = self.head.pull(last, d, into["head"], threads=threads)
        self._drop(d, 1, dropout_key)
        d = self.highway.pull(middle, d, into["highway"], threads=threads)
        self._drop(d, 0, dropout_key)
        self.projection.pull(
            first, d, into["projection"], input_gradient=False, threads=threads
        )
        return value

    def _drop(self, rows, place, key):
        """Drop units in place; the same call on their gradient goes back."""
        if self.config["dropout"]:
            seed, stream = key
            _core.dropout(rows.ravel(), self.config["dropout"], seed + place, stream)

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self.highway.release()

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        total = 0.0
        for layer, part in self._layers():
            weights, gradient = self.weights[part], self.gradient[part]
            for piece in layer.penalised:
                gradient[piece] += strength * weights[piece]
                total += _core.squared_norm(weights[piece])
        return 0.5 * strength * total


def fewest_parameters(config):
    """What a network of this config has at least, and a small multiple at most.

    Computed in exact integers, before anything is allocated.

    Examples
    --------
    >>> from lstmc.networks.highway import HighwayNetwork
    >>> fewest_parameters(HighwayNetwork(3, 8, output_size=2, num_layers=1).config)
    104
    """
    names = ("input_size", "hidden_size", "output_size", "num_layers")
    for name in names:
        if type(config[name]) is not int or config[name] < 1:
            raise ValueError(f"expected {name} of at least 1, got {config[name]!r}")
    inputs, n, outputs, layers = (config[name] for name in names)
    return n * (inputs + layers * n + outputs)
