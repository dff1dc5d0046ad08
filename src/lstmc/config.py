"""What lstmc is made of on this machine: cells, target, threads, and why."""

from __future__ import annotations

import os

from . import _core, _threads


def cells() -> list[dict]:
    """The rows of the registry of cells.

    Returns
    -------
    list of dict
        For each cell:

        name, title, equations, source : str
            Source is the paper.
        columns : tuple of (str, int, int, int)
            Of the affine map ``a``: the name, and which block of rows of W, of R and
            of b makes it; -1: none.
        w_blocks, r_blocks, b_blocks : int
            Blocks of ``hidden_size`` rows that W, R and b consist of.
        states : tuple of str
            h first.
        vectors : tuple of str
            Weights of one number for each unit: peepholes, gains, decays.
        rows : tuple of str
            The states that R reads, and h.
        reads : tuple of int
            How many of them each column reads, with a block of R each; 0: none, or
            what the cell computes from h within the step.
        reads_h : bool
            Whether h recurs, so that there may be ``recurrent_dropout``.
        late : int
            Columns whose R reads what the cell computes from h within the step.
        saved : int
            Reals that training keeps for backward per step and unit.
        squashes : bool
            Whether it takes ``output_activation``.
        projects : bool
            Whether it takes ``proj_size``.
        timed : bool
            Whether it needs ``time``, that elapsed before each step.
        statics : int
            How many of the last states static features give; with any, it needs
            ``static``.

    Examples
    --------
    >>> import lstmc
    >>> lstm, *others = lstmc.cells()
    >>> lstm["name"], lstm["states"], lstm["timed"]
    ('lstm', ('h', 'c'), False)
    """
    return _core.cells()


def release_memory() -> None:
    """Give the memory of large calls that ended back to the system.

    Workspaces and outputs of more than some megabytes wait for the next call that
    wants as much, up to 512 MB of them, since the system takes its time to clear new
    memory. A fit releases them at its end; a server may when it goes idle. Arrays that
    are in use are not touched.

    Examples
    --------
    >>> import lstmc
    >>> lstmc.release_memory()
    """
    _core.release_memory()


def architectures() -> list[dict]:
    """The layers beside those that the cells make: what each computes.

    Returns
    -------
    list of dict
        For each layer:

        name, title, equations, source : str
            Source is the paper.
        layer : str
            Its class in `lstmc.layers`.

    Examples
    --------
    >>> import lstmc
    >>> "convlstm" in [row["name"] for row in lstmc.architectures()]
    True
    """
    from . import layers

    found = [(name, getattr(layers, name)) for name in layers.__all__]
    return [
        {"layer": name, **layer.about}
        for name, layer in found
        if hasattr(layer, "about")
    ]


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
