"""Peers: a file for each, ``build(case, problem, variant) -> step, read``.

``step()`` does the work that is timed and returns whatever the peer returns;
``read(result)`` makes the answer of `bench.check.check_answer` from it, untimed, or
that of `bench.fit.judge`. The problem of a fit is a data set. A peer may be measured
in variants; ``torch-packed`` is the variant ``packed`` of torch.
"""

from __future__ import annotations

import importlib

# What each peer can do, in the order of the tables.
PEERS = {
    "lstmc": ("inference", "training", "stream", "checkpoint", "fit", "ctc", "decode",
              "fcn"),
    "torch": ("inference", "training", "stream", "fit", "ctc", "fcn"),
    "onnxruntime": ("inference", "stream"),
    "openvino": ("inference", "stream"),
    "xlstm": ("training",),
    "pyctcdecode": ("decode",),
}
# Kinds and variants that have a file of their own.
FILES = {
    "stream": "_stream", "fit": "_fit", "ctc": "_ctc", "decode": "_decode",
    "loop": "_cells", "fcn": "_fcn",
}  # fmt: skip


def can(peer: str, kind: str) -> bool:
    """Whether a peer, or a variant of it, does this kind of work."""
    return kind in PEERS[peer.partition("-")[0]]


def build(peer: str, case, problem):
    """Import the peer and build its step; see the module's docstring."""
    name, _, variant = peer.partition("-")
    file = name + FILES.get(variant, FILES.get(case.kind, ""))
    module = importlib.import_module(f"bench.peers.{file}")
    return module.build(case, problem, variant)
