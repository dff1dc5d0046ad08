"""The README's Python runs as it stands, block after block."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    # Its random_state gives 0.968 on every target; other seeds 0.94 to 0.98.
    assert names["clf"].score(names["X_test"], names["y_test"]) > 0.95
    assert (tmp_path / "vowels.safetensors").exists()
