"""What lstmc is made of on this machine: cells, target, threads, and why."""

from __future__ import annotations

import os

from . import _core, _threads


def cells() -> list[dict]:
    """The rows of the registry of cells.

    Returns
    -------
    list of dict
        For each cell: name, title, equations, source (the paper), columns (of the
        affine map: name and the blocks of W, R and b), states, saved (reals kept for
        backward per step and unit), squashes (whether it takes
        ``output_activation``).

    Examples
    --------
    >>> import lstmc
    >>> [cell["name"] for cell in lstmc.cells()][:2]
    ['lstm', 'gru']
    """
    return _core.cells()


def config() -> dict[str, str]:
    """What `show_config` prints, by label."""
    asked = os.environ.get("LSTMC_TARGET", "").strip()
    why = "asked for by LSTMC_TARGET" if asked else "the best that this machine runs"
    return {
        "target": f"{_core.target()}: {why}; runs here: {', '.join(_core.targets())}",
        "openmp": "yes" if _core.has_openmp() else "no: built for one thread",
        "threads": f"{_core.threads()}: {_why_threads()}",
    }


def _why_threads() -> str:
    if not _core.has_openmp():
        return "built without OpenMP"
    if _threads.asked_by_environment():
        return "LSTMC_NUM_THREADS, or lstmc.set_num_threads"
    if os.environ.get("OMP_NUM_THREADS"):
        return "OMP_NUM_THREADS, or lstmc.set_num_threads"
    granted = _threads.quota()
    limit = f"cgroup quota {granted}" if granted else "no cgroup quota"
    return f"the CPUs of this process ({limit}), or lstmc.set_num_threads"


def show_config() -> None:
    """Print the version, the instruction set and the threads chosen, and why."""
    from . import __version__

    print(f"lstmc {__version__}")
    for label, text in config().items():
        print(f"  {label:8} {text}")
