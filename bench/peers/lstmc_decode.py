"""Prefix beam search by lstmc, times of the labels included."""

from __future__ import annotations

from bench.decoding import PRUNED
from lstmc import ctc


def build(case, x, variant):
    """Build the decoding of one sample; "pruned" leaves out the unlikely."""
    options = PRUNED if variant == "pruned" else {}

    def step():
        return ctc.prefix_beam(
            [x], beam_size=case.shape.h, threads=case.threads, **options
        )

    def read(rows):
        return rows[0][0].labels.tolist()

    return step, read
