"""docs/mlstm.md: its Python runs as it stands, block after block."""

import re
from pathlib import Path
from xml.etree import ElementTree

PAGE = Path(__file__).parents[1] / "docs" / "mlstm.md"


def test_the_python_of_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["gradients"]["weight_q"].shape == (32, 8)
    assert set(names["forms"]) == {"parallel", "chunkwise", "recurrent"}


def test_the_picture_is_a_picture():
    root = ElementTree.parse(PAGE.with_suffix(".svg")).getroot()
    assert root.tag.endswith("svg") and "mlstm.svg" in PAGE.read_text()
