"""docs/mdlstm.md: its Python runs as it stands, block after block."""

import re
import warnings
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

PAGE = Path(__file__).parents[1] / "docs" / "mdlstm.md"


def test_the_python_of_the_page_runs(capsys):
    text = PAGE.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "[(24, 60, 32), (24, 41, 32)]" in said
    assert "(6, 30, 16) (30, 16) (21, 16)" in said
    assert float(said.splitlines()[2]) > 0.85
    assert names["reader"].score(names["X"][120:], names["y"][120:]) > 0.9
    [picture] = re.findall(r"\]\((\w+\.svg)\)", text)
    assert (PAGE.parent / picture).read_text().startswith("<svg")
