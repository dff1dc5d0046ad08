"""The bench of all cells: each has its loop, its extras and its place beside lstm."""

import ast
import dataclasses
import importlib.util

import numpy as np
import pytest
from test_bench import turns

from bench import cells, check, grid, peak, peers, record, run
from bench.grid import KINDS, SHAPES, Case, Shape, registry
from bench.problem import make_problem, weight_shapes
from bench.suites import SUITES
from lstmc.layers import Recurrent

NAMES = list(registry())
ALONE = Shape("alone", T=7, B=3, d=4, h=6)
UNEVEN = Shape("uneven", T=7, B=3, d=4, h=6, layers=2, directions=2, shortest=2)
HEADS = dataclasses.replace(UNEVEN, name="heads", h=12, heads=3, dtype="float64")


# The plan


def test_all_cells_are_planned_and_each_beside_lstm_or_against_a_loop():
    suite, found = SUITES["cells"], {}
    for case in suite.cases():
        found.setdefault(case.cell, []).append((case, suite.crew(case)))
    assert list(found) == NAMES
    for cases in found.values():
        works = {(case.shape.name, case.kind, case.threads) for case, _ in cases}
        names = (*cells.BESIDE_LSTM, *cells.AGAINST_LOOP)
        assert len(works) == len(cases) == len(names) * len(KINDS) * 2
        for case, crew in cases:
            alone = case.shape.name in cells.AGAINST_LOOP
            assert crew == ["lstmc", "torch-loop" if alone else "lstmc-lstm"]


def test_the_yardstick_runs_lstm_on_the_shape_of_the_cell():
    case = cells.CellCase(SHAPES["charlm-b32"], "rnn", "training", 2)
    assert case.of("lstmc") is case.of("torch-loop") is case
    own = case.of("lstmc-lstm")
    assert (own.cell, own.facts["name"]) == ("lstm", "lstm")
    assert own == dataclasses.replace(case, cell="lstm")
    assert own.flops == 4 * case.flops


def test_flops_of_cells_by_hand():
    def step(cell, heads=1):
        return Shape("step", T=1, B=1, d=10, h=100, heads=heads).flops(cell) // 2

    assert step("lstm") == 4 * 100 * 110
    assert step("lstm1997") == 3 * 100 * 10 + 9 * 100 * 100
    assert step("fgr") == 4 * 100 * 10 + 13 * 100 * 100
    assert step("tlstm") == 4 * 100 * 110 + 100 * 100
    assert step("peephole_full") == 4 * 100 * 10 + 3 * 100 * 100
    assert step("focused") == 100 * 10
    assert step("slstm", heads=4) == 4 * 100 * 10 + 4 * 100 * 25


def test_our_time_is_set_against_the_operations_of_the_yardstick():
    case = cells.CellCase(SHAPES["series-b256"], "rnn", "inference", 1)
    # A quarter of the operations in a half, a third and a half of the time.
    timed = {"lstmc": turns(1.0, 2.0, 2.0), "lstmc-lstm": turns(2.0, 6.0, 4.0)}
    entry = record.summarise(case, timed, {peer: {} for peer in timed}, {})
    assert entry["to_lstm"] == 2.0
    assert "best_peer" not in entry
    ours, theirs = (entry["peers"][peer]["percent_of_peak"] for peer in timed)
    assert theirs == pytest.approx(2 * ours, rel=0.01)
    assert "2.00 x lstm's time per operation" in run.report(case, entry)


# The problem and its equations


@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("shape", [ALONE, UNEVEN, HEADS], ids=lambda shape: shape.name)
def test_a_problem_has_the_weights_of_the_layer(cell, shape):
    problem = make_problem(shape, cell)
    layer = Recurrent(
        shape.d, shape.h, cell, shape.layers, shape.directions == 2,
        num_heads=shape.heads,
        static_size=0 if problem.static is None else problem.static.shape[1],
    )  # fmt: skip
    wanted = {name: array.shape for name, array in layer.parameters.items()}
    assert weight_shapes(shape, registry()[cell]) == wanted
    assert layer.timed == (problem.time is not None)


@pytest.mark.parametrize("cell", NAMES)
def test_the_equations_of_a_batch_are_those_of_each_sample(cell):
    problem = make_problem(UNEVEN, cell)
    together = check.forward(problem)
    for k, T in enumerate(UNEVEN.lengths):
        alone = dataclasses.replace(UNEVEN, T=int(T), B=1, shortest=0)
        own = dataclasses.replace(problem, shape=alone, X=problem.X[:T, k : k + 1])
        if problem.time is not None:
            own = dataclasses.replace(own, time=problem.time[:T, k : k + 1])
        if problem.static is not None:
            own = dataclasses.replace(own, static=problem.static[k : k + 1])
        # The same sums in another order: some roundings of float64.
        limit = 1e-14 * max(1, np.abs(together).max())
        np.testing.assert_allclose(
            together[:T, k], check.forward(own)[:, 0], rtol=0, atol=limit
        )


# The answers


@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("shape", [ALONE, UNEVEN, HEADS], ids=lambda shape: shape.name)
def test_our_answers_pass_the_check(cell, shape):
    problem = make_problem(shape, cell)
    reference = check.forward(problem)
    for kind in KINDS:
        step, read = peers.build("lstmc", Case(shape, cell, kind, 1), problem)
        assert check.check_answer(problem, reference, read(step()))


@pytest.mark.parametrize("cell", NAMES)
def test_wrong_gradients_do_not_pass(cell):
    problem = make_problem(UNEVEN, cell)
    reference = check.forward(problem)
    step, read = peers.build("lstmc", Case(UNEVEN, cell, "training", 1), problem)
    right = read(step())
    assert right["gradients"].keys() == problem.inputs.keys()
    for name, gradient in right["gradients"].items():
        wrong = right | {"gradients": right["gradients"] | {name: 1.1 * gradient}}
        with pytest.raises(check.WrongAnswerError, match="gradients"):
            check.check_answer(problem, reference, wrong)


def test_a_rounding_grows_where_nothing_is_forgotten():
    shape = dataclasses.replace(ALONE, T=100, B=16, h=64)

    def refused(cell, error):
        problem = make_problem(shape, cell)
        reference = check.forward(problem)
        with pytest.raises(check.WrongAnswerError, match="outputs: expected an error"):
            check.check_answer(problem, reference, {"Y": reference + error})
        return check.rounding_error(problem, reference)

    assert refused("lstm", 2e-5) < 1e-6 < refused("nfg", 1e-3) < 1e-4


# The loops


def test_every_cell_has_a_loop():
    text = (peak.SOURCE.parent / "peers" / "torch_cells.py").read_text()
    [loops] = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "LOOPS"
    ]
    assert sorted(key.value for key in loops.keys) == sorted(NAMES)


@pytest.fixture(scope="module")
def loop_worker():
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed")
    worker = run.Worker("torch-loop", threads=1)
    yield worker
    worker.stop()


@pytest.mark.slow
@pytest.mark.parametrize("cell", NAMES)
def test_the_loops_pass_the_check(cell, loop_worker):
    for kind in KINDS:
        case = cells.CellCase(ALONE, cell, kind, 1)
        answer = loop_worker.ask("check", case)
        assert check.judge(case, {"torch-loop": answer})[1] == {}


@pytest.mark.slow
def test_a_cell_without_a_loop_is_reported(loop_worker):
    case = cells.CellCase(ALONE, "lstm", "training", 1)
    object.__setattr__(case, "cell", "lsd")
    with pytest.raises(run.PeerError, match=r"expected one of .*, got 'lsd'"):
        loop_worker.ask("check", case)


@pytest.mark.slow
@pytest.mark.parametrize("peer", SUITES["slstm"].peers)
def test_the_answers_of_slstm_pass_the_check(peer):
    name = peer.partition("-")[0]
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    [case] = SUITES["slstm"].cases([1])
    assert (case.cell, case.kind, case.shape.heads) == ("slstm", "training", 4)
    shape = dataclasses.replace(case.shape, T=9)
    case, worker = dataclasses.replace(case, shape=shape), run.Worker(peer, threads=1)
    try:
        assert check.judge(case, {peer: worker.ask("check", case)})[1] == {}
    finally:
        worker.stop()


def test_quick_is_one_shape():
    plan = grid.smallest(SUITES["cells"].cases(), SUITES["cells"].quick)
    assert {case.shape.name for case in plan} == set(cells.AGAINST_LOOP)
    assert {case.cell for case in plan} == set(NAMES)
