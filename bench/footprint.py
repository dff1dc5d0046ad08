"""What lstmc weighs: the time its import adds to NumPy's, and the size of its wheel."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.machine import describe_machine
from bench.record import RESULTS, digits

ROOT = Path(__file__).parents[1]
INTERPRETERS = 15


def measure(folder=RESULTS, say=print) -> None:
    """Write footprint.json into a folder."""
    samples = [time_imports() for _ in range(INTERPRETERS)]
    numpy_ms, lstmc_ms = (digits(statistics.median(times)) for times in zip(*samples))
    say(f"import: numpy {numpy_ms} ms, then lstmc {lstmc_ms} ms more")
    with tempfile.TemporaryDirectory() as dist:
        size = build_wheel(dist).stat().st_size
    say(f"wheel: {size / 1e6:.2f} MB")
    record = {
        "machine": describe_machine(),
        "interpreters": INTERPRETERS,
        "numpy_ms": numpy_ms,
        "lstmc_ms": lstmc_ms,
        "wheel_bytes": size,
    }
    text = json.dumps(record, indent=1) + "\n"
    (folder / "footprint.json").write_text(text)


def time_imports() -> tuple[float, float]:
    """Milliseconds that a fresh interpreter imports NumPy, and then lstmc."""
    command = [sys.executable, "-X", "importtime", "-c", "import numpy, lstmc"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return read_import_times(found.stderr)


def read_import_times(text: str) -> tuple[float, float]:
    """The cumulative milliseconds of NumPy and lstmc in a report of importtime.

    Examples
    --------
    >>> read_import_times("import time:  10 |  2500 | numpy\\n"
    ...                   "import time:   9 |   800 |   lstmc._core\\n"
    ...                   "import time:   7 |  1500 | lstmc\\n")
    (2.5, 1.5)
    """
    lines = re.findall(r"\| +(\d+) \| +(\S+)$", text, re.MULTILINE)
    times = {name: int(microseconds) / 1e3 for microseconds, name in lines}
    return times["numpy"], times["lstmc"]


def build_wheel(folder) -> Path:
    """Build the wheel as `make wheel` does, into a folder."""
    for stale in (ROOT / "build").glob("lib.*"):
        shutil.rmtree(stale)
    options = ("-q", "--no-deps", "--no-build-isolation", "-w", str(folder))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True
    )
    [wheel] = Path(folder).glob("lstmc-*.whl")
    return wheel
