"""The yardstick: how many multiply-adds the machine does at this moment."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).with_name("peak.c")
BUILD = Path(__file__).parents[1] / "build" / "bench"
FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-pthread")


def fma_peak(threads: int = 1, seconds: float = 1.5e-3, tries: int = 3) -> float:
    """Measure the float32 peak of `threads` threads, in FLOP/s.

    Parameters
    ----------
    threads : int, default=1
        Threads that run at the same time, 1 to 256.
    seconds : float, default=1.5e-3
        Length of one sample.
    tries : int, default=3
        Samples taken; the best counts, since the first wakes the vector units.

    Raises
    ------
    ValueError
        If `threads` is not from 1 to 256.
    OSError
        If a thread cannot be started.
    subprocess.CalledProcessError
        If the compiler fails.

    Examples
    --------
    >>> fma_peak() > 1e8
    True
    """
    if not 1 <= threads <= 256:
        raise ValueError(f"threads: expected 1 to 256, got {threads}")
    best = max(_library().fma_peak(threads, seconds) for _ in range(tries))
    if best < 0:
        raise OSError(f"fma_peak: could not start {threads} threads")
    return best


def fma_target() -> str:
    """Name of the instruction set that `fma_peak` uses, e.g. ``"AVX2"``."""
    return _library().fma_target().decode()


def compiler() -> list[str]:
    """Command of the C compiler that builds extensions for this Python."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


@functools.cache
def _library() -> ctypes.CDLL:
    library = open_library(SOURCE)
    library.fma_peak.argtypes = (ctypes.c_int, ctypes.c_double)
    library.fma_peak.restype = ctypes.c_double
    library.fma_target.restype = ctypes.c_char_p
    return library


def open_library(source: Path, *flags: str) -> ctypes.CDLL:
    """Compile a C file unless it is in the cache folder, and open it."""
    command = [*compiler(), *FLAGS, *flags]
    digest = hashlib.sha256(source.read_bytes() + " ".join(command).encode())
    path = BUILD / f"{source.stem}-{digest.hexdigest()[:12]}.so"
    if not path.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.so")
        subprocess.run([*command, str(source), "-o", str(scratch)], check=True)
        scratch.replace(path)
    return ctypes.CDLL(str(path))
