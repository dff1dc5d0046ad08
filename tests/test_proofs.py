"""The proofs of examples/: each runs, passes its gates, and stands in the docs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "proofs"
FRAME = {"proof", "learner", "digits", "rounds", "prints"}
PROOFS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in FRAME)


@pytest.fixture
def frame():
    spec = importlib.util.spec_from_file_location("proof", FOLDER / "proof.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_passes_its_gates(name):
    script = FOLDER / f"{name}.py"
    done = subprocess.run([sys.executable, script], cwd=ROOT, timeout=3600)
    assert done.returncode == 0


def test_every_proof_has_left_its_figures():
    kept = {path.stem for path in FOLDER.glob("results/*.json")}
    assert kept == set(PROOFS)


def test_the_page_is_what_the_results_say(frame, tmp_path, monkeypatch):
    written = frame.PAGE.read_text()
    monkeypatch.setattr(frame, "PAGE", tmp_path / "proofs.md")
    frame.render()
    assert (tmp_path / "proofs.md").read_text() == written
    for picture in FOLDER.glob("results/*.json"):
        assert (ROOT / "docs" / "proofs" / f"{picture.stem}.png").exists()


def test_a_gate_that_fails_ends_with_an_error(frame, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(frame, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["some.py"])
    proof = frame.Proof("Some", task="t", paper="p", columns=["cell", "right"])
    proof.row("lstm", 0.5)
    proof.gate("right", 0.5, "at least 0.9", 0.5 >= 0.9)
    with pytest.raises(SystemExit, match="not passed: right"):
        proof.finish(None)
    assert "FAILED: right: 0.5, wanted at least 0.9" in capsys.readouterr().out
    assert '"passed": false' in (tmp_path / "some.json").read_text()


def test_a_demonstration_keeps_no_figures(frame, tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["some.py", "--small"])
    task = {"task": "t", "paper": "p", "columns": ["cell"]}
    with pytest.raises(SystemExit, match="0"):
        frame.Proof("Some", **task, may_be_small=True).finish(None)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit, match="2"):
        frame.Proof("Some", **task)
