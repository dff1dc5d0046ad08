"""docs/transcribing.md: its Python runs as it stands, block after block."""

import re
from pathlib import Path

import matplotlib

from lstmc.metrics import label_error_rate

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
    assert names["live"].score(X, y) > 0.8
    assert label_error_rate(y, names["two"].predict(X)) < 0.1
    assert (tmp_path / "alignment.png").stat().st_size > 10_000
