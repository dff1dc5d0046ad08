"""LSTM-FCN: convolutions and a recurrent layer side by side, and a dense head.

All weights lie in one flat buffer that the solver updates and the kernels read; the
gradient lies in a second one of the same layout. The running averages of the batch
normalizations lie among the weights, so that they are kept, copied and saved with
them; their gradient is zero.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np

from .. import _core
from ..layers import (
    AttentionLSTM,
    BatchNorm,
    Conv1D,
    Dense,
    GlobalAveragePooling,
    Recurrent,
)
from ..layers.layer import aligned
from ..layers.stack import registry
from ..sequences import Sequences
from .recurrent import whole_lines

ARCHITECTURE = "lstm_fcn"  # in a config

# Multiply-adds of a part of `apply`, some 50 ms on one core, so that Ctrl-C is heard;
# and sequences of a part at least.
WORK = 2**31
FEWEST = 4


class LSTMFCN:
    """A recurrent branch and a fully convolutional one over the same sequences [1]_.

    The convolutional branch is a chain of `Conv1D`, `BatchNorm` and ReLU, averaged over
    the steps of each sequence; the recurrent one is the last h of a `Recurrent` or
    `AttentionLSTM`, with dropout. A dense head sees both side by side.

    Parameters
    ----------
    input_size : int
        Features of a step.
    hidden_size : int
        Units of the recurrent branch.
    output_size : int
        Number of logits.
    filters, kernel_sizes : tuple of int, default=(128, 256, 128), (8, 5, 3)
        Channels and taps of each convolution.
    cell : str, default="lstm"
        Name of a cell that reads neither times nor static features.
    attention : bool, default=False
        Whether the recurrent branch is an `AttentionLSTM`, of cell "lstm" then.
    dimension_shuffle : bool, default=False
        Whether the recurrent branch sees the sequence turned over: each feature is one
        step, which holds its first ``steps`` values, zeros where there are fewer.
    steps : int, default=0
        At least 1 with dimension_shuffle, else 0.
    dropout : float, default=0.8
        Share of the recurrent branch dropped in training.
    norm_momentum, norm_epsilon : float, default=0.99, 1e-3
        As `BatchNorm` takes them.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights: He's for convolutions.

    Attributes
    ----------
    config : dict
        The arguments but random_state, in types that JSON knows.
    weights, gradient : ndarray of shape (n_weights,)
        All weights, and the gradient that `loss_and_gradient` fills.

    References
    ----------
    .. [1] Karim, Majumdar, Darabi, Chen: LSTM Fully Convolutional Networks for Time
       Series Classification. IEEE Access 6, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.networks.lstm_fcn import LSTMFCN
    >>> from lstmc.sequences import as_sequences
    >>> network = LSTMFCN(1, 8, output_size=2, dimension_shuffle=True, steps=30)
    >>> network.apply(as_sequences(np.zeros((5, 30)))).shape
    (5, 2)
    """

    def __init__(
        self, input_size, hidden_size, *, output_size, filters=(128, 256, 128),
        kernel_sizes=(8, 5, 3), cell="lstm", attention=False, dimension_shuffle=False,
        steps=0, dropout=0.8, norm_momentum=0.99, norm_epsilon=1e-3, dtype="float32",
        random_state=None,
    ):  # fmt: skip
        check_architecture(filters, kernel_sizes, cell, attention)
        if dimension_shuffle != (steps > 0) or steps < 0:
            wanted = "at least 1 with" if dimension_shuffle else "0 without"
            raise ValueError(f"steps: expected {wanted} dimension_shuffle, got {steps}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected 0 <= dropout < 1, got {dropout}")
        self.config = {
            "architecture": ARCHITECTURE, "input_size": int(input_size),
            "hidden_size": int(hidden_size), "output_size": int(output_size),
            "filters": [int(k) for k in filters],
            "kernel_sizes": [int(k) for k in kernel_sizes], "cell": cell,
            "attention": bool(attention),
            "dimension_shuffle": bool(dimension_shuffle), "steps": int(steps),
            "dropout": float(dropout), "norm_momentum": float(norm_momentum),
            "norm_epsilon": float(norm_epsilon), "dtype": np.dtype(dtype).name,
        }  # fmt: skip
        self._layers = self._make_layers(random_state)
        self._pooling = GlobalAveragePooling(filters[-1], dtype=dtype)
        self._parts, end = {}, 0
        for name, layer in self._layers.items():
            self._parts[name] = slice(end, end + layer.n_weights)
            end = whole_lines(end + layer.n_weights, dtype)
        self.bind(aligned(end, dtype), aligned(end, dtype))

    def _make_layers(self, random_state):
        """The layers by the prefix of their parameters' names."""
        config, dtype = self.config, self.config["dtype"]
        rng = np.random.default_rng(random_state)
        made: dict = {}
        size, n = config["steps"] or config["input_size"], config["hidden_size"]
        seed = int(rng.integers(2**31))
        if config["attention"]:
            made["lstm"] = AttentionLSTM(size, n, dtype=dtype, random_state=seed)
        else:
            made["lstm"] = Recurrent(
                size, n, config["cell"], dtype=dtype, random_state=seed
            )
        channels = config["input_size"]
        pairs = zip(config["filters"], config["kernel_sizes"], strict=True)
        for k, (more, taps) in enumerate(pairs, 1):
            made[f"conv{k}"] = Conv1D(
                channels, more, taps, padding="same_upper", dtype=dtype,
                random_state=int(rng.integers(2**31)),
            )  # fmt: skip
            made[f"norm{k}"] = BatchNorm(
                more, activation="relu", momentum=config["norm_momentum"],
                epsilon=config["norm_epsilon"], dtype=dtype,
            )  # fmt: skip
            channels = more
        made["head"] = Dense(
            n + channels, config["output_size"], dtype=dtype,
            random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        return made

    def bind(self, weights, gradient):
        """Gather the layers' weights in one buffer, each on its own cache line."""
        weights[:] = gradient[:] = 0
        self.weights, self.gradient = weights, gradient
        for name, part in self._parts.items():
            self._layers[name].bind(weights[part])

    @property
    def parameters(self):
        """Read-only copies of all weights: a dict ``"<layer>.<the layer's name>"``."""
        return {
            f"{prefix}.{name}": array
            for prefix, layer in self._layers.items()
            for name, array in layer.parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        options = dict(config)
        if options.pop("architecture") != ARCHITECTURE:
            raise ValueError(f"expected a config of {ARCHITECTURE}, got {config}")
        network = cls(**options, random_state=0)
        network.load_parameters(parameters)
        return network

    def load_parameters(self, parameters):
        """Set all weights, given as in `parameters`."""
        given: dict = {prefix: {} for prefix in self._layers}
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            if prefix not in given:
                raise ValueError(f"expected parameters of {[*given]}, got {key!r}")
            given[prefix][name] = array
        for prefix, layer in self._layers.items():
            layer.load_parameters(given[prefix])

    def copy(self):
        """Return a network of the same weights in buffers of its own."""
        options = {k: v for k, v in self.config.items() if k != "architecture"}
        twin = type(self)(**options, random_state=0)
        twin.weights[:] = self.weights
        return twin

    def __reduce__(self):
        return type(self).from_parameters, (self.config, self.parameters)

    # --- forward and backward ---------------------------------------------------------

    def apply(self, x, *, time=None, static=None, threads=0):
        """Return the logits (n, output_size) of the `Sequences` ``x``.

        Large inputs go through the kernels in parts; the bits do not depend on it.

        Parameters
        ----------
        x : Sequences
            n sequences of the network's type.
        time, static : None
            What some other networks read.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        out = np.empty((len(x), self.config["output_size"]), self.weights.dtype)
        work = self.weights.size * max(int(x.offsets[-1]), 1)
        part = max(FEWEST, len(x) * WORK // work)
        for start in range(0, len(x), part):
            piece = slice(start, start + part)
            out[piece] = self._apply(x[piece], threads)
        return out

    def _apply(self, x, threads):
        lstm = self._layers["lstm"]
        _, state = lstm.apply(self._turned(x), threads=threads)
        for conv, norm in self._stages():
            x = x.with_values(conv.apply(x, threads=threads))
            x = x.with_values(norm.apply(x, threads=threads))
        averages = self._pooling.apply(x, threads=threads)
        features = np.concatenate([_last(state), averages], axis=1)
        return self._layers["head"].apply(features, threads=threads)

    def _stages(self):
        """Each convolution with its normalization."""
        count = len(self.config["filters"])
        layers = self._layers
        return [(layers[f"conv{k}"], layers[f"norm{k}"]) for k in range(1, count + 1)]

    def _turned(self, x):
        """What the recurrent branch reads: with ``steps`` each feature is one step."""
        steps = self.config["steps"]
        if not steps:
            return x
        n, features = len(x), x.n_features
        lengths = np.minimum(x.lengths, steps)
        if (x.lengths == steps).all():
            turned = x.values.reshape(n, steps, features)
        else:
            place = np.arange(len(x.values)) - np.repeat(x.offsets[:-1], x.lengths)
            turned = np.zeros((n, steps, features), x.dtype)
            turned[np.arange(steps) < lengths[:, None]] = x.values[place < steps]
        values = np.ascontiguousarray(turned.swapaxes(1, 2)).reshape(-1, steps)
        return Sequences(values, np.arange(n + 1) * features)

    def loss_and_gradient(
        self, x, target, weight, loss, *, time=None, static=None, dropout_key=(0, 0),
        threads=0,
    ):  # fmt: skip
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        The running averages of the normalizations move.

        Parameters
        ----------
        x : Sequences
            n sequences of the network's type.
        target, weight : ndarrays
            What ``loss`` expects.
        loss : callable
            ``(logits, target, weight) -> (loss, d_logits)``.
        time, static : None
            What some other networks read.
        dropout_key : tuple of 2 ints, default=(0, 0)
            Seed and stream of the dropout.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        logits, tape = self.record(x, dropout_key=dropout_key, threads=threads)
        value, d_logits = loss(logits, target, weight)
        self.pull(tape, d_logits, threads=threads)
        return value

    def record(self, x, *, dropout_key=(0, 0), threads=0):
        """Return the logits in training, and a tape for one `pull`."""
        lstm, tapes = self._layers["lstm"], []
        _, state, lstm_tape = lstm.record(self._turned(x), threads=threads)
        h, rate = _last(state).copy(), self.config["dropout"]
        if rate:
            _core.dropout(h.ravel(), rate, *dropout_key)
        for conv, norm in self._stages():
            y, conv_tape = conv.record(x, threads=threads)
            y, norm_tape = norm.record(x.with_values(y), threads=threads)
            tapes.append((conv_tape, norm_tape))
            x = x.with_values(y)
        averages, pool_tape = self._pooling.record(x, threads=threads)
        features = np.concatenate([h, averages], axis=1)
        logits, head_tape = self._layers["head"].record(features, threads=threads)
        return logits, (state, lstm_tape, dropout_key, tapes, pool_tape, head_tape)

    def pull(self, tape, d_logits, *, threads=0):
        """Fill ``gradient``, given that of the logits."""
        state, lstm_tape, dropout_key, tapes, pool_tape, head_tape = tape
        n, rate = self.config["hidden_size"], self.config["dropout"]
        layers, options = self._layers, {"threads": threads}
        parts = {name: self.gradient[part] for name, part in self._parts.items()}
        d = layers["head"].pull(head_tape, d_logits, parts["head"], **options)
        dh, d_averages = map(np.ascontiguousarray, (d[:, :n], d[:, n:]))
        if rate:
            _core.dropout(dh.ravel(), rate, *dropout_key)
        dstate = tuple(np.zeros_like(s) for s in state)
        _last(dstate)[:] = dh
        layers["lstm"].pull(
            lstm_tape, None, dstate, parts["lstm"], input_gradient=False, **options
        )
        none = self.gradient[:0]
        dy = self._pooling.pull(pool_tape, d_averages, none, **options)
        for k in range(len(tapes), 0, -1):
            conv_tape, norm_tape = tapes[k - 1]
            layers[f"norm{k}"].pull(
                norm_tape, dy, parts[f"norm{k}"], into=dy, **options
            )
            dy = layers[f"conv{k}"].pull(
                conv_tape, dy, parts[f"conv{k}"], input_gradient=k > 1, **options
            )

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        if not self.config["attention"]:
            self._layers["lstm"].release()

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        total = 0.0
        for name, part in self._parts.items():
            weights, gradient = self.weights[part], self.gradient[part]
            for piece in self._layers[name].penalised:
                gradient[piece] += strength * weights[piece]
                total += _core.squared_norm(weights[piece])
        return 0.5 * strength * total


def _last(state):
    """View of the last layer's h, (n, hidden_size); attention has but one layer."""
    return state[0][-1] if state[0].ndim == 3 else state[0]


def check_architecture(filters, kernel_sizes, cell, attention):
    """Raise ValueError for what no LSTM-FCN can be.

    Examples
    --------
    >>> check_architecture((8, 8), (3,), "lstm", False)
    Traceback (most recent call last):
    ValueError: kernel_sizes: expected 2, as many as filters, got 1
    """
    for name, sizes in (("filters", filters), ("kernel_sizes", kernel_sizes)):
        if not isinstance(sizes, list | tuple) or not sizes:
            raise ValueError(f"{name}: expected a tuple of ints, got {sizes!r}")
        for size in sizes:
            if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
                raise ValueError(
                    f"{name}: expected ints of at least 1, got {size!r} in {sizes!r}"
                )
    if len(kernel_sizes) != len(filters):
        raise ValueError(
            f"kernel_sizes: expected {len(filters)}, as many as filters, got "
            f"{len(kernel_sizes)}"
        )
    plain = [
        name
        for name, (_, facts) in registry().items()
        if not facts["timed"] and not facts["statics"]
    ]
    if cell not in plain:
        raise ValueError(f"cell: expected one of {plain}, got {cell!r}")
    if attention and cell != "lstm":
        raise ValueError(f"cell: expected 'lstm' with attention, got {cell!r}")
