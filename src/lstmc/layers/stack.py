"""Stack: recurrent layers over Sequences, unchecked: what a network runs and trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .. import _core
from ..sequences import Sequences, sequences_of
from .layer import aligned, checked_dtype, fresh
from .options import check_options, checked_zoneout
from .packing import Form, Packing, initial_parameters
from .shortcut import add_past, make_shortcuts, pull_past
from .states import Stated


@cache
def registry() -> dict[str, tuple[int, dict]]:
    """Name of each cell: its row number and its facts."""
    return {row["name"]: (k, row) for k, row in enumerate(_core.cells())}


@dataclass(slots=True)
class Tape:
    """What a training forward keeps for one backward, layer by layer."""

    state: tuple[np.ndarray, ...] | None
    time: np.ndarray | None
    static: np.ndarray | None
    dropout_key: tuple[int, int]
    checkpoint: bool  # saved holds one segment of the steps, and states
    weights: np.ndarray  # what forward ran with
    form: object = None  # what the caller gave, for the form of dX
    inputs: list[Sequences] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)  # (steps, output_size) each
    saved: list[np.ndarray] = field(default_factory=list)
    slabs: list[int] = field(default_factory=list)
    gates: list = field(default_factory=list)  # tapes of the shortcuts, None: none
    dstatic: np.ndarray | None = None  # of backward
    used: bool = False


class Stack(Stated):
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
        proj_size=0,
        num_heads=1,
        static_size=0,
        gradient="full",
        block_size=1,
        cell_bias=True,
        residual=False,
        highway=False,
        dropout=0.0,
        variational=False,
        recurrent_dropout=0.0,
        zoneout=0.0,
        drop_connect=0.0,
        input_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        forget_bias=1.0,
        dtype="float32",
        random_state=None,
    ):
        if cell not in registry():
            raise ValueError(f"cell: expected one of {list(registry())}, got {cell!r}")
        self._facts = registry()[cell][1]
        check_options(
            self._facts, input_size=input_size, hidden_size=hidden_size,
            num_layers=num_layers, output_activation=output_activation,
            proj_size=proj_size, num_heads=num_heads, static_size=static_size,
            gradient=gradient, block_size=block_size, cell_bias=cell_bias,
            residual=residual, highway=highway,
            dropout=dropout, recurrent_dropout=recurrent_dropout,
            drop_connect=drop_connect, forget_bias=forget_bias,
        )  # fmt: skip
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.cell, self.num_layers = cell, int(num_layers)
        self.bidirectional = bool(bidirectional)
        self.output_activation = output_activation
        self.proj_size, self.num_heads = int(proj_size), int(num_heads)
        self.static_size, self.gradient = int(static_size), gradient
        self.block_size, self.cell_bias = int(block_size), bool(cell_bias)
        self.residual, self.highway = bool(residual), bool(highway)
        self.dropout, self.variational = float(dropout), bool(variational)
        self.recurrent_dropout = float(recurrent_dropout)
        self.zoneout = checked_zoneout(zoneout)
        self.drop_connect = float(drop_connect)
        self.dtype = checked_dtype(dtype)
        self._open()
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        rng = np.random.default_rng(random_state)
        drawn = initial_parameters(
            self._packing, rng, input_initializer, recurrent_initializer, forget_bias
        )
        self.load_parameters(drawn)

    def _open(self):
        """The kernels' descriptors of the layers, and where their weights lie."""
        row, facts = registry()[self.cell]
        form = Form(
            row, facts, self.dtype, self.input_size, self.hidden_size, self.num_layers,
            self.directions, self.output_activation == "identity", self.proj_size,
            self.num_heads, self.static_size, self.gradient == "truncated",
            self.block_size, self.cell_bias, self.highway,
        )  # fmt: skip
        self._packing = Packing(form)
        self._shortcuts = make_shortcuts(self._packing, self.residual)
        self._kernels, self._parts = self._packing.kernels, self._packing.parts
        self.n_weights, self.shapes = self._packing.n_weights, self._packing.shapes
        self._spare = {}
        self._state_sizes = [self.state_size] + [self.hidden_size] * (
            len(self.state_names) - 1
        )
        self._state_rows = self.num_layers * self.directions
        # Kernels then see states as people do, and weights are one kernel's alone.
        self._is_plain = (
            self.num_layers == self.num_heads == 1 and not self._facts["statics"]
        )

    @property
    def state_size(self):
        """Features of h of one direction: the projection's, or hidden_size."""
        return self.proj_size or self.hidden_size

    @property
    def output_size(self):
        """Features of an output step."""
        return self.state_size * self.directions

    @property
    def state_names(self):
        """The states of the cell, h first, but those that static features give."""
        names = self._facts["states"]
        return names[: len(names) - self._facts["statics"]]

    @property
    def timed(self):
        """Whether the cell needs the time elapsed before each step."""
        return self._facts["timed"]

    @property
    def n_parameters(self):
        """Numbers that training may choose."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def _read(self):
        return self._unpacked(self.weights)

    def _unpacked(self, packed):
        """Arrays by PyTorch's names out of a buffer laid out like `weights`."""
        return self._packing.read(packed)

    def _write(self, parameters):
        self._packing.write(parameters, self.weights)

    @property
    def penalised(self):
        """The parts of `weights` that hold W, R, projections and static maps."""
        kinds = ("weight_ih", "weight_hh", "weight_hr", "weight_static",
                 "weight_transform")  # fmt: skip
        marks = np.append(self._packing.mark(kinds) > 0, False)
        edges = np.flatnonzero(np.diff(np.append(False, marks)))
        return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

    def __getstate__(self):
        state = super().__getstate__()
        for name in (
            "packing", "kernels", "parts", "spare", "facts", "shortcuts",
            "state_sizes", "state_rows", "is_plain",
        ):  # fmt: skip
            state.pop("_" + name, None)
        return state

    def __setstate__(self, state):
        self.__dict__.update({k: v for k, v in state.items() if k != "parameters"})
        self._facts = registry()[self.cell][1]
        self._open()
        super().__setstate__(state)

    # --- forward and backward ---------------------------------------------------------

    def apply(
        self, x, state=None, *, time=None, static=None, outputs=True, dropout_key=None,
        threads=0,
    ):  # fmt: skip
        """Run without a tape; see the class. Returns (y or None, state).

        With a key, noise is drawn as in training.
        """
        if self._is_plain and dropout_key is None and outputs:  # in half the time
            return _core.forward_anew(
                self._kernels[0], x.offsets, x.values, self.weights, state, None,
                threads, False, time, self._noise(0, None),
            )[:2]  # fmt: skip
        after = self._empty_state(len(x))
        weights = self._noisy_weights(dropout_key)
        joined, calls = self._is_joined(len(x), dropout_key), []
        for layer, kernel in enumerate(self._kernels):
            last = layer == self.num_layers - 1
            y = None
            if outputs or not last:
                y = fresh((len(x.values), self.output_size), self.dtype)
            found = self._kernel_state(after, layer, None)
            calls.append((
                kernel, x.offsets, x.values, weights[self._parts[layer]], y,
                self._kernel_state(state, layer, static, len(x)), found,
                None, threads, False, time, self._noise(layer, dropout_key),
            ))  # fmt: skip
            if not joined:
                _core.forward(*calls.pop())
                self._store_state(found, after, layer)
            shortcut = self._shortcuts[layer]
            if shortcut and y is not None:
                y = shortcut.apply(x.values, y, weights, threads)
            if y is not None and not last:
                if dropout_key is not None:
                    y = self._dropped(x, y, layer, dropout_key, copy=False)
                x = sequences_of(y, x.offsets)
        if joined:
            _core.forward_stack(calls)
        return y, after

    def record(
        self, x, state=None, *, time=None, static=None, dropout_key=(0, 0),
        checkpoint=False, threads=0,
    ):  # fmt: skip
        """Run for training. Returns (y, state, tape)."""
        weights = self._noisy_weights(dropout_key)
        if self._is_plain:  # as in `apply`
            saved = self._take_tape(0, x, checkpoint)
            y, after, slabs = _core.forward_anew(
                self._kernels[0], x.offsets, x.values, weights, state, saved, threads,
                checkpoint, time, self._noise(0, dropout_key),
            )  # fmt: skip
            return y, after, Tape(
                state, time, static, dropout_key, checkpoint, weights, None,
                [x], [y], [saved], [slabs], [None],
            )  # fmt: skip
        after = self._empty_state(len(x))
        tape = Tape(state, time, static, dropout_key, checkpoint, weights)
        joined, calls = self._is_joined(len(x), dropout_key), []
        for layer, kernel in enumerate(self._kernels):
            y = fresh((len(x.values), self.output_size), self.dtype)
            saved = self._take_tape(layer, x, checkpoint)
            found = self._kernel_state(after, layer, None)
            calls.append((
                kernel, x.offsets, x.values, weights[self._parts[layer]], y,
                self._kernel_state(state, layer, static, len(x)), found,
                saved, threads, checkpoint, time, self._noise(layer, dropout_key),
            ))  # fmt: skip
            if not joined:
                tape.slabs.append(_core.forward(*calls.pop()))
                self._store_state(found, after, layer)
            tape.inputs.append(x)
            tape.outputs.append(y)
            tape.saved.append(saved)
            tape.gates.append(None)
            if shortcut := self._shortcuts[layer]:
                y, tape.gates[-1] = shortcut.record(x.values, y, weights, threads)
            if layer < self.num_layers - 1:
                y = self._dropped(x, y, layer, dropout_key)
                x = sequences_of(y, x.offsets)
        if joined:
            tape.slabs = _core.forward_stack(calls)
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
        if self._is_plain:
            x, saved = tape.inputs[0], tape.saved.pop()
            dx, before = _core.backward_anew(
                self._kernels[0], x.offsets, x.values, tape.weights, tape.outputs[0],
                tape.state, saved, tape.slabs[0], dy, dstate, input_gradient, gradient,
                threads, tape.checkpoint, tape.time, self._noise(0, tape.dropout_key),
            )  # fmt: skip
            self._spare[0] = saved
            if tape.weights is not self.weights:
                gradient *= self._connections(tape.dropout_key)
            self._packing.tie(gradient)
            return dx, before
        n = len(tape.inputs[0])
        before = self._empty_state(n)
        if tape.static is not None:
            tape.dstatic = np.zeros_like(tape.static)
        joined, calls = self._is_joined(n, tape.dropout_key), []
        for layer in reversed(range(self.num_layers)):
            x, part = tape.inputs[layer], self._parts[layer]
            past = None  # what goes past the layer
            if shortcut := self._shortcuts[layer]:
                past, dy = pull_past(shortcut, tape, dy, gradient, threads)
            wanted = input_gradient or layer > 0
            dx = fresh(x.values.shape, self.dtype) if wanted else None
            found = self._kernel_state(before, layer, None)
            calls.append((
                self._kernels[layer], x.offsets, x.values, tape.weights[part],
                tape.outputs[layer],
                self._kernel_state(tape.state, layer, tape.static, n),
                tape.saved[layer], tape.slabs[layer], dy,
                self._kernel_gradient(dstate, layer, n), dx, found,
                gradient[part], threads, tape.checkpoint, tape.time,
                self._noise(layer, tape.dropout_key),
            ))  # fmt: skip
            if not joined:
                _core.backward(*calls.pop())
                self._store_state(found, before, layer)
                self._pull_static(found, layer, tape, gradient)
            self._spare[layer] = tape.saved.pop()
            dy = add_past(dx, past)
            if layer > 0:
                below = tape.inputs[layer - 1]
                dy = self._dropped(below, dx, layer - 1, tape.dropout_key, copy=False)
        if joined:
            _core.backward_stack(calls)
        if tape.weights is not self.weights:
            gradient *= self._connections(tape.dropout_key)
        self._packing.tie(gradient)
        return dy, before

    def _is_joined(self, n, key):
        """Whether layers go into one call, and may run at the same time.

        They have nothing between them, and the samples are too few for that many
        threads; of more, what is between two layers would be kept for nothing.
        """
        return (
            n < self.num_layers and self.directions == self.num_heads == 1
            and not (any(self._shortcuts) or self._facts["statics"])
            and (key is None or not self.dropout)
        )  # fmt: skip

    def _take_tape(self, layer, x, checkpoint):
        """Memory for a layer's tape of x: that of the last backward if it is large
        enough.

        New memory costs as much as a fifth of a training step, since the system clears
        it page by page.
        """
        kernel, spare = self._kernels[layer], self._spare.pop(layer, None)
        size = (
            kernel.checkpoint_size(x.offsets) if checkpoint
            else kernel.tape_size(len(x.values))
        )  # fmt: skip
        if spare is None or len(spare) < size:
            spare = aligned(size, self.dtype)
        return spare

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare.clear()
        _core.release_memory()
        for shortcut in filter(None, self._shortcuts):
            shortcut.release()
