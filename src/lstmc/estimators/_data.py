"""The estimators' door: data, weights and duplicates, in scikit-learn's manner."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, validate_data

from .._array_door import real_array
from ..layers.extras import checked_extras
from ..layers.stacks import facts_of
from ..sequences import Sequences, as_sequences


def check_sequences(estimator, X, *, reset, dtype, allow_empty=False):
    """Return ``X`` as Sequences; check or (``reset``) learn its number of features.

    A 2-D array or frame (n, T) is n univariate series: then ``n_features_in_`` is
    T, every later 2-D array must be as wide, and column names are kept and compared.
    For all else it is the number of features at each step.
    """
    table = is_table(X)
    none = isinstance(X, list | tuple) and not X and not reset
    sequences = as_sequences(
        X, dtype=dtype, allow_empty=allow_empty,
        n_features=estimator._input_size if none else None,
    )  # fmt: skip
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


def check_extras(estimator, x, time, static, *, reset):
    """Return ``time`` and ``static`` as Samples keep them, if the cell reads them.

    With ``reset`` the number of static features is learnt, else it is checked.
    """
    facts = facts_of(estimator.cell)
    if reset:
        estimator.n_static_features_in_ = _count_static(facts, static)
    reader = SimpleNamespace(
        cell=estimator.cell,
        timed=facts["timed"],
        static_size=estimator.n_static_features_in_,
        dtype=np.dtype(estimator.dtype),
    )
    extras = checked_extras(reader, x, time, static)
    if time is not None:
        extras["time"] = x.with_values(extras["time"][:, None])
    return extras


def _count_static(facts, static):
    """How many static features there are; 1 for what is no table, to be refused."""
    if not facts["statics"]:
        return 0
    shape = () if static is None else real_array(static, "static").shape
    return max(1, shape[1]) if len(shape) == 2 else 1


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


def check_partial(estimator, classes):
    """Raise ValueError for what ``partial_fit`` cannot do with part of the samples."""
    if estimator.class_weight == "balanced":
        raise ValueError(
            "partial_fit does not support class_weight='balanced': it sees only "
            "part of the samples. Pass a dict or None instead."
        )
    if classes is None and not hasattr(estimator, "model_"):
        raise ValueError("classes must be passed on the first call to partial_fit.")


def held_out(X_val, y_val, **more):
    """Return what `TrainedEstimator._fit` takes for validation: a dict, or None.

    Examples
    --------
    >>> held_out(None, None, sample_weight=None)
    >>> held_out([[1.0]], None)
    Traceback (most recent call last):
    ValueError: expected both X_val and y_val or neither, got one
    """
    if (X_val is None) != (y_val is None):
        raise ValueError("expected both X_val and y_val or neither, got one")
    return None if X_val is None else {"X": X_val, "y": y_val, **more}


def merge(samples):
    """Merge equal samples, adding their weights; sort by content.

    With it, training on the full batch depends, to the bit, on the set of samples
    and their weights alone: not on their order, and a weight of k is k copies.

    Parameters
    ----------
    samples : Samples
        Equal are those of equal sequences, targets, times and static features.

    Returns
    -------
    Samples
        One for each distinct sample, with weights of float64.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.sequences import as_sequences
    >>> from lstmc.training import Samples
    >>> x = as_sequences([[2.0], [1.0], [2.0]])
    >>> merged = merge(Samples(x, np.zeros(3), np.array([1.0, 5.0, 2.0])))
    >>> merged.x.values.ravel().tolist(), merged.weight.tolist()
    ([2.0, 1.0], [3.0, 5.0])
    """
    parts = [samples.x, samples.target, samples.time, samples.static]
    parts = [part for part in parts if part is not None]
    copies: dict[tuple, list[int]] = {}
    for k, rows in enumerate(zip(*parts, strict=True)):
        # Images of other sizes may have the same bytes.
        key = (*(row.tobytes() for row in rows), *(np.shape(row) for row in rows))
        copies.setdefault(key, []).append(k)
    groups = [copies[key] for key in sorted(copies)]
    weight = [math.fsum(samples.weight[group]) for group in groups]
    first = samples.take(np.array([group[0] for group in groups]))
    return replace(first, weight=np.array(weight))


def make_rng(random_state):
    """Return a Generator seeded from what scikit-learn calls a random state.

    A RandomState or Generator, or for None NumPy's global state, gives the seed and
    moves on.
    """
    if isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state.integers(2**63))
    return np.random.default_rng(check_random_state(random_state).randint(2**31))
