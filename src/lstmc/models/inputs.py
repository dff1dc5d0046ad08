"""Inputs: what a model reads, and how it becomes the Sequences that networks take."""

import numpy as np

from .._array_door import clean, real_array
from ..images import as_images
from ..layers.extras import checked_extras
from ..sequences import Sequences, as_sequences


class SeriesInput:
    """Sequences, and nothing beside them.

    Parameters
    ----------
    n_features_in : int
        Features per step; with ``univariate``, steps of the 2-D array fitted on.
    univariate : bool
        Whether the fit saw a 2-D array (n, T) of univariate series.
    """

    kind = "series"

    def __init__(self, n_features_in, univariate):
        self.n_features_in_ = n_features_in
        self.univariate = univariate

    def read(self, X, network):
        """Return ``X`` as Sequences of the network's type, and no keywords.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is of another kind or has another number of features.
        """
        wide = getattr(X, "ndim", None) == 2 and self.univariate
        if wide and X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but the model is expecting "
                f"{self.n_features_in_} features as input"
            )
        config = network.config
        x = as_sequences(
            X, dtype=config["dtype"], n_features=config["input_size"], allow_empty=True
        )
        return x, {}

    def to_json(self):
        """Return what `from_json` takes."""
        return {"n_features_in": self.n_features_in_, "univariate": self.univariate}

    @classmethod
    def from_json(cls, config):
        """Return the input that `to_json` took apart, or raise."""
        return cls(**checked(config, n_features_in=int, univariate=bool))


class SequenceInput(SeriesInput):
    """Sequences, with times and static features where a cell reads them."""

    kind = "sequences"

    def read(self, X, network, *, time=None, static=None):
        """Return ``X`` as Sequences of the network's type, and keywords of its `apply`.

        Raises
        ------
        TypeError, ValueError
            Also if ``time`` or ``static`` does not go with ``X`` and with the cell.
        """
        x, _ = super().read(X, network)
        return x, checked_extras(network.recurrent, x, time, static)


class TableInput:
    """Tables: rows of numbers, each of which is a sequence of one step.

    Parameters
    ----------
    n_features_in : int
        Columns.
    """

    kind = "table"

    def __init__(self, n_features_in):
        self.n_features_in_ = n_features_in

    def read(self, X, network):
        """Return ``X`` as Sequences of the network's type, and no keywords.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is no table of finite numbers, or has another number of columns.
        """
        if isinstance(X, Sequences) and (X.lengths == 1).all():
            X = X.values
        table = real_array(X, "X")
        if table.ndim != 2 or table.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X: expected shape (n, {self.n_features_in_}), got {table.shape}"
            )
        table = clean(table, np.dtype(network.config["dtype"]))
        if not np.isfinite(table).all():
            raise ValueError("X: expected finite values, got NaN or infinity")
        return rows_as_sequences(table), {}

    def to_json(self):
        """Return what `from_json` takes."""
        return {"n_features_in": self.n_features_in_}

    @classmethod
    def from_json(cls, config):
        """Return the input that `to_json` took apart, or raise."""
        return cls(**checked(config, n_features_in=int))


class ImageInput:
    """Images of any sizes.

    Parameters
    ----------
    n_features_in : int
        Channels.
    """

    kind = "images"

    def __init__(self, n_features_in):
        self.n_features_in_ = n_features_in

    def read(self, X, network):
        """Return ``X`` as Images of the network's type, and no keywords.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is of another kind, or of other dimensions or channels.
        """
        config = network.config
        x = as_images(
            X, ndim=config["ndim"], dtype=config["dtype"],
            n_features=config["input_size"], allow_empty=True,
        )  # fmt: skip
        return x, {}

    def to_json(self):
        """Return what `from_json` takes."""
        return {"n_features_in": self.n_features_in_}

    @classmethod
    def from_json(cls, config):
        """Return the input that `to_json` took apart, or raise."""
        return cls(**checked(config, n_features_in=int))


def rows_as_sequences(table):
    """Return a table (n, features) as n sequences of one step.

    Examples
    --------
    >>> rows_as_sequences(np.zeros((3, 2)))
    Sequences(3 sequences, 1 to 1 steps, 2 features, float64)
    """
    return Sequences(table, np.arange(len(table) + 1, dtype=np.intp))


def checked(config, **kinds):
    """Return the entries of these names, if each is of its kind; else TypeError."""
    for name, kind in kinds.items():
        if type(config[name]) is not kind:
            raise TypeError(f"expected {name} of {kind}, got {config[name]!r}")
    return {name: config[name] for name in kinds}


# By the "input" of a model's config.
INPUTS = {
    reader.kind: reader
    for reader in (SequenceInput, SeriesInput, TableInput, ImageInput)
}
