"""docs/adding-a-cell.md, followed word by word in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adding-a-cell.md"


def block(language):
    """The one block of code in a language, and where the heading above puts it."""
    [text] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return text


@pytest.fixture
def tree(tmp_path):
    """A copy of what is needed to build and test, with the tutorial's four changes."""
    for folder in ("csrc", "src", "tests"):
        ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "csrc/cells/janet.c").write_text(block("c"))
    registry = tmp_path / "csrc/cells.h"
    old = registry.read_text()
    last = re.findall(r"    ROW\((\w+)\)\n\n", old)
    [name] = last
    registry.write_text(
        old.replace(f"    ROW({name})\n", f"    ROW({name}) \\\n    ROW(janet)\n")
    )
    with open(tmp_path / "tests/reference.py", "a") as file:
        file.write("\n\n" + block("python"))
    return tmp_path


def run(tree, *command):
    environment = os.environ | {
        "LSTMC_TARGETS": "baseline",
        "PYTHONPATH": str(tree / "src"),
    }
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, text=True,
        capture_output=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_the_tutorial_builds_and_passes(tree):
    run(tree, "setup.py", "-q", "build_ext", "--inplace")
    said = run(
        tree, "-m", "pytest", "-q", "-k", "janet", "tests/test_cells.py",
        "tests/test_gradients.py", "tests/test_bits.py", "tests/test_stream.py",
        "tests/test_estimator_options.py",
    )  # fmt: skip
    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 15
    print_it = "import lstmc; print([c['name'] for c in lstmc.cells()][-1])"
    assert run(tree, "-c", print_it).strip() == "janet"


def test_the_tutorial_touches_four_places_only():
    places = re.findall(r"^## \d\. .*?`([\w./]+)`", PAGE.read_text(), re.MULTILINE)
    assert places == [
        "csrc/cells/janet.c", "csrc/cells.h", "tests/reference.py", "CHANGELOG.md",
    ]  # fmt: skip
    assert len(block("c").splitlines()) <= 120
