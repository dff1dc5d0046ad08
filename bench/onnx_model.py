"""The ONNX models that ONNX Runtime and OpenVINO run, from a problem's weights."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.problem import pair_of_biases

# Gate blocks of PyTorch (i f g o; r z n) in ONNX's order (i o f g; z r n).
ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
OPSET, IR_VERSION = 17, 8
STATES = ("h0", "c0", "h1", "c1")  # before a step, and after


def make_model(problem) -> onnx.ModelProto:
    """Stack LSTM or GRU nodes; output ``Y`` is (T, directions, B, h)."""
    shape = problem.shape
    nodes, constants, source = [], [], "X"
    for layer in range(shape.layers):
        if layer:
            source = f"X{layer}"
            nodes += _merge_directions(layer)
            constants.append(_merged_size(layer, shape))
        constants += _layer_weights(problem, layer)
        nodes.append(_recurrent_node(problem, layer, source))
    dims = {
        "X": [shape.T, shape.B, shape.d],
        "Y": [shape.T, shape.directions, shape.B, shape.h],
    }
    X, Y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in dims.items()
    )
    return _checked(helper.make_graph(nodes, problem.cell, [X], [Y], constants))


def make_step_model(problem) -> onnx.ModelProto:
    """One step of one LSTM layer: ``X, h0, c0`` to ``h1, c1``, all (1, B, ...)."""
    shape = problem.shape
    node = helper.make_node(
        "LSTM",
        ["X", "W0", "R0", "B0", "", *STATES[:2]],
        ["", *STATES[2:]],
        hidden_size=shape.h,
    )
    X, *states = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, shape.B, size])
        for name, size in {"X": shape.d, **dict.fromkeys(STATES, shape.h)}.items()
    )
    weights = _layer_weights(problem, 0)
    return _checked(
        helper.make_graph([node], "step", [X, *states[:2]], states[2:], weights)
    )


def _checked(graph):
    """A model of a graph."""
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def read_outputs(Y) -> dict:
    """Turn the model's output into (T, B, directions * h)."""
    T, directions, B, h = Y.shape
    return {"Y": Y.transpose(0, 2, 1, 3).reshape(T, B, directions * h)}


def _recurrent_node(problem, layer, source):
    """One LSTM or GRU node over both directions of a layer."""
    shape, cell = problem.shape, problem.cell
    last = layer == shape.layers - 1
    options = {"linear_before_reset": 1} if cell == "gru" else {}
    return helper.make_node(
        cell.upper(),
        [source, f"W{layer}", f"R{layer}", f"B{layer}"],
        ["Y" if last else f"Y{layer}"],
        hidden_size=shape.h,
        direction="bidirectional" if shape.directions == 2 else "forward",
        **options,
    )


def _merge_directions(layer):
    """(T, directions, B, h) of the layer below to (T, B, directions * h)."""
    below, swapped = f"Y{layer - 1}", f"swapped{layer}"
    return [
        helper.make_node("Transpose", [below], [swapped], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [swapped, f"size{layer}"], [f"X{layer}"]),
    ]


def _merged_size(layer, shape):
    """Target of the Reshape below a layer; 0 keeps T and B as they are."""
    size = np.array([0, 0, shape.directions * shape.h], np.int64)
    return numpy_helper.from_array(size, f"size{layer}")


def _layer_weights(problem, layer):
    """W (directions, rows, width), R (directions, rows, h), B (directions, 2 rows)."""

    def blocks(array):
        gates = np.split(array, len(ORDER[problem.cell]))
        return np.concatenate([gates[k] for k in ORDER[problem.cell]])

    def of(name):
        ends = ("", "_reverse")[: problem.shape.directions]
        return [problem.weights[f"{name}_l{layer}{end}"] for end in ends]

    pairs = [pair_of_biases(b, problem.cell) for b in of("bias")]
    arrays = {
        "W": np.stack([blocks(W) for W in of("weight_ih")]),
        "R": np.stack([blocks(R) for R in of("weight_hh")]),
        "B": np.stack([np.concatenate([*map(blocks, pair)]) for pair in pairs]),
    }
    return [
        numpy_helper.from_array(array, f"{name}{layer}")
        for name, array in arrays.items()
    ]
