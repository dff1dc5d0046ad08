"""The bench of decoding: its logits, its own sum over paths, its judge."""

import numpy as np
import pytest
from ctc_paths import labellings

from bench import peers, tables
from bench.decoding import DECODERS, DecodeCase, judge, log_probability, make_logits
from bench.grid import Shape

SMALL = DecodeCase(Shape("peaky", 30, 1, 8, 20), "lstm", "decode", 1)


def test_probabilities_are_those_of_all_paths():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    for labels, wanted in labellings(x).items():
        assert log_probability(x, list(labels)) == pytest.approx(wanted, abs=1e-12)


def answer(peer):
    step, read = peers.build(peer, SMALL, make_logits(SMALL.shape))
    return read(step())


def test_pruning_finds_the_same_on_peaky_logits():
    answers = {peer: answer(peer) for peer in DECODERS if peer.startswith("lstmc")}
    errors, faults = judge(SMALL, answers)
    assert len(errors) == 2 and not faults
    assert max(make_logits(SMALL.shape).argmax(axis=1)) > 0


def test_another_package_finds_the_same():
    pytest.importorskip("pyctcdecode", reason="a peer, installed by `make bench`")
    assert judge(SMALL, {peer: answer(peer) for peer in DECODERS})[1] == {}


def test_a_worse_labelling_is_a_fault():
    best = answer("lstmc")
    errors, faults = judge(SMALL, {"lstmc": best[:-1], "pyctcdecode": best})
    assert list(errors) == ["pyctcdecode"]
    assert "expected" in faults["lstmc"] and "as the best" in faults["lstmc"]


def test_the_table_has_a_row_for_each_decoder():
    found = {"lstmc": {"median": 1e-4}, "pyctcdecode": {"median": 2e-2, "ratio": 200.0}}
    case = {"shape": {"name": "flat"}, "threads": 1, "peers": found}
    table = tables.decoding({"cases": [case]})
    assert "| flat | 1 | lstmc | 100 | 100 | 1 |" in table
    assert "| flat | 1 | pyctcdecode | 20000 | 0.5 | 200 |" in table
