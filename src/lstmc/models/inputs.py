"""Inputs: what a model reads, and how it becomes the Sequences that networks take."""

from ..layers.extras import checked_extras
from ..sequences import as_sequences


class SequenceInput:
    """Sequences, with times and static features where a cell reads them.

    Parameters
    ----------
    n_features_in : int
        Features per step; with ``univariate``, steps of the 2-D array fitted on.
    univariate : bool
        Whether the fit saw a 2-D array (n, T) of univariate series.
    """

    kind = "sequences"

    def __init__(self, n_features_in, univariate):
        self.n_features_in_ = n_features_in
        self.univariate = univariate

    def read(self, X, network, *, time=None, static=None):
        """Return ``X`` as Sequences of the network's type, and keywords of its `apply`.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is of another kind or has another number of features, or ``time``
            or ``static`` does not go with it and with the cell.
        """
        x = self._sequences(X, network)
        return x, checked_extras(network.recurrent, x, time, static)

    def _sequences(self, X, network):
        wide = getattr(X, "ndim", None) == 2 and self.univariate
        if wide and X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but the model is expecting "
                f"{self.n_features_in_} features as input"
            )
        config = network.config
        return as_sequences(
            X, dtype=config["dtype"], n_features=config["input_size"], allow_empty=True
        )

    def to_json(self):
        """Return what `from_json` takes."""
        return {"n_features_in": self.n_features_in_, "univariate": self.univariate}

    @classmethod
    def from_json(cls, config):
        """Return the input that `to_json` took apart, or raise."""
        return cls(**checked(config, n_features_in=int, univariate=bool))


class SeriesInput(SequenceInput):
    """Sequences, and nothing beside them."""

    kind = "series"

    def read(self, X, network):
        """Return ``X`` as Sequences of the network's type, and no keywords."""
        return self._sequences(X, network), {}


def checked(config, **kinds):
    """Return the entries of these names, if each is of its kind; else TypeError."""
    for name, kind in kinds.items():
        if type(config[name]) is not kind:
            raise TypeError(f"expected {name} of {kind}, got {config[name]!r}")
    return {name: config[name] for name in kinds}


# By the "input" of a model's config.
INPUTS = {reader.kind: reader for reader in (SequenceInput, SeriesInput)}
