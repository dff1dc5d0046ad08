"""The array door: any accepted form of data becomes clean values and offsets.

`pack` and its kin tell the forms apart, `real_array` refuses what holds no real numbers
and copies nothing that already does, `clean` makes what a kernel may read: float32 or
float64 in native byte order, aligned, C-contiguous. Casting is NumPy's own, so every
kind of array gives the bits of ``np.ascontiguousarray(X, dtype)``.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

AXES = ("sequence", "step", "feature")
RESHAPE = (  # scikit-learn's words, with what they mean for sequences
    " Reshape your data either using array.reshape(1, -1) if it is a single univariate"
    " sequence or array.reshape(-1, 1) if it is many sequences of a single step."
)
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def place(name: str, index: Iterable[Any]) -> str:
    """Where in the data: ``X: sequence 3, step 7, feature 0``, or ``X`` alone."""
    at = ", ".join(f"{axis} {k}" for axis, k in zip(AXES, index, strict=False))
    return f"{name}: {at}" if at else name


def float_dtype(dtype: Any) -> np.dtype:
    """The wanted dtype, which must be one that the kernels are compiled for."""
    wanted: np.dtype = np.dtype(dtype)
    if wanted not in FLOATS:
        raise ValueError(f"dtype: expected float32 or float64, got {wanted}")
    return wanted


def widest_dtype(arrays: Iterable[np.ndarray]) -> np.dtype:
    """float32 where it holds all values of these dtypes exactly, else float64."""
    common = np.result_type(np.float32, *{array.dtype for array in arrays})
    return FLOATS[common.itemsize > 4]


def pack(
    X: Any, dtype: np.dtype | None, name: str, n_features: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Values (sum T, F) and offsets (n + 1,) of a list of sequences or of an array.

    `dtype` None is `widest_dtype`; `n_features` is what the items of a list must have.
    """
    if getattr(X, "ndim", None) == 1 and X.dtype == object:
        X = list(X)
    if not isinstance(X, list | tuple):
        array = _check_block(real_array(X, name), name)
        values = clean(array, widest_dtype([array]) if dtype is None else dtype)
        samples, steps, features = (*array.shape, 1)[:3]
        offsets = np.arange(samples + 1, dtype=np.intp) * steps
        return values.reshape(samples * steps, features), offsets
    items = [real_array(x, name, k) for k, x in enumerate(X)]
    features = _check_items(items, name, n_features)
    offsets = offsets_of([len(item) for item in items])
    values = np.empty(
        (offsets[-1], features), widest_dtype(items) if dtype is None else dtype
    )
    if items:
        out = values if items[0].ndim == 2 else values[:, 0]
        with np.errstate(over="ignore", invalid="ignore"):  # as in clean
            np.concatenate(items, out=out, casting="unsafe")
    return values, offsets


def pack_padded(X: Any, lengths: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and offsets of the real steps of (n, T, F) or (n, T)."""
    array = _check_block(real_array(X, "X"), "X")
    samples, steps = array.shape[:2]
    if lengths is None and mask is None:
        return pack(array, None, "X")
    if lengths is not None and mask is not None:
        raise ValueError("expected lengths or mask, got both")
    if mask is not None:
        real = _check_mask(mask, (samples, steps))
    else:
        real = np.arange(steps) < _check_lengths(lengths, samples, steps)[:, None]
    rows = array[real] if array.ndim == 3 else array[real][:, None]
    return clean(rows, widest_dtype([rows])), offsets_of(real.sum(axis=1))


def pack_flat(X: Any, lengths: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and offsets of (sum T, F) or (sum T,) and the length of each sequence."""
    array = real_array(X, "X")
    if array.ndim not in (1, 2) or array.shape[1:] == (0,):
        raise ValueError(
            "X: expected shape (sum of lengths, features >= 1) or (sum of lengths,), "
            f"got {array.shape}"
        )
    rows = array if array.ndim == 2 else array[:, None]
    offsets = offsets_of(_check_lengths(lengths, None, len(rows)))
    if offsets[-1] != len(rows):
        raise ValueError(
            f"lengths: expected the sum {len(rows)}, the rows of X, got {offsets[-1]}"
        )
    return clean(rows, widest_dtype([rows])), offsets


def pack_aeon(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and offsets of (n, C, T), or of a list of (C, T_i)."""
    if isinstance(X, list | tuple):
        items = [np.asanyarray(x) for x in X]  # masked arrays stay so, to be refused
        for k, item in enumerate(items):
            if item.ndim != 2:
                raise ValueError(
                    f"{place('X', (k,))}: expected shape (channels, steps), "
                    f"got {item.shape}"
                )
        return pack([item.T for item in items], None, "X")
    array = np.asanyarray(X)
    if array.ndim != 3:
        raise ValueError(
            "X: expected shape (samples, channels, steps) or a list of "
            f"(channels, steps), got {array.shape}"
        )
    return pack(array.swapaxes(1, 2), None, "X")


def real_array(X: Any, name: str, sequence: int | None = None) -> np.ndarray:
    """X as an ndarray of bool, integer or floating dtype; a view wherever X is one.

    `sequence` is the number of the sequence when X is one of a list. Raises TypeError
    for sparse, text, dates and other objects, ValueError for complex, masked, ragged.
    """
    index = () if sequence is None else (sequence,)
    array: np.ndarray = X if type(X) is np.ndarray else _plain_array(X, name, index)
    kind = array.dtype.kind
    if kind in "biuf":
        return array
    if kind == "O" and array.ndim:
        return _numbers_of_objects(array, name, index)
    if kind == "c":
        raise ValueError(
            f"{place(name, index)}: Complex data not supported: "
            f"expected real numbers, got dtype {array.dtype}"
        )
    got = type(array.item()).__name__ if kind == "O" else f"dtype {array.dtype}"
    raise TypeError(f"{place(name, index)}: expected arrays of real numbers, got {got}")


def clean(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A real array as `dtype`, native, aligned and C-contiguous; itself if it is so."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    # A finite value too large for dtype becomes inf, which the finite check reports.
    with np.errstate(over="ignore", invalid="ignore"):
        fresh: np.ndarray = np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    return fresh


def offsets_of(lengths: Any) -> np.ndarray:
    """Where sequences of these lengths start and end: (n + 1,) intp, first 0."""
    offsets = np.zeros(len(lengths) + 1, np.intp)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _check_block(array: np.ndarray, name: str) -> np.ndarray:
    """The array itself if it is (n, T, F) or (n, T) and no step is empty."""
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name}: expected a list of sequences or an array (samples, steps, "
            f"features) or (samples, steps), got shape {array.shape}."
            + RESHAPE
            * (array.ndim < 2)
        )
    if array.shape[-1] == 0:
        raise ValueError(too_few(name, "feature", array.shape))
    return array


def _check_lengths(lengths: Any, n: int | None, longest: int) -> np.ndarray:
    """Lengths as an intp array, shape (n,) unless n is None, each in 0..longest."""
    array = np.asarray(lengths)
    if array.size == 0:
        array = array.astype(np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu" or n not in (None, len(array)):
        raise ValueError(
            f"lengths: expected integers of shape ({'n' if n is None else n},), "
            f"got {array.dtype} of shape {array.shape}"
        )
    wrong = np.flatnonzero((array < 0) | (array > longest))
    if len(wrong):
        raise ValueError(
            f"{place('lengths', wrong[:1])}: expected 0 to {longest} steps, "
            f"got {array[wrong[0]]}"
        )
    return array.astype(np.intp)


def _check_mask(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """The mask of real steps as a boolean array of this shape."""
    array = np.asarray(mask)
    if array.dtype != bool or array.shape != shape:
        raise ValueError(
            f"mask: expected bool of shape {shape}, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


def check_finite(values: np.ndarray, offsets: np.ndarray, name: str) -> None:
    """Raise ValueError that names the first NaN or infinity; one pass over values."""
    finite = np.isfinite(values)
    if finite.all():
        return
    row, feature = np.unravel_index(finite.argmin(), finite.shape)
    sequence = np.searchsorted(offsets, row, side="right") - 1
    at = place(name, (sequence, row - offsets[sequence], feature))
    large = f"infinity or a value too large for {values.dtype}"
    got = "NaN" if np.isnan(values[row, feature]) else large
    raise ValueError(f"{at}: expected a finite number, got {got}")


def check_counts(
    X: Any, n: int, features: int, name: str, n_features: int | None, allow_empty: bool
) -> None:
    """Raise if X came out with no sequences or with another number of features."""
    if not n and not allow_empty:
        raise ValueError(too_few(name, "sample", tuple(getattr(X, "shape", (0,)))))
    if n_features is not None and features != n_features:
        univariate = getattr(X, "ndim", 0) == 2
        hint = " (a 2-D array is univariate: give one sequence of more as [X])"
        raise ValueError(
            f"{place(name, (0,))} has {features} features, "
            f"expected {n_features}" + hint * univariate
        )


def check_values(values: np.ndarray) -> None:
    """Raise unless a kernel may read these values as they are."""
    if not isinstance(values, np.ndarray) or values.dtype not in FLOATS:
        got = getattr(values, "dtype", type(values).__name__)
        raise TypeError(f"values: expected a float32 or float64 array, got {got}")
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"values: expected shape (sum T, F >= 1), got {values.shape}")
    if not (values.flags.c_contiguous and values.flags.aligned):
        raise ValueError("values: expected C-contiguous aligned memory, got a view")


def check_offsets(offsets: np.ndarray, rows: int) -> np.ndarray:
    """The offsets themselves if they cut this many rows into sequences."""
    if not isinstance(offsets, np.ndarray) or offsets.dtype != np.intp:
        got = getattr(offsets, "dtype", type(offsets).__name__)
        raise TypeError(f"offsets: expected an intp array, got {got}")
    if offsets.ndim != 1 or len(offsets) == 0:
        raise ValueError(f"offsets: expected shape (n + 1,), got {offsets.shape}")
    if offsets[0] != 0 or offsets[-1] != rows or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(
            f"offsets: expected to rise from 0 to {rows}, the rows of values, "
            f"got {offsets[0]} to {offsets[-1]}"
        )
    return offsets


def check_key(key: Any, n: int) -> np.ndarray:
    """An index of n sequences, integers or a mask of n booleans, as integers."""
    chosen = np.asarray(key)
    if chosen.size == 0 and not isinstance(key, np.ndarray):
        chosen = chosen.astype(np.intp)  # [] is of float dtype
    if isinstance(key, tuple) or chosen.ndim != 1 or chosen.dtype.kind not in "iub":
        raise TypeError(
            "expected an integer, a slice, a 1-D array of integers or of booleans, "
            f"got {key!r}"
        )
    if chosen.dtype.kind != "b":
        return chosen
    if len(chosen) != n:
        raise IndexError(f"mask: expected {n} booleans, got {len(chosen)}")
    return np.flatnonzero(chosen)


def too_few(name: str, what: str, shape: tuple[int, ...]) -> str:
    """scikit-learn's words for an array with no samples or no features."""
    return (
        f"{name}: Found array with 0 {what}(s) (shape={shape}) "
        "while a minimum of 1 is required."
    )


def _check_items(items: list[np.ndarray], name: str, n_features: int | None) -> int:
    """The number of features that all items share."""
    if not items:
        return n_features or 1
    rank, source = items[0].ndim, "" if n_features else " as sequence 0 has"
    for k, item in enumerate(items):
        if item.ndim not in (1, 2):
            raise ValueError(
                f"{place(name, (k,))}: expected shape (steps, features) or (steps,), "
                f"got {item.shape}." + RESHAPE * (item.ndim < 1)
            )
        if item.ndim != rank:
            raise ValueError(
                f"{place(name, (k,))}: expected {rank} dimensions as sequence 0 has, "
                f"got {item.ndim}, shape {item.shape}"
            )
        features = item.shape[1] if rank == 2 else 1
        if features == 0:
            raise ValueError(too_few(place(name, (k,)), "feature", item.shape))
        n_features = n_features or features
        if features != n_features:
            raise ValueError(
                f"{place(name, (k,))} has {features} features, "
                f"expected {n_features}{source}"
            )
    return features


def _plain_array(X: Any, name: str, index: tuple[int, ...]) -> np.ndarray:
    if hasattr(X, "toarray") and hasattr(X, "format"):  # as every SciPy sparse has
        raise TypeError(
            f"{place(name, index)}: Sparse data was passed, but dense data is required."
            " Use '.toarray()' to convert to a dense numpy array."
        )
    if isinstance(X, np.ndarray) and np.ma.is_masked(X):
        first = np.argwhere(np.ma.getmaskarray(X))[0]
        raise ValueError(
            f"{place(name, (*index, *first))}: expected no masked entry, got one; "
            "to leave out steps use Sequences.from_padded(X.data, mask=...)"
        )
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{place(name, index)}: expected an array of numbers in rows of one length,"
            f" got {type(X).__name__} ({error})"
        ) from error


def _numbers_of_objects(
    array: np.ndarray, name: str, index: tuple[int, ...]
) -> np.ndarray:
    # Types first: there are few, and asking each value costs more than converting it.
    strange = {kind for kind in set(map(type, array.flat)) if not _is_real(kind)}
    if strange:
        where, value = next(
            (where, value)
            for where, value in np.ndenumerate(array)
            if type(value) in strange
        )
        at = place(name, index + where)
        if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
            raise ValueError(f"{at}: Complex data not supported, got {value!r}")
        raise TypeError(
            f"{at}: argument must be neither string nor other object "
            f"but a real number, got {type(value).__name__}"
        )
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"{place(name, index)}: expected numbers within float64 ({error})"
        ) from error


def _is_real(kind: type) -> bool:
    if issubclass(kind, numbers.Complex):  # int, float, their NumPy kin; timedelta too
        return issubclass(kind, numbers.Real) and not issubclass(kind, np.timedelta64)
    return issubclass(kind, numbers.Number | np.bool_)  # Decimal is a Number alone
