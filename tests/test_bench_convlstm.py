"""The bench of ConvLSTM: its peers, its judge, its table."""

import numpy as np
import pytest

from bench import peers
from bench.convlstm import KINDS, FrameCase, FrameShape, judge, make_problem, table

SMALL = FrameShape("tiny", T=3, B=2, d=2, h=5, kernel=3, size=6)


def answer(peer, case):
    step, read = peers.build(peer, case, make_problem(case.shape))
    return read(step())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peer", ["lstmc", "torch"])
def test_peers_give_what_the_equations_say(kind, peer):
    pytest.importorskip(peer, reason="a peer, installed by `make bench`")
    case = FrameCase(SMALL, "lstm", kind, 1)
    errors, faults = judge(case, {peer: answer(peer, case)})
    assert not faults
    assert len(errors[peer]) == (2 if "training" in kind else 1)


def test_wrong_answers_are_faults():
    case = FrameCase(SMALL, "lstm", "convlstm-training", 1)
    right = answer("lstmc", case)
    gradients = [1.02 * a for a in right["gradients"]]
    answers = {
        "a": {"Y": right["Y"] + 1e-3},
        "b": {"Y": right["Y"], "gradients": gradients},
        "c": {"Y": np.full_like(right["Y"], np.nan)},
        "lstmc": right,
    }
    errors, faults = judge(case, answers)
    assert [*errors] == ["lstmc"] and [*faults] == ["a", "b", "c"]


def test_work_is_counted_in_products():
    row = 2 * (2 * 3 * 36) * 9 * (4 * 5)
    assert FrameCase(SMALL, "lstm", "convlstm", 1).flops == row * 7
    assert FrameCase(SMALL, "lstm", "convlstm-training", 1).flops == row * 19


def test_the_table_has_a_row_for_each_case():
    shape = {"B": 2, "T": 3, "size": 6, "d": 2, "h": 5, "kernel": 3}
    found = {
        "lstmc": {"median": 1e-3, "percent_of_peak": 20.0},
        "torch": {"median": 5e-3, "ratio": 5.0},
    }
    case = {
        "shape": shape, "kind": "convlstm-training", "threads": 2, "peers": found,
        "best_peer": "torch", "ratio": 5.0,
    }  # fmt: skip
    text = table({"cases": [case]})
    assert (
        "| 2 × 3 of 6 × 6, 2 channels, 3 × 3, 5 units | training | 2 | 1 | 5 |" in text
    )
