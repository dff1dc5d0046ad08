"""CTC's loss and gradient with lstmc."""

from __future__ import annotations

from bench.ctc import CHECKED
from lstmc import ctc


def build(case, problem, variant):
    """Build the sum of the losses and its gradient."""
    logits, labels = problem
    labels = list(labels)

    def step():
        return ctc.loss(logits, labels, reduction="sum", threads=case.threads)

    def read(result):
        few = ctc.loss(logits[:CHECKED], labels[:CHECKED], reduction="none")
        return {"losses": few.loss, "gradients": list(result.gradient[:CHECKED])}

    return step, read
