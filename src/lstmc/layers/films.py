"""Films: recurrent layers over frames, unchecked: what a network runs and trains."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .. import _core
from ..initializers import orthogonal
from ..sequences import Sequences
from .conv import check_padding, checked_size
from .frames import checked_axes
from .layer import Layer, aligned, checked_dtype, fresh
from .stack import registry

PEEPHOLES = (None, "channel", "pixel")


@dataclass
class Tape:
    """What a training forward keeps for one backward, layer by layer."""

    state: tuple[np.ndarray, ...] | None
    form: object = None  # what the caller gave, for the form of dX
    inputs: list[Sequences] = field(default_factory=list)
    saved: list[np.ndarray] = field(default_factory=list)
    used: bool = False


class Films(Layer):
    """The layers of `ConvLSTM`, on flattened frames that were checked before."""

    def __init__(
        self, input_channels, hidden_channels, kernel_size=3, image_size=None, *,
        peepholes=None, cell="lstm", num_layers=1, dilation=1, padding="same",
        forget_bias=1.0, dtype="float32", random_state=None,
    ):  # fmt: skip
        self.input_channels = checked_size("input_channels", input_channels)
        self.hidden_channels = checked_size("hidden_channels", hidden_channels)
        self.num_layers = checked_size("num_layers", num_layers)
        self.image_size = checked_axes("image_size", image_size)
        axes = len(self.image_size)
        self.kernel_size = checked_axes("kernel_size", kernel_size, axes)
        self.dilation = checked_axes("dilation", dilation, axes)
        check_padding(padding, self.kernel_size, self.dilation)
        if not self.takes(cell):
            good = [name for name in registry() if self.takes(name)]
            raise ValueError(f"cell: expected one of {good}, got {cell!r}")
        if peepholes not in PEEPHOLES:
            raise ValueError(
                f"peepholes: expected one of {PEEPHOLES}, got {peepholes!r}"
            )
        self.cell = cell
        self.peepholes = peepholes or ("channel" if self._row()[1]["vectors"] else None)
        if peepholes and not self._row()[1]["vectors"]:
            raise ValueError(
                f"peepholes: the cell {cell!r} has none, got {peepholes!r}"
            )
        self.dtype = checked_dtype(dtype)
        self._open()
        self.weights = aligned(self.n_weights, self.dtype)
        self._write(self._drawn(np.random.default_rng(random_state), forget_bias))

    @staticmethod
    def takes(cell):
        """Whether a layer over frames can have the cell of that name.

        Examples
        --------
        >>> from lstmc.layers import ConvLSTM
        >>> ConvLSTM.takes("gru"), ConvLSTM.takes("tlstm")
        (True, False)
        """
        return cell in registry() and _core.film_takes(registry()[cell][0])

    def _row(self):
        """Row of the registry and facts; "lstm" has peepholes in a row of its own."""
        peeping = self.cell == "lstm" and getattr(self, "peepholes", None)
        return registry()["peephole" if peeping else self.cell]

    def _open(self):
        """The kernels' descriptors of the layers, and where their weights lie."""
        row, self._facts = self._row()
        n, self._kernels, self._parts, self.shapes = self.hidden_channels, [], [], {}
        end = 0
        for layer in range(self.num_layers):
            inputs = n if layer else self.input_channels
            film = _core.Film(
                row, self.dtype == np.float64, inputs, n, self.image_size,
                self.kernel_size, self.dilation, self.peepholes == "pixel",
            )  # fmt: skip
            parts = []
            for size in film.sizes:
                parts.append(slice(end, end + size))
                end += size
            self._kernels.append(film)
            self._parts.append(tuple(parts))
            self.shapes |= self._layer_shapes(layer, inputs)
        self.n_weights, self._spare = end, {}

    def _layer_shapes(self, layer, inputs):
        facts, n, kernel = self._facts, self.hidden_channels, self.kernel_size
        pixels = self.image_size if self.peepholes == "pixel" else ()
        shapes = {
            "weight_ih": (facts["w_blocks"] * n, *kernel, inputs),
            "weight_hh": (facts["r_blocks"] * n, *kernel, n),
            "bias": (facts["b_blocks"] * n,),
            "vector": (len(facts["vectors"]), *pixels, n),
        }
        return {f"{k}_l{layer}": s for k, s in shapes.items() if s[0] > 0}

    def _drawn(self, rng, forget_bias):
        """Initial parameters: a gate alone decides how large its weights are."""
        n, drawn = self.hidden_channels, {}
        outputs = math.prod(self.kernel_size) * n  # each pixel is seen by all taps

        def glorot(rng, shape):
            bound = math.sqrt(6 / (outputs + shape[1]))
            return rng.uniform(-bound, bound, shape)

        for name, shape in self.shapes.items():
            if name.startswith("weight"):
                draw = glorot if name.startswith("weight_ih") else orthogonal
                flat = (n, math.prod(shape[1:]))
                parts = [draw(rng, flat) for _ in range(shape[0] // n)]
                drawn[name] = np.concatenate(parts).reshape(shape)
            elif name.startswith("vector"):
                drawn[name] = rng.uniform(-0.1, 0.1, shape)
            else:
                drawn[name] = np.zeros(shape)
                for column, _, _, b in self._facts["columns"]:
                    if column == "f" and b >= 0:
                        drawn[name][b * n : (b + 1) * n] = forget_bias
        return drawn

    @property
    def state_names(self):
        """The states of the cell, h first."""
        return self._facts["states"]

    @property
    def n_parameters(self):
        """Numbers that training may choose."""
        return self.n_weights

    @property
    def penalised(self):
        """The parts of ``weights`` that an L2 penalty touches: W and R."""
        return [slice(w.start, r.stop) for w, r, _, _ in self._parts]

    def _read(self):
        return self._unpacked(self.weights)

    def _unpacked(self, flat):
        """Arrays by name out of a buffer laid out like `weights`."""
        parameters = {}
        for layer, parts in enumerate(self._parts):
            for kind, part in zip(
                ("weight_ih", "weight_hh", "bias", "vector"), parts, strict=True
            ):
                name = f"{kind}_l{layer}"
                if name in self.shapes:
                    parameters[name] = flat[part].reshape(self.shapes[name]).copy()
        return parameters

    def _write(self, parameters):
        for layer, parts in enumerate(self._parts):
            for kind, part in zip(
                ("weight_ih", "weight_hh", "bias", "vector"), parts, strict=True
            ):
                name = f"{kind}_l{layer}"
                if name in self.shapes:
                    self.weights[part] = np.ravel(parameters[name])

    def __getstate__(self):
        state = super().__getstate__()
        for name in ("_kernels", "_parts", "_spare", "_facts"):
            state.pop(name, None)
        return state

    def __setstate__(self, state):
        self.__dict__.update({k: v for k, v in state.items() if k != "parameters"})
        self._open()
        super().__setstate__(state)

    # --- forward and backward ---------------------------------------------------------

    def apply(self, x, state=None, *, outputs=True, threads=0):
        """Run without a tape. Returns (y or None, state)."""
        y, after, _ = self._run(x, state, None, outputs, threads)
        return y, after

    def record(self, x, state=None, *, outputs=True, threads=0):
        """Run for training. Returns (y or None, state, tape)."""
        return self._run(x, state, Tape(state), outputs, threads)

    def _run(self, x, state, tape, outputs, threads):
        after = self._empty_state(len(x))
        y = None
        for layer, film in enumerate(self._kernels):
            last = layer == self.num_layers - 1
            y = self._empty(x, self.hidden_channels) if outputs or not last else None
            saved = None
            if tape is not None:
                saved = self._take_tape(layer, film.tape_size(len(x.values)))
                tape.inputs.append(x)
                tape.saved.append(saved)
            kernel_forward(self.dtype)(
                film, x.offsets, x.values, self._cut(self.weights, layer), y,
                _own(state, layer), _own(after, layer), saved, threads,
            )  # fmt: skip
            if not last:
                x = x.with_values(y)
        return y, after, tape

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=True, threads=0):
        """Go back over a tape, once. Returns (dx or None, dstate).

        dy (frames, pixels * hidden_channels) and dstate may be None: zeros. `gradient`,
        laid out like `weights`, is overwritten.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        tape.used = True
        before = self._empty_state(len(tape.inputs[0]))
        for layer in reversed(range(self.num_layers)):
            x = tape.inputs[layer]
            wanted = input_gradient or layer > 0
            dx = fresh(x.values.shape, self.dtype) if wanted else None
            saved = tape.saved.pop()
            kernel_backward(self.dtype)(
                self._kernels[layer], x.offsets, x.values,
                self._cut(self.weights, layer), saved, dy, _own(dstate, layer), dx,
                _own(before, layer), self._cut(gradient, layer), threads,
            )  # fmt: skip
            self._spare[layer] = saved
            dy = dx
        return dy, before

    def _cut(self, flat, layer):
        return tuple(flat[part] for part in self._parts[layer])

    def _empty(self, x, channels):
        pixels = math.prod(self.image_size)
        return fresh((len(x.values), pixels * channels), self.dtype)

    def _empty_state(self, n):
        shape = (self.num_layers, n, *self.image_size, self.hidden_channels)
        return tuple(np.empty(shape, self.dtype) for _ in self.state_names)

    def _take_tape(self, layer, size):
        """Memory for a layer's tape: that of the last backward if it is large enough,
        since the system clears new memory page by page."""
        spare = self._spare.pop(layer, None)
        if spare is None or len(spare) < size:
            spare = aligned(size, self.dtype)
        return spare

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare.clear()

    def _checked(self, state, n, name):
        """The states as clean arrays of the right shape, or None."""
        if state is None:
            return None
        names = self.state_names
        if len(state) != len(names):
            raise ValueError(
                f"{name}: expected {len(names)} arrays {names}, got {len(state)}"
            )
        shape = (self.num_layers, n, *self.image_size, self.hidden_channels)
        clean = []
        for label, given in zip(names, state, strict=True):
            array = np.ascontiguousarray(given, dtype=self.dtype)
            if array.shape != shape:
                raise ValueError(f"{name} {label}: expected {shape}, got {array.shape}")
            clean.append(np.require(array, requirements="A"))
        return tuple(clean)


def _own(state, layer):
    """One layer's states, flattened frames; None if there are none."""
    if state is None:
        return None
    size = math.prod(state[0].shape[2:])
    return tuple(s[layer].reshape(s.shape[1], size) for s in state)


@cache
def kernel_forward(dtype):
    """The forward of one dtype, without a look at its arguments at each call."""
    return _core.film_forward["double" if dtype == np.float64 else "float"]


@cache
def kernel_backward(dtype):
    """The backward of one dtype."""
    return _core.film_backward["double" if dtype == np.float64 else "float"]
