"""docs/convlstm.md: its Python runs as it stands, block after block."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "convlstm.md"


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_the_python_of_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["frames"].shape == (8, 5, 1, 8, 1)


def test_the_picture_is_a_picture():
    root = ElementTree.parse(PAGE.with_suffix(".svg")).getroot()
    assert root.tag.endswith("svg") and "convlstm.svg" in PAGE.read_text()
