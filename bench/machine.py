"""The machine and the versions that a result file names."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from bench import peak
from bench.peers import NAMES
from lstmc import _core


def describe_machine() -> dict:
    """Describe what the figures depend on; no host name, no path."""
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "instructions": peak.fma_target(),
        "targets": _core.targets(),
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": _compiler_version(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("numpy", *NAMES)},
        "date": datetime.date.today().isoformat(),
    }


def _cpu_model():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _compiler_version():
    command = [*peak.compiler(), "--version"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.splitlines()[0]


def _version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
