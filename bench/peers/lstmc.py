"""lstmc: layers.Recurrent on Sequences, called as a network calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bench.problem import STATICS, real_steps
from lstmc import _core
from lstmc.layers import Recurrent
from lstmc.layers.layer import aligned
from lstmc.sequences import Sequences


def build(case, problem, variant):
    """Build a forward pass, or forward and backward with every gradient.

    The variant ``checkpoint`` keeps less on the tape and computes it again; others name
    an instruction set. Inference of a single step is a step of a stream.
    """
    if variant in _core.targets():
        _core.choose_target(variant)
    shape, threads = case.shape, case.threads
    real = real_steps(shape).T  # (B, T)
    layer = make_layer(problem)
    x = Sequences.from_padded(problem.X.swapaxes(0, 1), shape.lengths)
    dy = problem.dY.swapaxes(0, 1)[real]
    time = None if problem.time is None else problem.time.T[real]
    extras = {"time": time, "static": problem.static, "threads": threads}
    gradient = aligned(layer.n_weights, layer.dtype)
    options = {"checkpoint": True} if variant == "checkpoint" else {}

    def infer():
        y, _ = layer.apply(x, **extras)
        return y, None, None, None

    def step():
        return stream.step(first), None, None, None

    def train():
        y, _, tape = layer.record(x, **extras, **options)
        kept = sum(array.nbytes for array in tape.saved)
        dx, _ = layer.pull(tape, dy, None, gradient, threads=threads)
        return y, dx, tape.dstatic, kept

    def read(result):
        y, dx, dstatic, kept = result
        answer = {"Y": padded(y)}
        if case.kind == "checkpoint":
            answer["memory"] = {"tape_mb": kept / 1e6, "resident_mb": _resident_mb()}
        if case.kind == "inference":
            return answer
        layer.weights[:] = gradient  # so that `parameters` names its parts
        gradients = {"X": padded(dx)} | layer.parameters
        if dstatic is not None:
            gradients["static"] = dstatic
        return answer | {"gradients": gradients}

    def padded(values):
        array = np.zeros((*real.shape, values.shape[1]), values.dtype)
        array[real] = values
        return array.swapaxes(0, 1)

    if case.kind != "inference":
        return train, read
    if shape.T > 1 or shape.directions > 1:
        return infer, read
    stream, first = layer.stream(shape.B, threads=threads), problem.X[0]
    return step, read


def make_layer(problem) -> Recurrent:
    """The layer with the weights of a problem."""
    shape = problem.shape
    layer = Recurrent(
        shape.d,
        shape.h,
        problem.cell,
        shape.layers,
        shape.directions == 2,
        num_heads=shape.heads,
        static_size=STATICS if problem.facts["statics"] else 0,
        dtype=shape.dtype,
    )
    layer.load_parameters(problem.weights)
    return layer


def _resident_mb():
    """The most memory this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss starts from that of the parent
        [line] = [s for s in status.read_text().splitlines() if s.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # POSIX has it

    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
