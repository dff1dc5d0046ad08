"""The command line: verbs, their words, their exit codes; and the whole demo."""

import subprocess
import sys

import pytest

import lstmc
from lstmc import demo
from lstmc.cli import main


@pytest.fixture
def short(monkeypatch, tmp_path):
    """The demo with two epochs, in a folder of its own."""
    monkeypatch.setitem(demo.SETTINGS, "max_iter", 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"lstmc {lstmc.__version__}\n"


def test_config_is_show_config(capsys):
    lstmc.show_config()
    expected = capsys.readouterr().out
    assert main(["config"]) == 0
    assert capsys.readouterr().out == expected != ""


def test_module_is_the_command():
    command = [sys.executable, "-m", "lstmc", "version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"lstmc {lstmc.__version__}\n")


@pytest.mark.parametrize("verb", ["demo", "config", "version"])
def test_help_names_every_verb(capsys, verb):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert f"\n    {verb} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: VERB"),
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--seed", "-1"], "expected 0 to 2**32 - 1"),
        (["demo", "--seed", "4294967296"], "expected 0 to 2**32 - 1"),
        (["demo", "--seeds", "0"], "expected 1 or more, got '0'"),
        (["demo", "--output", "picture.exe"], "expected .png, .svg or .pdf"),
        (["demo", "--output", "no/such/folder.png"], "expected an existing folder"),
    ],
)
def test_wrong_usage_ends_with_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_demo_prints_and_draws(short, capsys):
    assert main(["demo", "--seed", "3", "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert "270 utterances" in out
    assert "Seed 3: test accuracy" in out
    assert "Seed 4: test accuracy" in out
    assert "ms per epoch" in out
    assert "Mean test accuracy over 2 seeds" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("      ")]
    assert [row[:2] for row in rows] == [
        [str(k + 1), str(n)] for k, n in enumerate([31, 35, 88, 44, 29, 24, 40, 50, 29])
    ]
    assert (short / "japanese_vowels.png").read_bytes().startswith(b"\x89PNG")
    assert str(short / "japanese_vowels.png") in out


def test_demo_without_matplotlib_still_reports(short, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert "test accuracy" in out
    assert "pip install lstmc[plot]" in out
    assert not [*short.iterdir()]


def test_demo_says_where_it_could_not_write(short, capsys):
    (short / "taken.png").mkdir()
    assert main(["demo", "--output", "taken.png"]) == 1
    assert "taken.png" in capsys.readouterr().err


def test_interrupt_ends_with_130(short, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", interrupt)
    assert main(["demo"]) == 130


@pytest.mark.slow
def test_demo_reaches_97_percent(tmp_path, capsys):
    """The bar of the demo: mean test accuracy over five seeds at its settings."""
    accuracies = demo.run_demo(seeds=5, output=tmp_path / "v.png", verbose=0)
    assert len(accuracies) == 5
    assert sum(accuracies) / 5 >= 0.97
