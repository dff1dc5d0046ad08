"""The bench of LSTM-FCN: its problem, its judge, its table."""

import dataclasses

import numpy as np
import pytest

from bench import fcn, peers
from bench.grid import Shape

SMALL = fcn.FcnCase(Shape("small", T=12, B=9, d=3, h=5), "lstm", "fcn", 1)


def answer(peer):
    step, read = peers.build(peer, SMALL, fcn.draw_problem(SMALL.shape))
    return read(step())


def test_ours_is_right_and_a_wrong_gradient_is_a_fault():
    right = answer("lstmc")
    wrong = {**right, "gradient": {k: 1.1 * g for k, g in right["gradient"].items()}}
    errors, faults = fcn.judge(SMALL, {"lstmc": right, "torch": wrong})
    assert [*errors] == ["lstmc"] and [*faults] == ["torch"]
    assert "expected errors of at most" in faults["torch"]


def test_pytorch_finds_the_same():
    pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    assert fcn.judge(SMALL, {"torch": answer("torch")})[1] == {}


def test_an_epoch_is_cut_into_batches():
    shape = dataclasses.replace(SMALL.shape, B=200)
    pieces = fcn.batches(fcn.draw_problem(shape))
    assert [len(y) for _, y in pieces] == [128, 72]
    assert np.concatenate([x for x, _ in pieces]).shape == (200, 12)


def test_the_table_has_a_row_for_each_case():
    found = {"lstmc": {"median": 1e-2, "percent_of_peak": 50.0},
             "torch": {"median": 2e-2, "ratio": 2.0}}  # fmt: skip
    case = {"shape": dataclasses.asdict(SMALL.shape), "threads": 1, "peers": found,
            "ratio": 2.0}  # fmt: skip
    table = fcn.table({"cases": [case]})
    assert "| small | 12 × 9 × 3 × 5 | 1 | 10 | 20 | 2.00 | 50 |" in table
