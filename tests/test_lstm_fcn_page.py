"""docs/lstm-fcn.md: its Python runs as it stands, block after block."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "lstm-fcn.md"


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "features: (160, 4)" in capsys.readouterr().out
    assert names["est"].score(names["X_test"], names["y_test"]) > 0.9
    assert (tmp_path / "waves.safetensors").exists()
