"""Stack: recurrent layers over Sequences, unchecked: what a network runs and trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from .. import _core
from ..sequences import Sequences
from .layer import Layer, aligned, checked_dtype

OUTPUT_ACTIVATIONS = ("tanh", "identity")


@cache
def registry() -> dict[str, tuple[int, dict]]:
    """Name of each cell: its row number and its facts."""
    return {row["name"]: (k, row) for k, row in enumerate(_core.cells())}


@dataclass
class Tape:
    """What a training forward keeps for one backward, layer by layer."""

    inputs: list[Sequences]
    outputs: list[np.ndarray]  # (steps, directions * hidden_size) each
    saved: list[np.ndarray]
    slabs: list[int]
    state: tuple[np.ndarray, ...] | None
    dropout_key: tuple[int, int]
    checkpoint: bool  # saved holds one segment of the steps, and states
    form: object  # what the caller gave, for the form of dX
    used: bool = False


class Stack(Layer):
    """The layers of `Recurrent`, on Sequences and arrays that were checked before."""

    def __init__(
        self,
        input_size,
        hidden_size,
        cell="lstm",
        num_layers=1,
        bidirectional=False,
        *,
        output_activation="tanh",
        dropout=0.0,
        dtype="float32",
        random_state=None,
    ):
        if cell not in registry():
            raise ValueError(f"cell: expected one of {list(registry())}, got {cell!r}")
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
        }
        for name, value in sizes.items():
            if isinstance(value, bool) or int(value) != value or value < 1:
                raise ValueError(
                    f"{name}: expected an integer of at least 1, got {value!r}"
                )
        if output_activation not in OUTPUT_ACTIVATIONS:
            raise ValueError(
                f"output_activation: expected one of {OUTPUT_ACTIVATIONS}, "
                f"got {output_activation!r}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected 0 <= dropout < 1, got {dropout!r}")
        row, self._facts = registry()[cell]
        if output_activation != "tanh" and not self._facts["squashes"]:
            raise ValueError(f"output_activation: the cell {cell!r} has none to choose")
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.cell, self.num_layers = cell, int(num_layers)
        self.bidirectional = bool(bidirectional)
        self.output_activation, self.dropout = output_activation, float(dropout)
        self.dtype = checked_dtype(dtype)
        self._open(row)
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        self._initialise(np.random.default_rng(random_state))

    def _open(self, row):
        """The kernels' descriptors of the layers, and where their weights lie."""
        identity = self.output_activation == "identity"
        sizes = [self.input_size] + [self.output_size] * (self.num_layers - 1)
        self._kernels = [
            _core.Layer(row, self.dtype == np.float64, size, self.hidden_size,
                        self.directions, identity)
            for size in sizes
        ]  # fmt: skip
        ends = np.cumsum([0] + [kernel.packed_size for kernel in self._kernels])
        self._parts = [slice(*map(int, pair)) for pair in pairwise(ends)]
        self.n_weights = int(ends[-1])
        self.shapes = {}
        self._spare = {}
        n, facts = self.hidden_size, self._facts
        for layer, size in enumerate(sizes):
            for side in range(self.directions):
                names = self._names(layer, side)
                self.shapes[names[0]] = (facts["w_blocks"] * n, size)
                self.shapes[names[1]] = (facts["r_blocks"] * n, n)
                self.shapes[names[2]] = (facts["b_blocks"] * n,)

    @property
    def directions(self):
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self):
        """Features of an output step."""
        return self.hidden_size * self.directions

    @property
    def state_names(self):
        """The states of the cell, h first."""
        return self._facts["states"]

    @staticmethod
    def _names(layer, side):
        end = f"_l{layer}" + ("_reverse" if side else "")
        return [name + end for name in ("weight_ih", "weight_hh", "bias")]

    def _initialise(self, rng):
        parameters = {}
        n = self.hidden_size
        for name, shape in self.shapes.items():
            if name.startswith("weight_ih"):
                bound = math.sqrt(6 / (n + shape[1]))
                parameters[name] = rng.uniform(-bound, bound, shape)
            elif name.startswith("weight_hh"):
                blocks = [_orthogonal(rng, n) for _ in range(shape[0] // n)]
                parameters[name] = np.concatenate(blocks)
            else:
                parameters[name] = np.zeros(shape)
                for column, _, _, block in self._facts["columns"]:
                    if column == "f":
                        parameters[name][block * n : (block + 1) * n] = 1
        self.load_parameters(parameters)

    def _read(self):
        return self._unpacked(self.weights)

    def _unpacked(self, packed):
        """Arrays by PyTorch's names out of a buffer laid out like `weights`."""
        parameters = {
            k: np.empty(shape, self.dtype) for k, shape in self.shapes.items()
        }
        for layer, kernel in enumerate(self._kernels):
            for side in range(self.directions):
                w, r, b = (parameters[name] for name in self._names(layer, side))
                kernel.unpack(packed[self._parts[layer]], w, r, b, side)
        return parameters

    def _write(self, parameters):
        for layer, kernel in enumerate(self._kernels):
            for side in range(self.directions):
                w, r, b = (parameters[name] for name in self._names(layer, side))
                kernel.pack(w, r, b, self.weights[self._parts[layer]], side)

    @property
    def penalised(self):
        """The parts of `weights` that hold W and R."""
        line = 64 // self.dtype.itemsize  # units are padded to whole cache lines
        biases = -(-self.hidden_size // line) * line * len(self._facts["columns"])
        parts = []
        for part in self._parts:
            each = (part.stop - part.start) // self.directions
            starts = range(part.start, part.stop, each)
            parts += [slice(start, start + each - biases) for start in starts]
        return parts

    def __getstate__(self):
        state = super().__getstate__()
        del state["_kernels"], state["_spare"]
        return state

    def __setstate__(self, state):
        self.__dict__.update({k: v for k, v in state.items() if k != "parameters"})
        self._open(registry()[self.cell][0])
        super().__setstate__(state)

    def apply(self, x, state=None, *, outputs=True, dropout_key=None, threads=0):
        """Run without a tape; see the class. Returns (y or None, state).

        With a key, the outputs between layers are dropped as in training.
        """
        after = self._empty_state(len(x))
        for layer, kernel in enumerate(self._kernels):
            last = layer == self.num_layers - 1
            y = None
            if outputs or not last:
                y = np.empty((len(x.values), self.output_size), self.dtype)
            kernel_forward(self.dtype)(
                kernel, x.offsets, x.values, self.weights[self._parts[layer]], y,
                self._of_layer(state, layer), self._of_layer(after, layer),
                None, threads,
            )  # fmt: skip
            if not last:
                if dropout_key is not None:
                    y = self._dropped(y, layer, dropout_key, copy=False)
                x = x.with_values(y)
        return y, after

    def record(self, x, state=None, *, dropout_key=(0, 0), checkpoint=False, threads=0):
        """Run for training. Returns (y, state, tape)."""
        after = self._empty_state(len(x))
        tape = Tape([], [], [], [], state, dropout_key, checkpoint, None)
        for layer, kernel in enumerate(self._kernels):
            steps = len(x.values)
            y = np.empty((steps, self.output_size), self.dtype)
            size = kernel.tape_size(steps)
            if checkpoint:
                size = kernel.checkpoint_size(x.offsets)
            saved = self._take_tape(layer, size)
            slabs = kernel_forward(self.dtype)(
                kernel, x.offsets, x.values, self.weights[self._parts[layer]], y,
                self._of_layer(state, layer), self._of_layer(after, layer),
                saved, threads, checkpoint,
            )  # fmt: skip
            tape.inputs.append(x)
            tape.outputs.append(y)
            tape.saved.append(saved)
            tape.slabs.append(slabs)
            if layer < self.num_layers - 1:
                x = x.with_values(self._dropped(y, layer, dropout_key))
        return y, after, tape

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=True, threads=0):
        """Go back over a tape, once. Returns (dx or None, dstate).

        dy (steps, output_size) and dstate may be None: zeros. `gradient`, laid out like
        `weights`, is overwritten.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        tape.used = True
        before = self._empty_state(len(tape.inputs[0]))
        for layer in reversed(range(self.num_layers)):
            x, part = tape.inputs[layer], self._parts[layer]
            wanted = input_gradient or layer > 0
            dx = np.empty(x.values.shape, self.dtype) if wanted else None
            kernel_backward(self.dtype)(
                self._kernels[layer], x.offsets, x.values, self.weights[part],
                tape.outputs[layer], self._of_layer(tape.state, layer),
                tape.saved[layer], tape.slabs[layer], dy,
                self._of_layer(dstate, layer), dx, self._of_layer(before, layer),
                gradient[part], threads, tape.checkpoint,
            )  # fmt: skip
            self._spare[layer] = tape.saved.pop()
            dy = dx
            if layer > 0:
                dy = self._dropped(dx, layer - 1, tape.dropout_key, copy=False)
        return dy, before

    def _take_tape(self, layer, size):
        """Memory for a layer's tape: that of the last backward if it is large enough.

        New memory costs as much as a fifth of a training step, since the system clears
        it page by page.
        """
        spare = self._spare.pop(layer, None)
        if spare is None or len(spare) < size:
            spare = aligned(size, self.dtype)
        return spare

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare.clear()

    def _dropped(self, values, layer, key, copy=True):
        """Values after the dropout above `layer`; in place if no copy is asked for."""
        if not self.dropout:
            return values
        values = values.copy() if copy else values
        seed, stream = key
        _core.dropout(
            values.ravel(), self.dropout, seed, stream * self.num_layers + layer
        )
        return values

    def _empty_state(self, n):
        shape = (self.num_layers * self.directions, n, self.hidden_size)
        return tuple(np.empty(shape, self.dtype) for _ in self.state_names)

    def _of_layer(self, state, layer):
        if state is None or self.num_layers == 1:
            return state
        first = layer * self.directions
        return tuple(s[first : first + self.directions] for s in state)


@cache
def kernel_forward(dtype):
    """The forward of one dtype, without a look at its arguments at each call."""
    return _core.forward["double" if dtype == np.float64 else "float"]


@cache
def kernel_backward(dtype):
    """The backward of one dtype."""
    return _core.backward["double" if dtype == np.float64 else "float"]


def _orthogonal(rng, n):
    """A random rotation or reflection, uniform over all (signs as in Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))
