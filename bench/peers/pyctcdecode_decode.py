"""Prefix beam search by pyctcdecode, which wants characters for labels."""

from __future__ import annotations

import logging
import string

import numpy as np
from pyctcdecode import build_ctcdecoder

LETTERS = string.ascii_letters + string.digits  # no space: a text is one word


def build(case, x, variant):
    """Build the decoding of one sample; "pruned" has the package's defaults."""
    logging.disable(logging.WARNING)  # on the alphabet, that it has no space
    decoder = build_ctcdecoder(["", *LETTERS[: case.shape.d - 1]])
    y = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
    options = {} if variant == "pruned" else {"token_min_logp": -1e9}
    if variant != "pruned":
        options["beam_prune_logp"] = -1e9

    def step():
        return decoder.decode_beams(y, beam_width=case.shape.h, **options)

    def read(beams):
        return [1 + LETTERS.index(letter) for letter in beams[0][0]]

    return step, read
