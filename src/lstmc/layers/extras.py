"""What some cells need beside X: elapsed times and static features, checked."""

from __future__ import annotations

import numpy as np

from .._array_door import clean, real_array
from ..sequences import as_sequences


def checked_extras(layer, x, time, static):
    """Arguments ``time`` and ``static`` of `Stack.apply` for the Sequences x.

    Raises
    ------
    ValueError
        One is missing or not wanted, has another shape, or holds a number that no time
        and no feature can be.
    """
    return {
        "time": _checked_time(layer, x, time),
        "static": checked_static(layer, x, static),
    }


def _checked_time(layer, x, time):
    if (time is not None) != layer.timed:
        wanted = "the time elapsed before each step" if layer.timed else "None"
        got = "None" if time is None else "times"
        raise ValueError(f"time: expected {wanted} with {layer.cell!r}, got {got}")
    if time is None:
        return None
    given = as_sequences(
        time, dtype=layer.dtype, n_features=1, name="time", allow_empty=True
    )
    if not np.array_equal(given.offsets, x.offsets):
        raise ValueError("time: expected the lengths of X, got others")
    values = np.ascontiguousarray(given.values.ravel())
    bad = np.flatnonzero(values < 0)
    if len(bad):
        j = int(np.searchsorted(given.offsets, bad[0], side="right")) - 1
        raise ValueError(
            f"time: expected at least 0, got {values[bad[0]]} in sequence {j} at step "
            f"{bad[0] - given.offsets[j]}"
        )
    return values


def checked_static(layer, x, static):
    """Static features as an array of the layer's type, or ValueError."""
    if (static is not None) != (layer.static_size > 0):
        wanted = "static features" if layer.static_size else "None"
        got = "None" if static is None else "static features"
        raise ValueError(f"static: expected {wanted} with {layer.cell!r}, got {got}")
    if static is None:
        return None
    array = real_array(static, "static")
    if array.shape != (len(x), layer.static_size):
        raise ValueError(
            f"static: expected shape {(len(x), layer.static_size)}, got {array.shape}"
        )
    array = clean(array, layer.dtype)
    if not np.isfinite(array).all():
        raise ValueError("static: expected finite values, got NaN or infinity")
    return array
