"""FrameNetwork: frames in, the frames that follow out, as logits.

All weights lie in one flat buffer that the solver updates and the kernels read;
the gradient lies in a second one of the same layout.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _core
from ..layers import ConvLSTM, Dense
from ..layers.layer import ALIGNMENT, aligned
from ..sequences import Sequences

MODES = ("encoder_forecaster", "recursive")
LINKS = ("identity", "logistic")  # from a logit to a pixel

# Reals of the outputs of one layer that are held at once.
HELD = 2**24


class FrameNetwork:
    """Stacked ConvLSTM layers, and a 1 x 1 convolution of the h of all of them.

    Parameters
    ----------
    image_size : tuple of int
        Pixels along each axis of a frame.
    channels : int
        Values of a pixel.
    hidden_channels : int, default=16
        Units at a pixel, of each layer.
    kernel_size : int or tuple of int, default=3
        As in `layers.ConvLSTM`, as are `cell` and `peepholes`.
    num_layers : int, default=1
        Layers of each stack.
    mode : {"encoder_forecaster", "recursive"}, default="encoder_forecaster"
        Whether a second stack starts from the states of the first and runs over blank
        frames, one for each to be forecast, or one stack forecasts a frame, which it
        then reads.
    horizon : int, default=10
        Frames that an encoder-forecaster learns to forecast.
    link : {"identity", "logistic"}, default="identity"
        What makes a pixel of a logit, where a forecast is read again.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    config : dict
        The arguments but the last, in types that JSON knows.
    weights, gradient : ndarray of shape (n_weights,)
        All weights, and the gradient that `loss_and_gradient` fills.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.networks.frames import FrameNetwork
    >>> from lstmc.sequences import as_sequences
    >>> network = FrameNetwork((4, 5), 1, 3, horizon=2, random_state=0)
    >>> network.forecast(as_sequences(np.zeros((6, 7, 20))), 3)
    Sequences(6 sequences, 3 to 3 steps, 20 features, float32)
    """

    def __init__(
        self, image_size, channels, hidden_channels=16, *, kernel_size=3, num_layers=1,
        cell="lstm", peepholes=None, mode="encoder_forecaster", horizon=10,
        link="identity", dtype="float32", random_state=None,
    ):  # fmt: skip
        if mode not in MODES:
            raise ValueError(f"mode: expected one of {MODES}, got {mode!r}")
        if link not in LINKS:
            raise ValueError(f"link: expected one of {LINKS}, got {link!r}")
        rng = np.random.default_rng(random_state)
        n, image_size = hidden_channels, tuple(image_size)

        def stack(inputs):
            return [
                ConvLSTM(
                    inputs if k == 0 else n, n, kernel_size, image_size, cell=cell,
                    peepholes=peepholes, dtype=dtype,
                    random_state=int(rng.integers(2**31)),
                )
                for k in range(num_layers)
            ]  # fmt: skip

        self.encoder = stack(channels)
        self.decoder = stack(1) if mode == "encoder_forecaster" else []
        self.head = Dense(
            num_layers * n, channels, dtype=dtype,
            random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        first = self.encoder[0]
        self.config = {
            "architecture": "frames",
            "image_size": list(first.image_size),
            "channels": int(channels),
            "hidden_channels": first.hidden_channels,
            "kernel_size": list(first.kernel_size),
            "num_layers": int(num_layers),
            "cell": cell,
            "peepholes": first.peepholes,
            "mode": mode,
            "horizon": int(horizon),
            "link": link,
            "dtype": first.dtype.name,
        }
        self._parts, end = {}, 0
        line = ALIGNMENT // first.dtype.itemsize
        for name, layer in self._layers():
            self._parts[name] = slice(end, end + layer.n_weights)
            end = -(-(end + layer.n_weights) // line) * line
        self.weights, self.gradient = aligned(end, dtype), aligned(end, dtype)
        self.weights[:] = self.gradient[:] = 0
        for name, layer in self._layers():
            layer.bind(self.weights[self._parts[name]])

    def _layers(self):
        """Every layer with its name."""
        stacks = {"encoder": self.encoder, "decoder": self.decoder}
        named = [
            (f"{stack}_{k}", layer)
            for stack, layers in stacks.items()
            for k, layer in enumerate(layers)
        ]
        return [*named, ("head", self.head)]

    @property
    def parameters(self):
        """Read-only copies of all weights: a dict ``"<layer>.<its name there>"``."""
        return {
            f"{prefix}.{name}": array
            for prefix, layer in self._layers()
            for name, array in layer.parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        network = cls._undrawn(config)
        given: dict[str, dict[str, np.ndarray]] = {n: {} for n, _ in network._layers()}
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            given[prefix][name] = array
        for prefix, layer in network._layers():
            layer.load_parameters(given[prefix])
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
        return FrameNetwork.from_parameters, (self.config, self.parameters)

    # --- forecasts --------------------------------------------------------------------

    def apply(self, x, *, threads=0, **extras):
        """Return the logits that training compares with the target, as Sequences.

        Of an encoder-forecaster: the ``horizon`` frames after x; of the other: after
        each frame of x the next.
        """
        if self.decoder:
            return self.forecast(x, self.config["horizon"], threads=threads)
        parts = [self._read(piece, threads)[0] for piece in self._pieces(x)]
        return x.with_values(np.concatenate([self._join(p, threads) for p in parts]))

    def forecast(self, x, steps, *, threads=0):
        """Return the logits of the ``steps`` frames after each sequence of frames.

        Parameters
        ----------
        x : Sequences
            Flattened frames, of each sequence at least one.
        steps : int
            Frames to forecast.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.

        Returns
        -------
        Sequences
            ``steps`` flattened frames for each sequence.
        """
        ahead = self._decode if self.decoder else self._go_on
        parts = [ahead(piece, steps, threads) for piece in self._pieces(x)]
        offsets = np.arange(len(x) + 1, dtype=np.intp) * steps
        return Sequences(np.concatenate(parts), offsets)

    def _pieces(self, x):
        """Samples of which so few outputs are held at once."""
        pixels = math.prod(self.config["image_size"]) * self.config["hidden_channels"]
        frames = max(int(x.lengths.max(initial=1)), self.config["horizon"])
        size = max(1, HELD // (pixels * frames))
        return [x[start : start + size] for start in range(0, max(1, len(x)), size)]

    def _read(self, x, threads, state=None):
        """Outputs of each layer of the encoder, and their final states."""
        outputs, states = [], []
        for k, layer in enumerate(self.encoder):
            y, after = layer.apply(x, state and state[k], threads=threads)
            outputs.append(y)
            states.append(after)
            x = x.with_values(y)
        return outputs, states

    def _decode(self, x, steps, threads):
        _, states = self._read(x, threads)
        blank, outputs = self._blank(len(x), steps), []
        for layer, state in zip(self.decoder, states, strict=True):
            y, _ = layer.apply(blank, state, threads=threads)
            outputs.append(y)
            blank = blank.with_values(y)
        return self._join(outputs, threads)

    def _go_on(self, x, steps, threads):
        outputs, state = self._read(x, threads)
        last = x.offsets[1:] - 1
        logits = self._join([y[last] for y in outputs], threads)
        frames = [logits]
        one = np.arange(len(x) + 1, dtype=np.intp)
        for _ in range(steps - 1):
            fed = frames[-1]
            if self.config["link"] == "logistic":
                fed = (1 / (1 + np.exp(-fed.astype(np.float64)))).astype(fed.dtype)
            outputs, state = self._read(Sequences(fed, one), threads, state)
            frames.append(self._join(outputs, threads))
        return np.stack(frames, axis=1).reshape(len(x) * steps, -1)

    def _blank(self, n, steps):
        """What the decoder reads: ones, so that it sees where the edges are."""
        pixels = math.prod(self.config["image_size"])
        values = np.ones((n * steps, pixels), self.weights.dtype)
        return Sequences(values, np.arange(n + 1, dtype=np.intp) * steps)

    def _beside(self, outputs):
        """The h of all layers of each pixel, (frames * pixels, layers * hidden)."""
        n = self.config["hidden_channels"]
        rows = [y.reshape(-1, n) for y in outputs]
        return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)

    def _join(self, outputs, threads):
        logits = self.head.apply(self._beside(outputs), threads=threads)
        return logits.reshape(len(outputs[0]), -1)

    # --- training ---------------------------------------------------------------------

    def loss_and_gradient(
        self, x, target, weight, loss, *, dropout_key=(0, 0), threads=0, **extras
    ):
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        Parameters
        ----------
        x : Sequences
            Flattened frames.
        target : Sequences
            What `apply` is compared with.
        weight : ndarray of shape (n,)
            Weight of each sample.
        loss : callable
            ``(logits, target, weight) -> (loss, d_logits)``.
        dropout_key, **extras
            What other networks read; there is nothing of it here.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        outputs, states, tapes = [], [], []
        seen = x
        for layer in self.encoder:
            y, after, tape = layer.record(seen, threads=threads)
            outputs.append(y)
            states.append(after)
            tapes.append(tape)
            seen = seen.with_values(y)
        ahead = []
        if self.decoder:
            seen, outputs = self._blank(len(x), self.config["horizon"]), []
            for layer, state in zip(self.decoder, states, strict=True):
                y, _, tape = layer.record(seen, state, threads=threads)
                outputs.append(y)
                ahead.append(tape)
                seen = seen.with_values(y)
        rows = self._beside(outputs)
        logits, last = self.head.record(rows, threads=threads)
        logits = seen.with_values(logits.reshape(len(seen.values), -1))
        value, d = loss(logits, target, weight)
        d = self.head.pull(
            last, d.reshape(len(rows), -1), self.gradient[self._parts["head"]],
            threads=threads,
        )  # fmt: skip
        n = self.config["hidden_channels"]
        dy = [
            np.ascontiguousarray(d[:, k * n : (k + 1) * n]).reshape(y.shape)
            for k, y in enumerate(outputs)
        ]
        dstates: list = [None] * len(self.encoder)
        if self.decoder:
            dstates = self._pull("decoder", self.decoder, ahead, dy, dstates, threads)
            self._pull(
                "encoder", self.encoder, tapes, [None] * len(states), dstates, threads
            )
        else:
            self._pull("encoder", self.encoder, tapes, dy, dstates, threads)
        return value

    def _pull(self, name, stack, tapes, dy, dstates, threads):
        """Back through a stack; the gradients at its initial states."""
        dx: np.ndarray | None = None
        before: list[tuple[np.ndarray, ...]] = []
        for k in reversed(range(len(stack))):
            d = dy[k] if dx is None else dx if dy[k] is None else dx + dy[k]
            dx, own = stack[k].pull(
                tapes[k], d, dstates[k], self.gradient[self._parts[f"{name}_{k}"]],
                input_gradient=k > 0, threads=threads,
            )  # fmt: skip
            before.insert(0, own)
        return before

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        for layer in (*self.encoder, *self.decoder):
            layer.release()

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        total = 0.0
        for name, layer in self._layers():
            part = self._parts[name]
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
    >>> from lstmc.networks.frames import FrameNetwork
    >>> fewest_parameters(FrameNetwork((4, 5), 1, 3, mode="recursive").config)
    111
    """
    names = ("channels", "hidden_channels", "num_layers", "horizon")
    axes = (config["image_size"], config["kernel_size"])
    numbers = [config[name] for name in names] + [k for part in axes for k in part]
    if any(type(k) is not int or k < 1 for k in numbers):
        raise ValueError(f"expected sizes of at least 1, got {numbers}")
    channels, n, layers, _ = numbers[:4]
    if math.prod(config["image_size"]) * (channels + n) > 2**40:
        raise ValueError(f"expected smaller frames, got {config['image_size']}")
    taps, pixels = math.prod(config["kernel_size"]), math.prod(config["image_size"])
    stacks = 2 if config["mode"] == "encoder_forecaster" else 1
    peepholes = pixels * n if config["peepholes"] == "pixel" else 0
    each = taps * n * n + peepholes
    return taps * n * channels + stacks * layers * each + layers * n * channels
