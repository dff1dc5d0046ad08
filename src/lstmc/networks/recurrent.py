"""Network: recurrent layers, a pooling over the steps or none, and a dense head.

All weights lie in one flat buffer that the solver updates and the kernels read;
the gradient lies in a second one of the same layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from ..layers import Dense
from ..layers.layer import ALIGNMENT, aligned
from ..layers.options import checked_zoneout
from ..layers.stack import Stack
from ..layers.stacks import make_stack
from ..layers.xlstm import XLSTM
from ..sequences import Sequences
from .pooling import pool, pull_pool
from .truncation import Truncated, check_truncation

POOLINGS = ("last", "mean", "max")  # and "steps": each step keeps its own logits

# What the recurrent layers keep of their options; `Network.config` takes it from there.
OPTIONS = (
    "cell", "num_layers", "bidirectional", "output_activation", "proj_size",
    "num_heads", "static_size", "gradient", "block_size", "cell_bias", "residual",
    "highway", "dropout", "variational", "recurrent_dropout", "zoneout", "drop_connect",
)  # fmt: skip

# Initial weights that are overwritten before anyone sees them.
UNDRAWN = {
    "input_initializer": "zeros",
    "recurrent_initializer": "zeros",
    "forget_bias": 0.0,
    "random_state": 0,
}

# Work of one kernel call in `apply`, in multiply-adds: some 50 ms on one core, so
# that Ctrl-C is heard. Never below 64 sequences, which keep the threads busy.
WORK = 2**28
FEWEST = 64


@dataclass
class Tape:
    """What `Network.record` leaves for `Network.pull`."""

    x: Sequences
    way: Stack | XLSTM | Truncated
    recurrent: Any  # of the way
    head: np.ndarray
    y: np.ndarray | None
    state: tuple[np.ndarray, ...]
    pooled: np.ndarray
    dropout_key: tuple[int, int]


class Network:
    """A recurrent stack whose pooled output a dense head turns into logits.

    Parameters
    ----------
    input_size, hidden_size : int
        As `layers.Recurrent` takes them.
    output_size : int
        Number of logits.
    pooling : {"last", "mean", "max", "steps"}, default="last"
        What the head sees: the final ``h`` of each direction (the final output, if
        something goes past the layers), or the mean or maximum of the outputs over
        the steps; a sequence of length 0 gives zeros.
        "steps": the output of each step, which has logits of its own.
    dropout : float, default=0.0
        Share of units dropped in training, between the recurrent layers and
        before the head.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    **options
        The other options of `layers.Recurrent`; of `layers.XLSTM` with the cells
        "mlstm" and "xlstm[a:b]".

    Attributes
    ----------
    recurrent, head : Recurrent or XLSTM, Dense
        The layers.
    config : dict
        The arguments but those that concern the initial weights alone, in types that
        JSON knows.
    weights, gradient : ndarray of shape (n_weights,)
        All weights, and the gradient that `loss_and_gradient` fills. Between the
        layers lie zeros, up to the next cache line.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.networks.recurrent import Network
    >>> from lstmc.sequences import as_sequences
    >>> network = Network(3, 8, output_size=2, random_state=0)
    >>> network.apply(as_sequences(np.zeros((5, 4, 3)))).shape
    (5, 2)
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        output_size,
        pooling="last",
        dropout=0.0,
        dtype="float32",
        random_state=None,
        **options,
    ):
        if pooling not in (*POOLINGS, "steps"):
            raise ValueError(
                f"pooling: expected one of {(*POOLINGS, 'steps')}, got {pooling!r}"
            )
        seeds = np.random.default_rng(random_state).integers(2**31, size=2)
        self.recurrent = make_stack(
            input_size, hidden_size, dropout=dropout, dtype=dtype,
            random_state=int(seeds[0]), **options,
        )  # fmt: skip
        self.head = Dense(
            self.recurrent.output_size,
            output_size,
            dtype=dtype,
            random_state=int(seeds[1]),
        )
        self.config = {
            "input_size": self.recurrent.input_size,
            "hidden_size": self.recurrent.hidden_size,
            "output_size": int(output_size),
            "pooling": pooling,
            "dtype": self.recurrent.dtype.name,
            **{name: getattr(self.recurrent, name) for name in OPTIONS},
            "zoneout": plain_zoneout(self.recurrent.zoneout),
        }
        middle = whole_lines(self.recurrent.n_weights, dtype)
        self._parts = {
            self.recurrent: slice(0, self.recurrent.n_weights),
            self.head: slice(middle, None),
        }
        size = middle + self.head.n_weights
        self.bind(aligned(size, dtype), aligned(size, dtype))

    @property
    def _pooling(self):
        """As in `pooling`: what goes past the top layer is in its outputs alone."""
        options = self.config
        ends = options["pooling"] == "last" and (
            options["residual"] or options["highway"]
        )
        return "ends" if ends else options["pooling"]

    def bind(self, weights, gradient):
        """Gather the layers' weights in one buffer, each on its own cache line."""
        weights[:] = gradient[:] = 0
        self.weights, self.gradient = weights, gradient
        for layer, part in self._parts.items():
            layer.bind(weights[part])

    @property
    def parameters(self):
        """Read-only copies of all weights: a dict ``"<layer>.<PyTorch's name>"``."""
        layers = {"recurrent": self.recurrent, "head": self.head}
        return {
            f"{prefix}.{name}": array
            for prefix, layer in layers.items()
            for name, array in layer.parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        network = cls(**config, **UNDRAWN)
        network.load_parameters(parameters)
        return network

    def load_parameters(self, parameters):
        """Set all weights, given as in `parameters`."""
        recurrent: dict[str, np.ndarray] = {}
        head: dict[str, np.ndarray] = {}
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            (head if prefix == "head" else recurrent)[name] = array
        self.recurrent.load_parameters(recurrent)
        self.head.load_parameters(head)

    def copy(self):
        """Return a network of the same weights in buffers of its own."""
        twin = Network(**self.config, **UNDRAWN)
        twin.weights[:] = self.weights
        return twin

    def __reduce__(self):
        return Network.from_parameters, (self.config, self.parameters)

    def apply(self, x, *, time=None, static=None, threads=0):
        """Return the logits (n, output_size) of the `Sequences` ``x``.

        With ``pooling="steps"``: those of each step, as `Sequences`. Large inputs go
        through the kernels in parts; the bits do not depend on it.

        Parameters
        ----------
        x : Sequences
            n sequences of the network's type.
        time : ndarray of shape (sum T,), default=None
            Time elapsed before each step, for a cell that is timed.
        static : ndarray of shape (n, static_size), default=None
            Static features, for a cell that reads them.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        work = self.weights.size * max(int(x.offsets[-1]), 1)
        part = max(FEWEST, len(x) * WORK // work)
        steps = self.config["pooling"] == "steps"
        rows = len(x.values) if steps else len(x)
        out = np.empty((rows, self.config["output_size"]), self.weights.dtype)
        for start in range(0, len(x), part):
            piece, extras = slice(start, start + part), {}
            own = slice(x.offsets[start], x.offsets[min(start + part, len(x))])
            if time is not None:
                extras["time"] = time[own]
            if static is not None:
                extras["static"] = static[piece]
            out[own if steps else piece] = self._apply(x[piece], extras, threads)
        return x.with_values(out) if steps else out

    def _apply(self, x, extras, threads):
        stack, outputs = self.recurrent, self._pooling != "last"
        y, state = stack.apply(x, **extras, outputs=outputs, threads=threads)
        pooled = pool(self._pooling, stack, x, y, state)
        return self.head.apply(pooled, threads=threads)

    def loss_and_gradient(
        self,
        x,
        target,
        weight,
        loss,
        *,
        time=None,
        static=None,
        dropout_key=(0, 0),
        tbptt=None,
        checkpoint=False,
        threads=0,
    ):
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        Parameters
        ----------
        x : Sequences
            n sequences of the network's type.
        target : ndarray of shape (n,) or (n, output_size), or Labels
            What ``loss`` expects.
        weight : ndarray of shape (n,)
            Weight of each sample.
        loss : callable
            ``(logits, target, weight) -> (loss, d_logits)``, with logits as `apply`
            returns them and d_logits an array.
        time, static : ndarrays, default=None
            As in `apply`.
        dropout_key : tuple of 2 ints, default=(0, 0)
            Seed and stream of all noise; the three seeds after it are taken, too.
        tbptt : int or None, default=None
            Steps that gradients go back at most, in chunks counted from each
            sequence's end; None: all. Not with ``bidirectional``.
        checkpoint : bool, default=False
            As `layers.Recurrent.forward` takes it.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        logits, tape = self.record(
            x, time=time, static=static, dropout_key=dropout_key, tbptt=tbptt,
            checkpoint=checkpoint, threads=threads,
        )  # fmt: skip
        value, d_logits = loss(logits, target, weight)
        self.pull(tape, d_logits, threads=threads)
        return value

    def record(
        self, x, *, time=None, static=None, dropout_key=(0, 0), tbptt=None,
        checkpoint=False, threads=0,
    ):  # fmt: skip
        """Return the logits in training, and a tape for one `pull`."""
        recurrent, rate = self.recurrent, self.config["dropout"]
        check_truncation(tbptt, self.config["bidirectional"])
        way: Stack | XLSTM | Truncated = recurrent
        if tbptt is not None and tbptt < x.lengths.max(initial=0):
            way = Truncated(recurrent, tbptt, outputs=self._pooling != "last")
        y, state, tape = way.record(
            x, time=time, static=static, dropout_key=dropout_key,
            checkpoint=checkpoint, threads=threads,
        )  # fmt: skip
        pooled = pool(self._pooling, recurrent, x, y, state)
        features = pooled.copy() if rate else pooled
        if rate:
            _core.dropout(features.ravel(), rate, dropout_key[0] + 1, dropout_key[1])
        logits, head_tape = self.head.record(features, threads=threads)
        if self.config["pooling"] == "steps":
            logits = x.with_values(logits)
        return logits, Tape(x, way, tape, head_tape, y, state, pooled, dropout_key)

    def pull(self, tape, d_logits, *, input_gradient=False, threads=0):
        """Fill ``gradient``, given that of the logits; return that of x, or None."""
        recurrent, head, rate = self.recurrent, self.head, self.config["dropout"]
        d_features = head.pull(
            tape.head, d_logits, self.gradient[self._parts[head]], threads=threads
        )
        if rate:
            seed, stream = tape.dropout_key
            _core.dropout(d_features.ravel(), rate, seed + 1, stream)
        dy, dstate = pull_pool(
            self._pooling, recurrent, tape.x, tape.y, tape.state, tape.pooled,
            d_features,
        )  # fmt: skip
        dx, _ = tape.way.pull(
            tape.recurrent, dy, dstate, self.gradient[self._parts[recurrent]],
            input_gradient=input_gradient, threads=threads,
        )  # fmt: skip
        return dx

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self.recurrent.release()

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        total = 0.0
        for layer, part in self._parts.items():
            weights, gradient = self.weights[part], self.gradient[part]
            for piece in layer.penalised:
                gradient[piece] += strength * weights[piece]
                total += _core.squared_norm(weights[piece])
        return 0.5 * strength * total


def whole_lines(size, dtype):
    """So many weights, rounded up to whole cache lines.

    Examples
    --------
    >>> whole_lines(17, "float32"), whole_lines(16, "float32")
    (32, 16)
    """
    line = ALIGNMENT // np.dtype(dtype).itemsize
    return -(-size // line) * line


def plain_zoneout(zoneout):
    """The shares of h and of c as JSON keeps them: one number if they are equal.

    Examples
    --------
    >>> plain_zoneout(0.1), plain_zoneout((0.1, 0.1)), plain_zoneout((0.1, 0))
    (0.1, 0.1, [0.1, 0.0])
    """
    h, c = checked_zoneout(zoneout)
    return h if h == c else [h, c]
