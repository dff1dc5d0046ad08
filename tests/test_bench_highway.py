"""The bench of highway stacks: its problem, its judge, its peers, its table."""

import dataclasses

import numpy as np
import pytest

from bench import highway, peers
from bench.grid import Shape

SMALL = Shape("small", T=1, B=20, d=12, h=12, layers=5)
CASES = [highway.HighwayCase(SMALL, "coupled", kind, 1) for kind in highway.KINDS]


def answer(peer, case):
    step, read = peers.build(peer, case, case.make_problem())
    return read(step())


@pytest.mark.parametrize("peer", ["lstmc", "torch"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_answers_pass_the_check(peer, case):
    if peer == "torch":
        pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    errors, faults = highway.judge(case, {peer: answer(peer, case)})
    assert faults == {} and set(errors) == {peer}


def test_a_wrong_answer_is_a_fault():
    for case in CASES:
        wrong = answer("lstmc", case)
        wrong["y"] = wrong["y"] + 0.01
        assert "expected errors" in highway.judge(case, {"lstmc": wrong})[1]["lstmc"]
    wrong = answer("lstmc", CASES[1])
    wrong["gradients"]["bias_t_l2"] = np.zeros(12)
    assert "lstmc" in highway.judge(CASES[1], {"lstmc": wrong})[1]


def test_a_step_is_three_passes():
    forward, step = CASES
    assert step.flops == 3 * forward.flops == 3 * 5 * 20 * 2 * 2 * 12 * 12


def test_the_table_has_a_row_for_each_case():
    shape = dataclasses.asdict(SMALL)
    found = {
        "lstmc": {"median": 1e-3, "percent_of_peak": 50.0},
        "torch": {"median": 2e-3, "ratio": 2.0},
    }
    cases = [
        {"shape": shape, "kind": kind, "threads": 1, "peers": found, "ratio": 2.0}
        for kind in highway.KINDS
    ]
    table = highway.table({"cases": cases})
    assert "| small | 5 × 20 × 12 | inference | 1 | 1 | 2 | 2.00 | 50 |" in table
    assert "| small | 5 × 20 × 12 | training step | 1 | 1 | 2 | 2.00 | 50 |" in table
