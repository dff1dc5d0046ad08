"""Frames: batches of sequences of images, checked, flattened and given back."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral

import numpy as np

from ..sequences import Sequences, as_sequences

AXES = ("depth", "height", "width")


def checked_axes(name, value, count=None, least=1):
    """One to three integers as a tuple; a single one stands for `count` equal ones.

    Examples
    --------
    >>> checked_axes("kernel_size", 3, count=2)
    (3, 3)
    >>> checked_axes("kernel_size", (3, 5, 1), count=2)
    Traceback (most recent call last):
    ValueError: kernel_size: expected 2 integers, one for each axis of the image, got 3
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = (value,) * (count or 1)
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name}: expected an int or a tuple of ints, got {value!r}")
    wanted = f"{count} integers, one for each axis of the image"
    if count is None:
        wanted = "1 to 3 integers, one for each axis of the image"
    if len(value) != count if count else not 1 <= len(value) <= 3:
        raise ValueError(f"{name}: expected {wanted}, got {len(value)}")
    for size in value:
        if not isinstance(size, Integral) or isinstance(size, bool) or size < least:
            raise ValueError(f"{name}: expected ints of at least {least}, got {size!r}")
    return tuple(int(size) for size in value)


def as_frames(X, image_size, channels, *, dtype, name="X", allow_empty=False):
    """Sequences of frames as `Sequences` whose steps are flattened frames.

    Parameters
    ----------
    X : list of (T_i, *image_size, channels) arrays, array of shape (n, T, *image_size,
        channels), or Sequences of that many features
        Channels are innermost.
    image_size : tuple of int
        Pixels along each axis.
    channels : int
        Values of a pixel.
    dtype, name, allow_empty
        As in `as_sequences`.

    Raises
    ------
    ValueError
        Frames have another size or another number of channels; both are named.

    Examples
    --------
    >>> import numpy as np
    >>> as_frames([np.zeros((5, 4, 6, 2))], (4, 6), 2, dtype="float32")
    Sequences(1 sequences, 5 to 5 steps, 48 features, float32)
    >>> as_frames([np.zeros((5, 4, 7, 2))], (4, 6), 2, dtype="float32")
    Traceback (most recent call last):
    ValueError: X: sequence 0: expected frames of (4, 6) pixels, got (4, 7)
    """
    features = int(np.prod(image_size)) * channels
    if not isinstance(X, Sequences):
        X = _flattened(X, image_size, channels, name)
    return as_sequences(
        X, dtype=dtype, n_features=features, name=name, allow_empty=allow_empty
    )


def _flattened(X, image_size, channels, name):
    """The same with one axis in place of those of the frames."""
    if isinstance(X, (list, tuple)):
        items = [np.asarray(x) for x in X]
        for k, item in enumerate(items):
            _check(item, 1, image_size, channels, f"{name}: sequence {k}")
        return [item.reshape(len(item), _size(item, 1)) for item in items]
    array = np.asarray(X)
    _check(array, 2, image_size, channels, name)
    return array.reshape(*array.shape[:2], _size(array, 2))


def _size(array, first):
    return int(np.prod(array.shape[first:]))


def _check(array, first, image_size, channels, name):
    axes = ", ".join(AXES[3 - len(image_size) :])
    if array.ndim != first + len(image_size) + 1:
        shape = f"({'samples, ' * (first - 1)}steps, {axes}, channels)"
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if array.shape[first:-1] != image_size:
        raise ValueError(
            f"{name}: expected frames of {image_size} pixels, "
            f"got {array.shape[first:-1]}"
        )
    if array.shape[-1] != channels:
        raise ValueError(f"{name}: expected {channels} channels, got {array.shape[-1]}")


def frames_in_form_of(X, y, shape):
    """Flattened frames y as X was given: Sequences, list, or array."""
    if isinstance(X, Sequences):
        return y
    if isinstance(X, (list, tuple)):
        return [y.values[a:b].reshape(b - a, *shape) for a, b in pairwise(y.offsets)]
    steps = len(y.values) // max(1, len(y))
    return y.values.reshape(len(y), steps, *shape)
