"""Sequences: the one door for data, ragged and without padding.

All sequences lie one after another in ``values`` (sum T, F); sequence k is the rows
``offsets[k]:offsets[k + 1]``. `as_sequences` brings every accepted form of data into
this one; behind it nothing checks, converts or pads again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from . import _array_door as door
from . import _core


class Sequences:
    """Sequences of unequal length, stored without padding.

    Behaves as an immutable list of (T_i, F) arrays. It has no ``shape``, so that
    scikit-learn's splitters index it as they index a list, and it refuses to become
    one array by itself (``np.asarray`` raises TypeError): use `to_padded`, `to_list`
    or `values`. It may hold NaN; `as_sequences` is what refuses NaN.

    Parameters
    ----------
    values : ndarray of shape (sum T, F), float32 or float64
        The steps of all sequences, one after another: native byte order, aligned,
        C-contiguous, F >= 1. Kept as a read-only view, not copied.
    offsets : ndarray of shape (n + 1,), intp
        Row where each sequence starts, and where the last one ends; from 0 to sum T,
        nowhere falling. Two equal offsets are a sequence of no steps.

    Attributes
    ----------
    values, offsets : read-only ndarrays, as above
    lengths : ndarray of shape (n,), intp
        Steps of each sequence.
    n_features : int
        F, the values at each step.
    dtype : numpy.dtype
        Of the values.

    Raises
    ------
    TypeError
        If an argument, here or of the other constructors, holds no real numbers.
    ValueError
        If it has another shape or layout than described.

    Notes
    -----
    Rows and offsets are those of a compressed sparse row matrix and of an Apache Arrow
    list array. Indexing with an integer gives a read-only view of one sequence, with a
    slice, a list or array of integers, or a mask of n booleans gives Sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import Sequences
    >>> X = Sequences.from_flat([[1, 10], [2, 20], [3, 30]], lengths=[1, 2])
    >>> X
    Sequences(2 sequences, 1 to 2 steps, 2 features, float64)
    >>> X[1]
    array([[ 2., 20.],
           [ 3., 30.]])
    """

    __slots__ = ("_offsets", "_values")

    def __init__(self, values: np.ndarray, offsets: np.ndarray):
        door.check_values(values)
        # A copy: who writes into his own offsets must not move ours out of bounds.
        self._keep(values, door.check_offsets(offsets, len(values)).copy())

    def _keep(self, values: np.ndarray, offsets: np.ndarray) -> Sequences:
        self._values, self._offsets = values.view(np.ndarray), offsets.view()
        self._values.flags.writeable = self._offsets.flags.writeable = False
        return self

    def with_values(self, values: np.ndarray) -> Sequences:
        """Sequences of the same lengths with other values.

        Parameters
        ----------
        values : ndarray of shape (sum T, any F), float32 or float64
            As the constructor wants it, with the same errors. Not copied.

        Returns
        -------
        Sequences

        Examples
        --------
        >>> X = Sequences.from_flat([1.0, 2.0, 3.0], lengths=[2, 1])
        >>> X.with_values(-X.values)[1]
        array([[-3.]])
        """
        door.check_values(values)
        if len(values) != len(self.values):
            raise ValueError(
                f"values: expected {len(self.values)} rows, got {len(values)}"
            )
        return sequences_of(values, self.offsets)

    @classmethod
    def from_padded(cls, X: Any, lengths: Any = None, mask: Any = None) -> Sequences:
        """The real steps of a padded array; what the padding holds never matters.

        Parameters
        ----------
        X : array-like of shape (n, T, F) or (n, T)
            Padded sequences; (n, T) is n univariate ones.
        lengths : array-like of int, shape (n,), default=None
            Real steps of each sequence, which stand first. None: all T.
        mask : array-like of bool, shape (n, T), default=None
            True where a step is real; the other steps are left out, wherever they
            are. At most one of lengths and mask may be given.

        Returns
        -------
        Sequences
            float32 where that holds the values of X's dtype exactly, else float64.

        Examples
        --------
        >>> X = [[1.0, 2.0, 3.0], [4.0, np.nan, np.nan]]
        >>> [x.ravel().tolist() for x in Sequences.from_padded(X, lengths=[3, 1])]
        [[1.0, 2.0, 3.0], [4.0]]
        """
        return sequences_of(*door.pack_padded(X, lengths, mask))

    @classmethod
    def from_flat(cls, X: Any, lengths: Any) -> Sequences:
        """Sequences that lie one after another in one array, as hmmlearn's do.

        Parameters
        ----------
        X : array-like of shape (sum T, F) or (sum T,)
            The steps of all sequences. Not copied where it is a clean float array.
        lengths : array-like of int, shape (n,)
            Steps of each sequence; their sum is the number of rows of X.

        Returns
        -------
        Sequences
            float32 where that holds the values of X's dtype exactly, else float64.

        Examples
        --------
        >>> Sequences.from_flat(np.zeros((9, 2), "float32"), lengths=[4, 0, 5])
        Sequences(3 sequences, 0 to 5 steps, 2 features, float32)
        """
        return sequences_of(*door.pack_flat(X, lengths))

    @classmethod
    def from_aeon(cls, X: Any) -> Sequences:
        """Sequences from the layout of aeon and sktime, which puts channels first.

        Parameters
        ----------
        X : array-like of shape (n, C, T), or list of n arrays of shape (C, T_i)
            C channels, which become the features.

        Returns
        -------
        Sequences
            float32 where that holds the values of X's dtypes exactly, else float64.

        Examples
        --------
        >>> Sequences.from_aeon(np.zeros((5, 2, 30)))
        Sequences(5 sequences, 30 to 30 steps, 2 features, float64)
        """
        return sequences_of(*door.pack_aeon(X))

    def to_padded(self, value: float = np.nan) -> np.ndarray:
        """One array, with `value` after the end of shorter sequences.

        Parameters
        ----------
        value : float, default=nan

        Returns
        -------
        ndarray of shape (n, longest T, F)

        Examples
        --------
        >>> X = Sequences.from_flat([1.0, 2.0, 3.0], lengths=[2, 1])
        >>> X.to_padded(0)[:, :, 0]
        array([[1., 2.],
               [3., 0.]])
        """
        steps = int(self.lengths.max(initial=0))
        X = np.full((len(self), steps, self.n_features), value, self.dtype)
        X[np.arange(steps) < self.lengths[:, None]] = self.values
        return X

    def to_list(self) -> list[np.ndarray]:
        """The sequences one by one.

        Returns
        -------
        list of n ndarrays of shape (T_i, F)
            Read-only views, not copies.

        Examples
        --------
        >>> Sequences.from_flat([1.0, 2.0, 3.0], lengths=[2, 1]).to_list()[0].tolist()
        [[1.0], [2.0]]
        """
        return list(self)

    def to_aeon(self) -> np.ndarray | list[np.ndarray]:
        """The layout of aeon and sktime, which puts channels first.

        Returns
        -------
        ndarray of shape (n, F, T), or list of n ndarrays of shape (F, T_i)
            A list if lengths differ or there is no sequence.

        Examples
        --------
        >>> Sequences.from_padded(np.zeros((5, 30, 2))).to_aeon().shape
        (5, 2, 30)
        """
        if len(self) and (self.lengths == self.lengths[0]).all():
            X: np.ndarray = self.values.reshape(len(self), -1, self.n_features)
            return np.ascontiguousarray(X.swapaxes(1, 2))
        return [np.ascontiguousarray(x.T) for x in self]

    @property
    def values(self) -> np.ndarray:
        return self._values

    @property
    def offsets(self) -> np.ndarray:
        return self._offsets

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def n_features(self) -> int:
        return int(self.values.shape[1])

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        for start, stop in pairwise(self.offsets.tolist()):
            yield self.values[start:stop]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"expected one of {len(self)} sequences, got {key}")
            k = key % len(self)
            return self.values[self.offsets[k] : self.offsets[k + 1]]
        if isinstance(key, slice):
            start, stop, stride = key.indices(len(self))
            if stride == 1:
                offsets = self.offsets[start : max(start, stop) + 1]
                values = self.values[offsets[0] : offsets[-1]]
                return sequences_of(values, offsets - offsets[0])
            key = np.arange(start, stop, stride)
        chosen = np.ascontiguousarray(door.check_key(key, len(self)), np.intp)
        offsets = np.empty(len(chosen) + 1, np.intp)
        total = _core.take_offsets(self.offsets, chosen, offsets)
        values = np.empty((total, self.n_features), self.dtype)
        _core.take_rows(self.values, self.offsets, chosen, offsets, values)
        return sequences_of(values, offsets)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "Sequences do not become an array by themselves: use .to_padded() for "
            "(n, T, F), .to_list() for a list of (T_i, F), .values for (sum T, F)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Sequences, (self.values, self.offsets)

    def __repr__(self) -> str:
        lengths = self.lengths if len(self) else np.zeros(1, np.intp)
        return (
            f"Sequences({len(self)} sequences, {lengths.min()} to {lengths.max()} "
            f"steps, {self.n_features} features, {self.dtype})"
        )


def as_sequences(
    X: Any,
    *,
    dtype: Any = "float32",
    n_features: int | None = None,
    name: str = "X",
    allow_empty: bool = False,
) -> Sequences:
    """Bring any accepted form of data into `Sequences`, or say what is wrong with it.

    Parameters
    ----------
    X : Sequences, list or tuple, or array-like
        A list of n arrays of shape (T_i, F), or of shape (T_i,) for univariate
        sequences, where T_i may be 0; an array of shape (n, T, F); an array of shape
        (n, T), which is n univariate sequences. The axes are never guessed: for
        (n, channels, T) use `Sequences.from_aeon`. Never written to. Anything with
        ``__array__`` counts as an array, an object array of numbers as numbers, a 1-D
        object array as a list.
    dtype : {"float32", "float64"}, default="float32"
        Of the result. float16, integers and bool are converted like floats.
    n_features : int, default=None
        The F that is required; None takes it from X.
    name : str, default="X"
        What errors call X.
    allow_empty : bool, default=False
        Whether n = 0 is allowed. An empty list then has n_features features, or 1.

    Returns
    -------
    Sequences
        X itself if it is Sequences of that dtype; a view of X if that is an (n, T, F)
        or (n, T) array of that dtype, native, aligned, C-contiguous; else one copy.

    Raises
    ------
    TypeError
        For sparse matrices, text, dates and other objects that are no numbers.
    ValueError
        For NaN, infinity, values beyond dtype, complex or masked data, a wrong number
        of dimensions, sequences or features. Both name the sequence and the step.

    Notes
    -----
    The wording follows ``sklearn.utils.check_array``, which its estimator checks test.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.sequences import as_sequences
    >>> as_sequences([np.zeros((7, 3)), np.zeros((4, 3))])
    Sequences(2 sequences, 4 to 7 steps, 3 features, float32)
    >>> as_sequences(np.zeros((10, 25)), dtype="float64")
    Sequences(10 sequences, 25 to 25 steps, 1 features, float64)
    >>> as_sequences([[0.5, 1.5], [2.5, np.nan]])
    Traceback (most recent call last):
    ValueError: X: sequence 1, step 1, feature 0: expected a finite number, got NaN
    """
    wanted = door.float_dtype(dtype)
    if not isinstance(X, Sequences):
        sequences = sequences_of(*door.pack(X, wanted, name, n_features))
    elif X.dtype == wanted:
        sequences = X
    else:
        sequences = X.with_values(door.clean(X.values, wanted))
    n, features = len(sequences), sequences.n_features
    door.check_counts(X, n, features, name, n_features, allow_empty)
    door.check_finite(sequences.values, sequences.offsets, name)
    return sequences


def sequences_of(values: np.ndarray, offsets: np.ndarray) -> Sequences:
    """Sequences of parts that are known to fit, without a check."""
    return Sequences.__new__(Sequences)._keep(values, offsets)
