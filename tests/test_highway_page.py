"""docs/highway.md: its Python runs as it stands, block after block."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "highway.md"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    digits, same, layer, rises = capsys.readouterr().out.splitlines()
    assert float(digits.split()[2]) >= 0.95
    assert same == rises == "True"
    assert layer == "['bias_c_l0', 'bias_c_l1', 'bias_c_l10'] (8, 16)"


def test_the_picture_is_one():
    root = ElementTree.parse(PAGE.with_suffix(".svg")).getroot()
    assert root.tag.endswith("svg") and root.get("aria-label")
