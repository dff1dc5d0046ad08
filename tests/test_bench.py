"""The benches measure what they say: grid, order, arithmetic, checks and tables."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from bench import check, grid, peak, peers, record, run
from bench.grid import CELLS, KINDS, SHAPES, Case, Shape, plan
from bench.problem import make_problem, real_steps
from bench.record import Turn

# As the grid was agreed on: T, B, d, h, layers, directions.
AGREED = """
rt-audio 1,1,1,32,1,1; sensor-b1 100,1,8,32,1,1; sensor-b32 100,32,8,32,1,1;
series-b64 100,64,16,64,1,1; series-b256 100,256,16,128,1,1; kws-b1 98,1,40,128,2,1;
hydro-b256 365,256,32,256,1,1; speech-b1 200,1,120,320,3,2;
speech-b16 200,16,120,320,1,2; charlm-b32 100,32,128,512,1,1;
charlm-b1 100,1,128,512,1,1; large-b64 50,64,512,1024,1,1
"""
MACHINE = {
    "cpu": "abacus",
    "cores": 2,
    "instructions": "beads",
    "system": "wood",
    "compiler": "joiner 1",
    "python": "3",
    "versions": {"lstmc": "1", "torch": "2"},
    "date": "2026-01-01",
}
SMALL = Shape("small", T=5, B=3, d=4, h=6, layers=2, directions=2)
RAGGED = Shape("uneven", T=9, B=4, d=3, h=5, layers=2, directions=2, shortest=2)
DOUBLE = Shape("double", T=5, B=3, d=4, h=6, dtype="float64")


# The grid


def test_the_grid_is_the_agreed_one():
    rows = (entry.split() for entry in AGREED.split(";"))
    agreed = {name: [int(n) for n in sizes.split(",")] for name, sizes in rows}
    found = {
        s.name: [s.T, s.B, s.d, s.h, s.layers, s.directions] for s in SHAPES.values()
    }
    assert found == agreed


def test_flops_by_hand():
    # 98 steps, 4 gates of 128 rows; 40 + 128 columns below, 128 + 128 above.
    assert SHAPES["kws-b1"].flops("lstm") == 2 * 98 * 512 * (168 + 256)
    # Two directions; the layers above read both.
    assert SHAPES["speech-b1"].flops("gru") == 2 * 200 * 2 * 960 * (440 + 2 * 960)
    assert SMALL.flops("lstm", "training") == 3 * SMALL.flops("lstm")


def test_lengths_are_fixed_and_only_real_steps_are_counted():
    lengths = RAGGED.lengths
    assert np.array_equal(lengths, RAGGED.lengths) and len(set(lengths)) > 1
    assert min(lengths) >= 2 and max(lengths) <= 9
    full = dataclasses.replace(RAGGED, shortest=0)
    assert RAGGED.flops("lstm") * full.steps == full.flops("lstm") * sum(lengths)
    assert real_steps(RAGGED).sum(axis=0).tolist() == lengths.tolist()


def test_a_stream_is_timed_by_the_step():
    case = Case(DOUBLE, "lstm", "stream", 1)
    assert case.repeats == DOUBLE.T
    assert case.flops * DOUBLE.T == DOUBLE.flops("lstm")


def test_plan_holds_every_case_once_with_thread_counts_together():
    cases = plan()
    assert len(set(cases)) == len(cases) == len(SHAPES) * len(CELLS) * len(KINDS) * 2
    assert [case.threads for case in cases] == sorted(case.threads for case in cases)


def test_plan_names_what_it_does_not_know():
    with pytest.raises(ValueError, match=r"cells: expected some of lstm, gru, got lsd"):
        plan(cells=["gru", "lsd"])


def test_the_smallest_shapes_keep_all_their_cases():
    names = {case.shape.name for case in grid.smallest(plan())}
    assert names == {"rt-audio", "sensor-b1", "kws-b1"}
    assert len(grid.smallest(plan(), 1)) == len(CELLS) * len(KINDS) * 2


# The order of measuring


class Stub:
    """A peer that notes when it is asked, and answers with a constant."""

    def __init__(self, peer, log, seconds, broken=False):
        self.peer, self.log = peer, log
        self.seconds, self.broken = seconds, broken

    def stop(self):
        self.log.append("stop")

    def ask(self, request, argument):
        if request == "check":
            if self.broken:
                raise run.PeerError("no such module")
            return self.peer
        self.log.append(self.peer)
        return [self.seconds, 3 * self.seconds, self.seconds]


def test_peers_take_turns_and_the_wrong_ones_are_not_timed(monkeypatch):
    log = []
    monkeypatch.setattr(run, "fma_peak", lambda threads: log.append("peak") or 1e9)
    case = Case(SMALL, "lstm", "inference", 1)
    crew = [
        Stub("lstmc", log, 1.0),
        Stub("torch", log, 2.0),
        Stub("liar", log, 0.1),
        Stub("absent", log, 0.1, broken=True),
    ]

    def judge(case, answers):
        assert list(answers) == ["lstmc", "torch", "liar"]
        return {"lstmc": {"output_error": 0.0}, "torch": {}}, {"liar": "wrong"}

    entry = run.measure(case, crew, judge, {"rounds": 2, "seconds": 0.0})
    assert log == ["peak", "lstmc", "peak", "torch"] * 2
    assert entry["faults"] == {"absent": "no such module", "liar": "wrong"}
    assert entry["peers"]["torch"]["medians"] == [2.0, 2.0]
    assert (entry["best_peer"], entry["ratio"]) == ("torch", 2.0)
    assert "liar, not timed: wrong" in run.report(case, entry)


def test_a_run_skips_what_it_resumes_and_says_who_failed(monkeypatch, tmp_path):
    cases = plan(["rt-audio"], ["lstm"], None, [1])
    measured, log = [], []

    def measure(case, crew, judge, settings):
        measured.append(case.kind)
        faults = {"torch": "wrong"} if case.kind == "training" else {}
        return record.summarise(case, {"lstmc": turns(1.0)}, {"lstmc": {}}, faults)

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(run, "Worker", lambda peer, _: Stub(peer, log, 1.0))
    path, lines = tmp_path / "some.json", []
    results = record.open_record(path, MACHINE, {"rounds": 2, "seconds": 0.1})
    options = {"crews": lambda case: ["lstmc"], "judge": None, "say": lines.append}
    assert run.run(cases[:1], results, path, **options)
    results = record.open_record(path, MACHINE, {"rounds": 2, "seconds": 0.1})
    assert not run.run(run.remaining(cases, results), results, path, **options)
    assert measured == ["inference", "training"]
    assert log == ["stop", "stop"]
    assert "0 s left" in lines[-1]


def test_the_time_left_counts_what_comes_later(monkeypatch, tmp_path):
    [case] = plan(["rt-audio"], ["lstm"], ["inference"], [1])
    results = {"settings": {"rounds": 1, "seconds": 0.1}, "cases": []}
    lines = []
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(run, "Worker", lambda peer, _: Stub(peer, [], 1.0))
    entry = record.summarise(case, {"lstmc": turns(1.0)}, {"lstmc": {}}, {})
    monkeypatch.setattr(run, "measure", lambda *_: entry)
    run.run(
        [case],
        results,
        tmp_path / "some.json",
        crews=lambda case: ["lstmc"],
        judge=None,
        later=3 * run.weight(case, 1, results["settings"]),
        say=lines.append,
    )
    assert "30 s left" in lines[-1]


def test_memory_is_that_of_a_fresh_process(monkeypatch, tmp_path):
    log = []
    monkeypatch.setattr(run, "Worker", lambda peer, _: Stub(peer, log, 1.0))
    cases = [Case(SMALL, "lstm", kind, 1) for kind in ("checkpoint", "training")]

    def measure(case, *_):
        log.append(case.kind)
        return record.summarise(case, {"lstmc": turns(1.0)}, {"lstmc": {}}, {})

    monkeypatch.setattr(run, "measure", measure)
    results = {"settings": {"rounds": 1, "seconds": 0.1}, "cases": []}
    names = {"crews": lambda case: ["lstmc"], "judge": None, "say": log.append}
    run.run(cases, results, tmp_path / "some.json", **names)
    assert [entry for entry in log if " " not in entry] == [
        *("checkpoint", "stop", "training", "stop"),
    ]


def test_a_double_has_half_the_peak(monkeypatch):
    monkeypatch.setattr(run, "fma_peak", lambda threads: 8e9)
    for shape, peak_ in ((SMALL, 8e9), (DOUBLE, 4e9)):
        case = Case(shape, "lstm", "training", 1)
        assert run.take_turn(Stub("lstmc", [], 1.0), case, 0.1).peak == peak_


def test_a_worker_answers_times_and_reports_its_errors():
    case = Case(SHAPES["rt-audio"], "lstm", "training", 1)
    worker = run.Worker("lstmc", threads=1)
    try:
        answer = worker.ask("check", case)
        assert check.judge(case, {"lstmc": answer})[1] == {}
        samples = worker.ask("time", 0.001)
        assert samples
        assert min(samples) > 0
        with pytest.raises(run.PeerError, match="AttributeError"):
            worker.ask("check", "no case")
        assert worker.ask("check", case)["Y"].shape == (1, 1, 32)
    finally:
        worker.stop()


# The check


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "shape",
    [SMALL, RAGGED, DOUBLE, SHAPES["rt-audio"], SHAPES["sensor-b32"]],
    ids=lambda shape: shape.name,
)
def test_our_answers_pass_the_check(cell, shape):
    problem = make_problem(shape, cell)
    reference = check.forward(problem)
    for kind in KINDS:
        step, read = peers.build("lstmc", Case(shape, cell, kind, 1), problem)
        assert check.check_answer(problem, reference, read(step()))


@pytest.mark.parametrize("cell", CELLS)
def test_the_reference_of_a_ragged_batch_is_that_of_each_sample(cell):
    problem = make_problem(RAGGED, cell)
    together = check.forward(problem)
    for k, T in enumerate(RAGGED.lengths):
        alone = dataclasses.replace(RAGGED, T=int(T), B=1, shortest=0)
        X = problem.X[:T, k : k + 1]
        Y = check.forward(dataclasses.replace(problem, shape=alone, X=X))
        # The same sums in another order: some roundings of float64.
        np.testing.assert_allclose(together[:T, k], Y[:, 0], rtol=0, atol=1e-14)
        assert not together[T:, k].any()


@pytest.mark.parametrize("cell", CELLS)
def test_wrong_answers_do_not_pass(cell):
    problem = make_problem(SMALL, cell)
    reference = check.forward(problem)
    step, read = peers.build("lstmc", Case(SMALL, cell, "training", 1), problem)
    right = read(step())

    def refused(message, **change):
        with pytest.raises(check.WrongAnswerError, match=message):
            check.check_answer(problem, reference, right | change)

    refused("outputs: expected an error of at most", Y=right["Y"] + np.float32(1e-4))
    refused("got nan", Y=right["Y"] * np.float32("nan"))
    refused("Y: expected", Y=right["Y"][:-1])
    for name, gradient in right["gradients"].items():
        refused("gradients", gradients=right["gradients"] | {name: 1.1 * gradient})
    refused("gradients: expected", gradients={"X": right["gradients"]["X"]})


# The arithmetic


def turns(*seconds, peak=1e9):
    return [Turn(s, s, peak) for s in seconds]


def test_the_ratio_is_the_median_of_the_rounds():
    # Round by round 2, 3 and 1.5; of the medians it would be 3.
    assert record.ratio(turns(2.0, 9.0, 3.0), turns(1.0, 3.0, 2.0)) == 2.0


def test_an_entry_holds_seconds_peaks_and_the_best_peer():
    case = Case(SHAPES["rt-audio"], "lstm", "inference", 2)  # 8448 operations
    timed = {"lstmc": turns(1e-4, 2e-4), "torch": turns(4e-4, 4e-4)}
    timed["onnxruntime"] = turns(3e-4, 3e-4)
    entry = record.summarise(case, timed, {peer: {} for peer in timed}, {})
    ours = entry["peers"]["lstmc"]
    assert entry["flops"] == 8448
    assert ours["medians"] == [1e-4, 2e-4]
    assert (ours["median"], ours["min"], ours["peaks_gflops"]) == (1.5e-4, 1e-4, [1, 1])
    # 8448 in 1e-4 and in 2e-4 s at 1e9 a second: 8.448 and 4.224 per cent.
    assert ours["percent_of_peak"] == 6.336
    assert entry["best_peer"] == "onnxruntime"
    assert entry["ratio"] == 2.25
    assert entry["peers"]["torch"]["ratio"] == 3.0
    assert "faults" not in entry


def test_a_new_entry_takes_the_place_of_the_old(tmp_path):
    first, second = plan(["rt-audio"], ["lstm"], None, [1])
    path = tmp_path / "deep" / "some.json"
    settings = {"rounds": 1, "seconds": 0.1}
    results = record.open_record(path, MACHINE, settings)
    for case, seconds in ((first, 1.0), (second, 2.0), (first, 3.0)):
        entry = record.summarise(case, {"lstmc": turns(seconds)}, {"lstmc": {}}, {})
        record.add_entry(results, entry)
    record.save_record(path, results)
    assert json.loads(path.read_text()) == results
    again = record.open_record(path, MACHINE, settings | {"rounds": 5})
    assert [e["peers"]["lstmc"]["median"] for e in again["cases"]] == [3.0, 2.0]
    newer = MACHINE | {"versions": MACHINE["versions"] | {"a new peer": "1"}}
    assert record.open_record(path, newer, settings)["cases"]
    with pytest.raises(ValueError, match="another --name"):
        record.open_record(path, MACHINE | {"cpu": "slide rule"}, settings)


# The yardstick


@pytest.mark.skipif(sys.platform == "win32", reason="peak.c needs POSIX threads")
def test_the_peak_compiles_and_is_plausible():
    assert peak.fma_target() in ("baseline", "NEON", "AVX2", "AVX-512")
    for threads in (1, 2):
        assert 1e8 < peak.fma_peak(threads) < 1e12 * threads
    with pytest.raises(ValueError, match="threads: expected 1 to 256, got 0"):
        peak.fma_peak(0)
