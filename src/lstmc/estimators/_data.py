"""The estimators' door: X, weights and duplicates, in scikit-learn's manner."""

import math

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, validate_data

from ..sequences import Sequences, as_sequences


def check_sequences(estimator, X, *, reset, dtype, allow_empty=False):
    """Return ``X`` as Sequences; check or (``reset``) learn its number of features.

    A 2-D array or frame (n, T) is n univariate series: then ``n_features_in_`` is
    T, every later 2-D array must be as wide, and column names are kept and compared.
    For all else it is the number of features at each step.
    """
    table = is_table(X)
    sequences = as_sequences(X, dtype=dtype, allow_empty=allow_empty)
    if table and (reset or estimator._univariate):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif reset:
        estimator.__dict__.pop("feature_names_in_", None)
        estimator.n_features_in_ = sequences.n_features
    if reset:
        estimator._univariate, estimator._input_size = table, sequences.n_features
    if sequences.n_features != estimator._input_size:
        raise ValueError(
            f"X has {sequences.n_features} features, but {type(estimator).__name__} "
            f"is expecting {estimator._input_size} features as input"
        )
    return sequences


def is_table(X):
    """Whether ``X`` is two-dimensional: n rows of T numbers, not n sequences.

    Examples
    --------
    >>> import numpy as np
    >>> is_table([[1, 2], [3, 4]]), is_table([np.ones(2), np.ones(2)])
    (True, False)
    """
    if isinstance(X, Sequences):
        return False
    if isinstance(X, list | tuple):
        rows = all(isinstance(row, list | tuple) for row in X)
        return rows and len({len(row) for row in X}) == 1 and np.ndim(X[0][:1]) == 1
    return len(X.shape if hasattr(X, "shape") else np.asarray(X).shape) == 2


def check_weight(sample_weight, n_samples):
    """Return the sample weights (n,), float64; ones for None.

    Raises
    ------
    ValueError
        If they are not n finite numbers.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight: expected shape ({n_samples},), got {weight.shape}"
        )
    return weight


def check_target(estimator, y, x, *, dtype):
    """Return ``y`` as an array of finite numbers (or labels) as long as ``x``."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y "
            "is None"
        )
    y = check_array(
        y, ensure_2d=False, dtype=dtype, input_name="y", ensure_min_samples=0
    )
    check_consistent_length(x, y)
    return y


def merge(x, y, weight):
    """Merge equal samples, adding their weights; sort by content.

    With it, training on the full batch depends, to the bit, on the set of samples
    and their weights alone: not on their order, and a weight of k is k copies.

    Parameters
    ----------
    x : Sequences
        n sequences.
    y : ndarray of shape (n,) or (n, n_outputs)
        Their targets.
    weight : ndarray of shape (n,)
        Their weights.

    Returns
    -------
    index : ndarray of int
        One position for each distinct sample.
    weight : ndarray of float64
        Its weight.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.sequences import as_sequences
    >>> x = as_sequences([[2.0], [1.0], [2.0]])
    >>> index, weight = merge(x, np.zeros(3), np.array([1.0, 5.0, 2.0]))
    >>> index.tolist(), weight.tolist()
    ([0, 1], [3.0, 5.0])
    """
    copies: dict[tuple[bytes, bytes], list[int]] = {}
    for k, (sequence, target) in enumerate(zip(x, y, strict=True)):
        copies.setdefault((sequence.tobytes(), target.tobytes()), []).append(k)
    groups = [copies[key] for key in sorted(copies)]
    index = np.array([group[0] for group in groups])
    return index, np.array([math.fsum(weight[group]) for group in groups])


def make_rng(random_state):
    """Return a Generator seeded from what scikit-learn calls a random state.

    A RandomState or Generator, or for None NumPy's global state, gives the seed and
    moves on.
    """
    if isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state.integers(2**63))
    return np.random.default_rng(check_random_state(random_state).randint(2**31))
