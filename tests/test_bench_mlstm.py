"""The bench of the matrix memory: its peers' answers, its judge, its table."""

import pytest

from bench import mlstm, peers
from bench.grid import Shape

SMALL = Shape("small", T=64, B=2, d=8, h=8, heads=2)
ONE = Shape("one", T=20, B=1, d=8, h=8, heads=2)
CASES = [
    mlstm.MemoryCase(SMALL, "mlstm", "mlstm", 1),
    mlstm.MemoryCase(ONE, "mlstm", "mlstm-step", 1),
]


def answer(peer, case):
    step, read = peers.build(peer, case, mlstm.draw_problem(case.shape))
    return read(step())


@pytest.mark.parametrize("case", CASES, ids=["training", "stream"])
def test_lstmc_passes_and_a_wrong_answer_is_a_fault(case):
    right = answer("lstmc", case)
    wrong = right | {"h": right["h"] * 1.01}
    errors, faults = mlstm.judge(case, {"lstmc": right, "xlstm": wrong})
    assert list(errors) == ["lstmc"] and "at most" in faults["xlstm"]
    assert case.flops > 0
    if case.kind == "mlstm":
        gradients = right["gradients"]
        wrong = right | {"gradients": gradients | {"f": 2 * gradients["f"]}}
        assert "xlstm" in mlstm.judge(case, {"xlstm": wrong})[1]


@pytest.mark.parametrize("case", CASES, ids=["training", "stream"])
def test_the_authors_package_finds_the_same(case):
    pytest.importorskip("xlstm", reason="a peer, installed by `make bench`")
    crew = [peer for peer in mlstm.PEERS if mlstm.plays(peer, case)]
    assert mlstm.judge(case, {peer: answer(peer, case) for peer in crew})[1] == {}


def test_the_table_names_the_faster_form():
    shape = {"name": "b", "T": 9, "B": 8, "d": 7, "h": 7, "heads": 1}
    found = {
        "lstmc": {"median": 1e-3},
        "xlstm": {"median": 4e-2, "ratio": 40.0},
        "xlstm-chunkwise": {"median": 2e-2, "ratio": 20.0},
    }
    case = {"shape": shape, "threads": 2, "kind": "mlstm", "peers": found}
    table = mlstm.table({"cases": [case]})
    assert "| b | 9 × 8 × 7 | 2 | 1 ms | 40 ms | 20 ms | – | 20 |" in table
    del found["xlstm-chunkwise"]
    case["kind"] = "mlstm-step"
    assert "| 1000 µs | 40000 µs | – | – | 40 |" in mlstm.table({"cases": [case]})
