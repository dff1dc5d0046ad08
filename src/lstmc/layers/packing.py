"""Packing: where the parameters of recurrent layers lie in one flat array of weights.

For each layer stand the packed weights of its parts (the heads of one direction, then
those of the other), and after all layers the maps of static features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import _core
from ..initializers import find_initializer, power_law
from .layer import aligned

KINDS = ("weight_ih", "weight_hh", "bias", "vector", "weight_hr")


@dataclass(frozen=True)
class Form:
    """What the shapes of the parameters follow from."""

    row: int  # of the registry
    facts: dict
    dtype: np.dtype
    input_size: int
    hidden_size: int
    num_layers: int
    directions: int
    identity: bool
    proj_size: int
    num_heads: int
    static_size: int
    truncated: bool
    block_size: int
    cell_bias: bool
    highway: bool

    @property
    def width(self):
        """Features of h of one direction."""
        return self.proj_size or self.hidden_size

    @property
    def units(self):
        """Units of a head."""
        return self.hidden_size // self.num_heads

    @property
    def inputs(self):
        """Features that each layer reads."""
        above = self.width * self.directions
        return [self.input_size] + [above] * (self.num_layers - 1)

    @property
    def tied(self):
        """Whether kernels see more weights than there are parameters."""
        return self.block_size > 1 or not self.cell_bias


class Packing:
    """The kernels of all layers, and the way between parameters and weights."""

    def __init__(self, form: Form):
        self.form = form
        self.kernels = [
            _core.Layer(
                form.row, form.dtype == np.float64, size, form.units, form.directions,
                form.identity, form.num_heads, form.proj_size, form.truncated,
            )
            for size in form.inputs
        ]  # fmt: skip
        ends = np.cumsum([0] + [kernel.packed_size for kernel in self.kernels])
        self.parts = [slice(*map(int, pair)) for pair in pairwise(ends)]
        self.n_packed = self.n_weights = int(ends[-1])
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.maps: list[list[tuple[slice, slice]]] = []  # W and b of static features
        self._inner: list[dict[str, tuple[int, ...]]] = []  # as the kernels see them
        for layer, size in enumerate(form.inputs):
            self._inner.append(self._inner_shapes(size))
            self.maps.append([])
            for side in range(form.directions):
                self._add_shapes(layer, side, size)
        self.gates = [self._add_gate(layer) for layer in range(form.num_layers)]
        self._marks: dict[tuple[str, ...], np.ndarray] = {}
        self._ties = [self._find_ties(size) for size in form.inputs]
        self._ids = self._number_weights() if form.tied else None

    @staticmethod
    def name(kind, layer, side):
        """A parameter's name as PyTorch writes it."""
        return f"{kind}_l{layer}" + ("_reverse" if side else "")

    def _inner_shapes(self, size):
        form, facts = self.form, self.form.facts
        n = form.hidden_size
        return {
            "weight_ih": (facts["w_blocks"] * n, size),
            "weight_hh": (facts["r_blocks"] * n, form.width // form.num_heads),
            "bias": (facts["b_blocks"] * n,),
            "vector": (len(facts["vectors"]) * n,),
            "weight_hr": (form.proj_size, n),
        }

    def _add_shapes(self, layer, side, size):
        form = self.form
        shapes = self._inner[layer]
        if form.tied:
            gates, n = form.hidden_size // form.block_size, form.hidden_size
            names = [c[0] for c in form.facts["columns"]]
            rows = sum(n if name == "z" else gates for name in names)
            seen = sum(n if name == "h" else gates for name in form.facts["rows"])
            bias = rows if form.cell_bias else rows - n
            shapes = shapes | {
                "weight_ih": (rows, size),
                "weight_hh": (rows, seen),
                "bias": (bias,),
            }
        for kind in KINDS:
            if np.prod(shapes[kind]) > 0:
                self.shapes[self.name(kind, layer, side)] = shapes[kind]
        if form.facts["statics"]:
            n, s = form.hidden_size, form.static_size
            first, middle = self.n_weights, self.n_weights + n * s
            self.n_weights = middle + n
            self.maps[layer].append(
                (slice(first, middle), slice(middle, self.n_weights))
            )
            self.shapes[self.name("weight_static", layer, side)] = (n, s)
            self.shapes[self.name("bias_static", layer, side)] = (n,)

    def _add_gate(self, layer):
        """Where the weights lie of the gate around a layer; the first has none."""
        if not self.form.highway or layer == 0:
            return None
        n, first = self.form.inputs[layer], self.n_weights
        self.n_weights += n * (n + 1)
        self.shapes[f"weight_transform_l{layer}"] = (n, n)
        self.shapes[f"bias_transform_l{layer}"] = (n,)
        return slice(first, self.n_weights)

    # --- memory blocks: cells that share their gates ----------------------------------

    def _find_ties(self, size):
        """For every weight of the kernels the parameter it is, by kind; -1: zero."""
        form = self.form
        if not form.tied:
            return None
        n, share = form.hidden_size, form.block_size
        gates = n // share
        unit = np.arange(n)
        rows, first = {}, 0  # of the parameters, block by block of the kernels' W
        for name, block, _, _ in sorted(form.facts["columns"], key=lambda c: c[1]):
            rows[block] = first + (unit if name == "z" else unit // share)
            first += n if name == "z" else gates
        row = np.concatenate([rows[k] for k in range(len(rows))])
        columns, first = [], 0
        for name in form.facts["rows"]:
            once = unit % share == 0
            columns.append(
                first + unit
                if name == "h"
                else np.where(once, first + unit // share, -1)
            )
            first += n if name == "h" else gates
        blocks = form.facts["columns"]
        hidden = np.full((form.facts["r_blocks"], n, n), -1)
        for (_, w, r, _), reads in zip(blocks, form.facts["reads"], strict=True):
            for k in range(reads):
                seen = columns[k][None, :]
                hidden[r + k] = np.where(seen < 0, -1, rows[w][:, None] * first + seen)
        bias = row.copy()
        if not form.cell_bias:
            z = next(c[1] for c in blocks if c[0] == "z")
            bias[z * n : (z + 1) * n] = -1
            bias[bias > rows[z].min()] -= n
        return {
            "weight_ih": row[:, None] * size + np.arange(size),
            "weight_hh": hidden.reshape(-1, n),
            "bias": bias,
        }

    def _number_weights(self):
        """Equal numbers for packed weights that are one parameter; 0: held at zero."""
        ids = np.zeros(self.n_packed, np.int64)
        for layer, (kernel, part) in enumerate(
            zip(self.kernels, self.parts, strict=True)
        ):
            packed = aligned(kernel.packed_size, self.form.dtype)
            first = 1
            for side in range(self.form.directions):
                numbers = {}
                for kind, tie in self._ties[layer].items():
                    numbers[kind] = np.where(tie < 0, 0, tie + first)
                    first += int(tie.max()) + 1
                self._pack_side(numbers, layer, side, packed)
            if first > 2**24:
                raise ValueError(f"block_size: at most 2**24 weights, got {first}")
            ids[part] = packed
        return ids

    def tie(self, gradient):
        """Sum the gradient over all copies of a parameter, for each of them."""
        if self._ids is None:
            return
        for part in self.parts:
            ids = self._ids[part]
            sums = np.bincount(ids, weights=gradient[part])
            sums[0] = 0
            gradient[part] = sums[ids]

    # --- to and fro -------------------------------------------------------------------

    def _flat(self, kind, array, head):
        """What one head has of a parameter, flat."""
        heads, units = self.form.num_heads, self.form.units
        if heads == 1 or kind == "weight_hr":
            return array.reshape(-1)
        return array.reshape(-1, heads, units, *array.shape[1:])[:, head].reshape(-1)

    def _pack_side(self, inner, layer, side, packed):
        """Parameters as the kernels see them into a layer's packed weights."""
        empty = np.zeros(0, self.form.dtype)
        heads = self.form.num_heads
        for head in range(heads):
            arrays = [
                np.ascontiguousarray(
                    self._flat(kind, inner[kind], head), dtype=self.form.dtype
                )
                if kind in inner and inner[kind].size
                else empty
                for kind in KINDS
            ]
            self.kernels[layer].pack(*arrays, packed, side * heads + head)

    def _unpack_side(self, layer, side, packed):
        heads, inner = self.form.num_heads, {}
        for kind, shape in self._inner[layer].items():
            inner[kind] = np.empty(shape, self.form.dtype)
        for head in range(heads):
            arrays = [
                np.ascontiguousarray(self._flat(kind, inner[kind], head))
                for kind in KINDS
            ]
            self.kernels[layer].unpack(packed, *arrays, side * heads + head)
            for kind, array in zip(KINDS, arrays, strict=True):
                whole = inner[kind]
                if heads == 1:
                    inner[kind] = array.reshape(whole.shape)
                elif array.size:
                    shape = (-1, heads, self.form.units, *whole.shape[1:])
                    view = whole.reshape(shape)
                    view[:, head] = array.reshape(view[:, head].shape)
        return inner

    def write(self, parameters, weights):
        """Parameters by name into the flat weights."""
        for layer, part in enumerate(self.parts):
            for side in range(self.form.directions):
                inner = {
                    kind: parameters[self.name(kind, layer, side)]
                    for kind in KINDS
                    if self.name(kind, layer, side) in self.shapes
                }
                for kind, tie in (self._ties[layer] or {}).items():
                    flat = np.append(inner[kind].reshape(-1), 0)
                    inner[kind] = flat[tie]
                self._pack_side(inner, layer, side, weights[part])
                for where, name in self._plain_parts(layer, side):
                    weights[where] = parameters[name].reshape(-1)

    def read(self, weights):
        """Parameters by name out of flat weights, or of a gradient laid out so."""
        parameters = {}
        for layer, part in enumerate(self.parts):
            for side in range(self.form.directions):
                inner = self._unpack_side(layer, side, weights[part])
                for kind in KINDS:
                    name = self.name(kind, layer, side)
                    if name not in self.shapes:
                        continue
                    array = inner[kind]
                    if self._ties[layer] and kind in self._ties[layer]:
                        tie, full = self._ties[layer][kind], array
                        array = np.zeros(self.shapes[name], self.form.dtype)
                        array.reshape(-1)[tie[tie >= 0]] = full[tie >= 0]
                    parameters[name] = array
                for where, name in self._plain_parts(layer, side):
                    parameters[name] = weights[where].reshape(self.shapes[name]).copy()
        return {name: parameters[name] for name in self.shapes}

    def _plain_parts(self, layer, side):
        """Where lies what the kernels do not pack, and its names."""
        kinds, parts = ["weight_static", "bias_static"], []
        if self.maps[layer]:
            parts += self.maps[layer][side]
        names = [self.name(kind, layer, side) for kind in kinds[: len(parts)]]
        if self.gates[layer] and side == 0:
            start, end = self.gates[layer].start, self.gates[layer].stop
            middle = end - self.form.inputs[layer]
            parts += [slice(start, middle), slice(middle, end)]
            names += [f"weight_transform_l{layer}", f"bias_transform_l{layer}"]
        return list(zip(parts, names, strict=True))

    def forget_rows(self, layer):
        """Where in a layer's biases the forget gates' stand, of all cells or none."""
        n, ties = self.form.hidden_size, self._ties[layer]
        blocks = [b for name, _, _, b in self.form.facts["columns"] if name == "f"]
        rows = [np.arange(b * n, (b + 1) * n) for b in blocks if b >= 0]
        seen = np.concatenate([np.empty(0, np.intp), *rows])
        return ties["bias"][seen] if ties else seen

    def mark(self, kinds):
        """Ones where a parameter of such a kind lies in flat weights, else zeros."""
        if kinds in self._marks:
            return self._marks[kinds]
        marks = self._marks[kinds] = aligned(self.n_weights, self.form.dtype)
        marks[:] = 0
        for layer, part in enumerate(self.parts):
            ones = {
                kind: np.full(shape, kind in kinds, self.form.dtype)
                for kind, shape in self._inner[layer].items()
            }
            for side in range(self.form.directions):
                self._pack_side(ones, layer, side, marks[part])
                for where, name in self._plain_parts(layer, side):
                    marks[where] = name[: name.rindex("_l")] in kinds
        return marks


def initial_parameters(packing, rng, input_initializer, recurrent_initializer, bias):
    """Random parameters; `bias` is that of forget gates, or "power_law"."""
    form, parameters = packing.form, {}
    draw_input = find_initializer(input_initializer, "input_initializer")
    draw_recurrent = find_initializer(recurrent_initializer, "recurrent_initializer")
    for name, shape in packing.shapes.items():
        kind = name[: name.rindex("_l")]
        layer = int(name[len(kind) + 2 :].removesuffix("_reverse"))
        if kind == "weight_ih":
            # A gate alone decides how large its weights are.
            parameters[name] = _by_blocks(form, shape, rng, draw_input)
        elif kind == "weight_hh":
            parameters[name] = _by_blocks(form, shape, rng, draw_recurrent)
        elif kind in ("weight_static", "weight_hr", "weight_transform"):
            parameters[name] = draw_input(rng, shape)
        elif kind == "vector":
            parameters[name] = _initial_vectors(form, rng, layer, bias)
        else:
            parameters[name] = np.full(shape, -1.0 if kind == "bias_transform" else 0.0)
            if kind == "bias":
                rows = packing.forget_rows(layer)
                parameters[name][rows] = _forget_bias(form, layer, bias)[: len(rows)]
    return parameters


def _by_blocks(form, shape, rng, draw):
    """Blocks of as many rows as a head has units, if that is what they consist of."""
    rows, columns = shape
    units = form.units if rows % form.units == 0 else rows
    if form.tied and rows % form.units == 0:
        units = rows
    return np.concatenate([draw(rng, (units, columns)) for _ in range(rows // units)])


def _forget_bias(form, layer, bias):
    """One number a cell; the cells of a memory block share their gate's."""
    if bias == "power_law":
        ratio, share = layer / max(1, form.num_layers - 1), form.block_size
        gates = power_law(form.units // share, ratio)
        return np.tile(np.repeat(gates, share), form.num_heads)
    return np.full(form.hidden_size, float(bias))


def _initial_vectors(form, rng, layer, bias):
    """Peepholes near 0, gains 1, biases 0 but those of forget gates, decays any."""
    n, vectors = form.hidden_size, []
    for name in form.facts["vectors"]:
        if name.startswith("g"):
            vectors.append(np.ones(n))
        elif name == "b_f":
            vectors.append(_forget_bias(form, layer, bias))
        elif name.startswith("b_"):
            vectors.append(np.zeros(n))
        elif name == "d":
            vectors.append(rng.uniform(0, 1, n))
        else:
            vectors.append(rng.uniform(-0.1, 0.1, n))
    return np.concatenate(vectors)
