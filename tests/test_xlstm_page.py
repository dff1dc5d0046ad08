"""docs/xlstm.md: its Python runs as it stands, block after block."""

import re
import warnings
from pathlib import Path

import lstmc

PAGE = Path(__file__).parents[1] / "docs" / "xlstm.md"
PICTURE = PAGE.with_suffix(".svg")


def test_the_python_of_the_page_runs(capsys, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that ends early
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said == ["True", "('mlstm', 'mlstm', 'mlstm', 'slstm') True", "True"]


def test_the_picture_is_there_and_the_listing_names_the_layers():
    assert "prefers-color-scheme: dark" in PICTURE.read_text()
    rows = {row["layer"]: row for row in lstmc.architectures()}
    assert "NeurIPS 2024" in rows["XLSTM"]["source"]
