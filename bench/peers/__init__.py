"""Peers: one file each, ``build(problem, kind, threads) -> step, read``.

``step()`` does the work that is timed and returns whatever the peer returns;
``read(result)`` makes the answer of `bench.check.check_answer` from it, untimed.
"""

from __future__ import annotations

import importlib

# What each peer can do, in the order of the tables.
PEERS = {
    "lstmc": ("inference", "training"),
    "torch": ("inference", "training"),
    "onnxruntime": ("inference",),
    "openvino": ("inference",),
}


def build(peer: str, problem, kind: str, threads: int):
    """Import the peer and build its step; see the module's first line."""
    return importlib.import_module(f"bench.peers.{peer}").build(problem, kind, threads)
