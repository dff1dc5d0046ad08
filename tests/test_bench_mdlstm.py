"""The bench of multidimensional LSTM: its peers, its judge, its table."""

import numpy as np
import pytest

from bench import peers
from bench.mdlstm import PASSES, ImageCase, ImageShape, judge, make_problem, table

SMALL = ImageShape("small", T=4, B=3, d=2, h=5, directions=4, width=6)


def answer(peer, case):
    step, read = peers.build(peer, case, make_problem(case.shape))
    return read(step())


@pytest.mark.parametrize("kind", PASSES)
@pytest.mark.parametrize("peer", ["lstmc", "torch"])
def test_peers_give_what_the_equations_say(kind, peer):
    pytest.importorskip(peer, reason="a peer, installed by `make bench`")
    case = ImageCase(SMALL, "mdlstm", kind, 1)
    errors, faults = judge(case, {peer: answer(peer, case)})
    assert not faults
    assert len(errors[peer]) == (2 if "training" in kind else 1)


def test_wrong_answers_are_faults():
    case = ImageCase(SMALL, "mdlstm", "mdlstm-training", 1)
    right = answer("lstmc", case)
    wrong = {"Y": right["Y"] + 1e-3}
    gradients = [[1.01 * a for a in own] for own in right["gradients"]]
    off = {"Y": right["Y"], "gradients": gradients}
    none = {"Y": np.full_like(right["Y"], np.nan)}
    errors, faults = judge(case, {"a": wrong, "b": off, "c": none, "lstmc": right})
    assert [*errors] == ["lstmc"] and [*faults] == ["a", "b", "c"]


def test_work_is_counted_in_products():
    case = ImageCase(SMALL, "mdlstm", "mdlstm", 1)
    assert case.flops == 2 * (3 * 4 * 6) * 4 * (5 * 5) * (2 + 2 * 5)


def test_the_table_has_a_row_for_each_case():
    shape = {"B": 3, "T": 4, "width": 6, "d": 2, "h": 5, "directions": 4}
    found = {
        "lstmc": {"median": 1e-3, "percent_of_peak": 20.0},
        "torch": {"median": 5e-2, "ratio": 50.0},
    }
    case = {
        "shape": shape, "kind": "mdlstm-training", "threads": 2, "peers": found,
        "best_peer": "torch", "ratio": 50.0,
    }  # fmt: skip
    text = table({"cases": [case]})
    assert "| 3 of 4 × 6, 2 channels, 4 × 5 units | training | 2 | 1 | 50 |" in text
