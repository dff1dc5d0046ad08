"""Peers: a file for each, ``build(case, problem, variant) -> step, read``.

``step()`` does the work that is timed and returns whatever the peer returns;
``read(result)`` makes the answer of `bench.check.check_answer` from it, untimed, or
that of another suite's judge. The problem is what the case makes. A peer may be
measured in variants; ``torch-packed`` is the variant ``packed`` of torch.

What a peer can do its files say: ``torch.py`` takes the kinds of `PLAIN`, and
``torch_ctc.py`` the kind "ctc" and those that begin with "ctc-".
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted({path.stem.partition("_")[0] for path in HERE.glob("[a-z]*.py")})
# Kinds that the file without a suffix takes.
PLAIN = {
    "lstmc": ("inference", "training", "checkpoint"),
    "torch": ("inference", "training"),
    "onnxruntime": ("inference",),
    "openvino": ("inference",),
    "xlstm": ("training",),
}
VARIANTS = {"loop": "_cells"}  # that have a file of their own


def can(peer: str, kind: str) -> bool:
    """Whether a peer, or a variant of it, does this kind of work."""
    return _suffix(peer.partition("-")[0], kind) is not None


@functools.cache
def _suffix(name, kind):
    """What the file of a peer for a kind ends with; None: there is none."""
    if kind in PLAIN.get(name, ()):
        return ""
    suffix = "_" + kind.partition("-")[0]
    return suffix if (HERE / f"{name}{suffix}.py").exists() else None


def build(peer: str, case, problem):
    """Import the peer and build its step; see the module's docstring."""
    name, _, variant = peer.partition("-")
    file = name + VARIANTS.get(variant, _suffix(name, case.kind) or "")
    module = importlib.import_module(f"bench.peers.{file}")
    return module.build(case, problem, variant)
