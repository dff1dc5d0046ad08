"""Images: arrays of unequal sizes in one block of memory, without padding.

An image is whatever has cells on a grid of one, two or three dimensions, and some
channels in each: a grey picture, a volume, a picture of colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _array_door as door


class Images:
    """Images of unequal sizes: one flat array of all cells, and the size of each.

    Behaves as an immutable list of arrays.

    Parameters
    ----------
    values : ndarray of shape (cells, C), float32 or float64, C-contiguous
        The channels of all cells, image after image, the last dimension fastest.
    shapes : ndarray of intp, shape (n, ndim)
        The size of each image.

    Attributes
    ----------
    values, shapes : ndarray
        As given; read-only views.
    offsets : ndarray of intp, shape (n + 1,)
        Where the cells of each image start and end.
    lengths : ndarray of intp, shape (n,)
        Cells of each image.
    n_features : int
        Channels.
    dtype : numpy.dtype
        Of ``values``.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.images import Images
    >>> images = Images(np.zeros((10, 3)), np.array([[2, 2], [3, 2]]))
    >>> images
    Images(2 images, 4 to 6 cells, 2 dimensions, 3 channels, float64)
    >>> images[1].shape
    (3, 2, 3)
    """

    __slots__ = ("offsets", "shapes", "values")

    def __init__(self, values: np.ndarray, shapes: np.ndarray):
        door.check_values(values)
        shapes = np.array(shapes, np.intp)
        if shapes.ndim != 2 or not 1 <= shapes.shape[1] <= 3 or (shapes < 1).any():
            raise ValueError(
                "shapes: expected (n, 1 to 3) sizes of at least 1, got "
                f"{shapes.tolist()}"
            )
        self.values, self.shapes = values.view(np.ndarray), shapes
        self.offsets = door.offsets_of(shapes.prod(axis=1))
        if self.offsets[-1] != len(values):
            raise ValueError(
                f"values: expected {self.offsets[-1]} cells, got {len(values)}"
            )
        for array in (self.values, self.shapes, self.offsets):
            array.flags.writeable = False

    def with_values(self, values: np.ndarray) -> Images:
        """Images of the same sizes with other channels; ``values`` is not copied."""
        return Images(values, self.shapes)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def n_features(self) -> int:
        return int(self.values.shape[1])

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    def to_list(self) -> list[np.ndarray]:
        """The images one by one, (*size, C): read-only views, not copies."""
        return list(self)

    def __len__(self) -> int:
        return len(self.shapes)

    def __iter__(self) -> Iterator[np.ndarray]:
        for k in range(len(self)):
            yield self[k]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"expected one of {len(self)} images, got {key}")
            k = int(key) % len(self)
            cells = self.values[self.offsets[k] : self.offsets[k + 1]]
            return cells.reshape(*self.shapes[k], self.n_features)
        if isinstance(key, slice):
            start, stop, stride = key.indices(len(self))
            if stride == 1:
                stop = max(start, stop)
                cells = self.values[self.offsets[start] : self.offsets[stop]]
                return Images(cells, self.shapes[start:stop])
            key = np.arange(start, stop, stride)
        chosen = door.check_key(key, len(self))
        starts, stops = self.offsets[:-1][chosen], self.offsets[1:][chosen]
        pieces = [
            self.values[start:stop]
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]
        # An empty piece in front, so that no image at all is possible.
        values = np.concatenate([self.values[:0], *pieces])
        return Images(values, self.shapes[chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "Images do not become an array by themselves: use .to_list() for a list "
            "of arrays, .values for (cells, channels)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Images, (self.values, self.shapes)

    def __repr__(self) -> str:
        cells = self.lengths if len(self) else np.zeros(1, np.intp)
        return (
            f"Images({len(self)} images, {cells.min()} to {cells.max()} cells, "
            f"{self.shapes.shape[1]} dimensions, {self.n_features} channels, "
            f"{self.dtype})"
        )


def as_images(
    X: Any,
    *,
    ndim: int = 2,
    dtype: Any = "float32",
    n_features: int | None = None,
    name: str = "X",
    allow_empty: bool = False,
) -> Images:
    """Bring any accepted form of images into `Images`, or say what is wrong with it.

    Parameters
    ----------
    X : Images, list or tuple, or array-like
        A list of n arrays of shape (*size, C), or (*size,) with one channel; or an
        array of shape (n, *size, C) or (n, *size).
    ndim : int, default=2
        Dimensions of an image: 1, 2 or 3.
    dtype : {"float32", "float64"}, default="float32"
        Of the result.
    n_features : int, default=None
        The C that is required; None takes it from X.
    name : str, default="X"
        What errors call X.
    allow_empty : bool, default=False
        Whether n = 0 is allowed.

    Returns
    -------
    Images
        X itself if it is Images of that dtype; a view of X if that is such an array.

    Raises
    ------
    TypeError
        For text, dates, sparse matrices and other objects that are no numbers.
    ValueError
        For NaN, infinity, a wrong number of dimensions or channels, an empty image.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.images import as_images
    >>> as_images([np.zeros((8, 5)), np.zeros((8, 9))])
    Images(2 images, 40 to 72 cells, 2 dimensions, 1 channels, float32)
    """
    wanted = door.float_dtype(dtype)
    if isinstance(X, Images):
        images = X if X.dtype == wanted else X.with_values(door.clean(X.values, wanted))
        if len(X) and X.shapes.shape[1] != ndim:
            raise ValueError(
                f"{name}: expected {ndim} dimensions, got {X.shapes.shape[1]}"
            )
    elif is_list(X):
        images = _pack_list(list(X), ndim, wanted, name, n_features)
    else:
        images = _pack_block(door.real_array(X, name), ndim, wanted, name)
    if not len(images) and not allow_empty:
        raise ValueError(door.too_few(name, "sample", (0,)))
    if n_features is not None and images.n_features != n_features:
        raise ValueError(
            f"{name} has {images.n_features} channels, expected {n_features}"
        )
    _check_finite(images, name)
    return images


def is_list(X: Any) -> bool:
    """Whether X is a list of arrays rather than one: also an array of objects."""
    return isinstance(X, list | tuple) or np.dtype(object) == getattr(X, "dtype", None)


def _pack_block(array, ndim, dtype, name):
    """Images of one size out of an array."""
    if array.ndim not in (ndim + 1, ndim + 2) or 0 in array.shape[1:]:
        raise ValueError(
            f"{name}: expected a list of images or an array (samples, {ndim} sizes, "
            f"channels) or (samples, {ndim} sizes), each at least 1, got shape "
            f"{array.shape}. Reshape your data."
        )
    size, channels = array.shape[1 : ndim + 1], (*array.shape[ndim + 1 :], 1)[0]
    values = door.clean(array, dtype).reshape(-1, channels)
    return Images(values, np.tile(np.array(size, np.intp), (len(array), 1)))


def _pack_list(items, ndim, dtype, name, n_features):
    """Images out of a list of arrays."""
    arrays = [door.real_array(item, name, k) for k, item in enumerate(items)]
    if not arrays:
        values = np.empty((0, n_features or 1), dtype)
        return Images(values, np.empty((0, ndim), np.intp))
    rank = arrays[0].ndim
    channels = arrays[0].shape[-1] if rank == ndim + 1 else 1
    for k, array in enumerate(arrays):
        if array.ndim not in (ndim, ndim + 1) or array.ndim != rank or not array.size:
            raise ValueError(
                f"{name}: image {k}: expected shape ({ndim} sizes, channels) or "
                f"({ndim} sizes), each at least 1, as image 0 of shape "
                f"{arrays[0].shape}, got {array.shape}"
            )
        if rank == ndim + 1 and array.shape[-1] != channels:
            raise ValueError(
                f"{name}: image {k} has {array.shape[-1]} channels, expected "
                f"{channels} as image 0 has"
            )
    flat = [array.reshape(-1, channels) for array in arrays]
    shapes = np.array([array.shape[:ndim] for array in arrays], np.intp)
    values = np.empty((sum(map(len, flat)), channels), dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # as in door.clean
        np.concatenate(flat, out=values, casting="unsafe")
    return Images(values, shapes)


def _check_finite(images, name):
    finite = np.isfinite(images.values)
    if finite.all():
        return
    cell, channel = np.unravel_index(finite.argmin(), finite.shape)
    k = int(np.searchsorted(images.offsets, cell, side="right")) - 1
    at = np.unravel_index(cell - images.offsets[k], images.shapes[k])
    large = f"infinity or a value too large for {images.dtype}"
    got = "NaN" if np.isnan(images.values[cell, channel]) else large
    raise ValueError(
        f"{name}: image {k}, cell {tuple(map(int, at))}, channel {channel}: expected "
        f"a finite number, got {got}"
    )
