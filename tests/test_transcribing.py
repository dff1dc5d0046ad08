"""docs/transcribing.md: its Python runs as it stands, block after block."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

PAGE = Path(__file__).parents[1] / "docs" / "transcribing.md"


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 10
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "from frame" in said
    assert "sample 400: 2 frames, 5 needed" in said
    X, y = names["X_test"], names["y_test"]
    assert names["est"].score(X, y) > 0.95
    assert names["live"].score(X, y) > 0.9
    assert names["two"].score(X, y) > 0.9
    assert (tmp_path / "alignment.png").stat().st_size > 10_000
