"""How many threads: what the user, the environment and the container say."""

from __future__ import annotations

import math
import os
from importlib import import_module
from pathlib import Path

# What libgomp's threads may spin for work or at a barrier before they sleep, in rounds
# of its loop: some tens of microseconds. Its own 300,000 keep whole cores busy between
# calls, and where cores are short a thread spins in the place of the one it waits for.
SPIN = "10000"


def _open_core():
    """The compiled core, its OpenMP runtime told to spin briefly if nobody says more.

    The runtime reads its environment when it is loaded, and only then.
    """
    said = "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ
    if said:
        return import_module("._core", __package__)
    os.environ["GOMP_SPINCOUNT"] = SPIN
    try:
        return import_module("._core", __package__)
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_core = _open_core()


def quota(root="/") -> int:
    """CPUs granted by the cgroup (v2 or v1) of this process; 0: no limit.

    Rounded down, but at least 1: one thread more than the quota makes the kernel stop
    them all for the rest of each period.
    """
    granted = [q for q in (_quota_v2(Path(root)), _quota_v1(Path(root))) if q > 0]
    return max(1, math.floor(min(granted))) if granted else 0


def _quota_v2(root: Path) -> float:
    """The smallest cpu.max on the way from the process's cgroup to the root."""
    smallest = math.inf
    base = root / "sys/fs/cgroup"
    for folder in _with_parents(_cgroup_of(root, ""), base):
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and words[0] != "max" and int(words[1]) > 0:
            smallest = min(smallest, int(words[0]) / int(words[1]))
    return 0.0 if smallest == math.inf else smallest


def _quota_v1(root: Path) -> float:
    smallest = math.inf
    for name in ("cpu", "cpu,cpuacct"):
        base = root / "sys/fs/cgroup" / name
        for folder in _with_parents(_cgroup_of(root, "cpu"), base):
            limit = _read(folder / "cpu.cfs_quota_us").strip()
            period = _read(folder / "cpu.cfs_period_us").strip()
            if limit and period and int(limit) > 0 and int(period) > 0:
                smallest = min(smallest, int(limit) / int(period))
    return 0.0 if smallest == math.inf else smallest


def _cgroup_of(root: Path, controller: str) -> str:
    """The process's path in the hierarchy of a controller ("": v2)."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and controller in parts[1].split(","):
            return parts[2].strip("/")
    return ""


def _with_parents(path: str, base: Path) -> list[Path]:
    """The folder of a cgroup and those above it; in a container only the last exist."""
    parts = [p for p in path.split("/") if p not in ("", "..")]
    return [base.joinpath(*parts[:k]) for k in range(len(parts), -1, -1)]


def _read(path: Path) -> str:
    """The text of a small system file, "" where there is none to read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def asked_by_environment() -> int:
    """LSTMC_NUM_THREADS as a number; 0 if it is not set."""
    text = os.environ.get("LSTMC_NUM_THREADS", "").strip()
    if not text:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"LSTMC_NUM_THREADS: expected an integer >= 1, got {text!r}")
    return int(text)


def set_num_threads(n: int | None) -> None:
    """Set the number of threads of every later call that does not name one.

    Parameters
    ----------
    n : int or None
        At least 1; None goes back to LSTMC_NUM_THREADS, or else OMP_NUM_THREADS, or
        else the CPUs that affinity and cgroup quota grant.

    Raises
    ------
    ValueError
        n is below 1.

    Examples
    --------
    >>> import lstmc
    >>> lstmc.set_num_threads(1)
    >>> lstmc.set_num_threads(None)
    """
    if n is None:
        _core.set_threads(asked_by_environment())
        return
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise ValueError(f"n: expected an integer >= 1 or None, got {n!r}")
    _core.set_threads(int(n))


def configure() -> None:
    """At import: the target, the threads and the quota that the environment names."""
    _core.choose_target(os.environ.get("LSTMC_TARGET", "").strip())
    _core.set_quota(quota())
    set_num_threads(None)


configure()
