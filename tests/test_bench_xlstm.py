"""The bench of xLSTM blocks: its problem, its judge, its peers, its table."""

import dataclasses

import numpy as np
import pytest

from bench import peers, xlstm_stack
from bench.grid import Shape

SMALL = Shape("xlstm[3:1]", T=6, B=2, d=32, h=32, layers=4, heads=2)
CASES = [
    xlstm_stack.StackCase(SMALL, cell, kind, 1)
    for cell in xlstm_stack.MODELS
    for kind in ("stack", "stack-step")
]


def answer(peer, case):
    step, read = peers.build(peer, case, case.make_problem())
    return read(step())


@pytest.mark.parametrize("peer", xlstm_stack.PEERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.cell}-{case.kind}")
def test_answers_pass_the_check(peer, case):
    if peer == "xlstm":
        pytest.importorskip("xlstm", reason="a peer, installed by `make bench`")
    errors, faults = xlstm_stack.judge(case, {peer: answer(peer, case)})
    assert faults == {} and set(errors) == {peer}


def test_a_wrong_answer_is_a_fault():
    case = CASES[0]
    wrong = answer("lstmc", case)
    wrong["y"] = wrong["y"] + 0.01
    assert "expected errors" in xlstm_stack.judge(case, {"lstmc": wrong})[1]["lstmc"]
    wrong = answer("lstmc", case)
    wrong["gradients"]["blocks.0.up"] = np.zeros((128, 32))
    assert "lstmc" in xlstm_stack.judge(case, {"lstmc": wrong})[1]


def test_streams_take_one_thread_and_a_step_is_a_row():
    cases = xlstm_stack.plan((1, 2))
    assert {case.threads for case in cases if case.kind == "stack-step"} == {1}
    step = next(case for case in cases if case.kind == "stack-step")
    batch = next(case for case in cases if case.kind == "stack")
    assert batch.flops == 3 * 8 * 256 * step.flops
    assert (step.repeats, batch.repeats) == (256, 1)


def test_the_table_has_a_row_for_each_case():
    found = {
        "lstmc": {"median": 1e-5},
        "xlstm": {"median": 6e-4, "ratio": 60.0},
    }
    cases = [
        {
            "shape": dataclasses.asdict(SMALL), "kind": kind, "threads": 1,
            "cell": "mlstm-block", "peers": found,
        }
        for kind in ("stack", "stack-step")
    ]  # fmt: skip
    table = xlstm_stack.table({"cases": cases})
    assert "| mlstm-block | a step of a stream | 1 | 10 µs | 600 µs | 60.0 |" in table
    assert "| training, 8 × 256 steps | 1 | 0.01 ms | 0.6 ms | 60.0 |" in table
