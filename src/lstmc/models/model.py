"""Models: what a fit leaves behind; they predict with NumPy alone.

A model never changes: any number of threads may share one.
"""

import numpy as np

from ..layers.extras import checked_extras
from ..layers.stack import registry
from ..levels import LevelNetwork
from ..network import POOLINGS, Network
from ..sequences import as_sequences
from .file import write_model


class Model:
    """A network with what it takes to read data and to name results.

    Parameters
    ----------
    network : Network
        Turns sequences into logits.
    n_features_in : int
        Features per step; with ``univariate``, steps of the 2-D array fitted on.
    univariate : bool
        Whether the fit saw a 2-D array (n, T) of univariate series.
    """

    kind: str
    poolings: tuple[str, ...] = POOLINGS  # that a network of this kind may have

    def __init__(self, network, n_features_in, univariate):
        self.network = network
        self.n_features_in_ = n_features_in
        self.univariate = univariate

    def logits(self, X, *, time=None, static=None, threads=0):
        """Return the network's outputs for ``X``.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            What to predict from; may be empty.
        time : list of (T_i,) arrays, array of shape (n, T) or Sequences, default=None
            Time elapsed before each step, at least 0, for a cell that is timed.
        static : array-like of shape (n, n_static_features), default=None
            Static features of each sequence, for a cell that reads them.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.

        Returns
        -------
        ndarray of float64, shape (n, n_outputs)

        Raises
        ------
        TypeError, ValueError
            If ``X`` is of another kind or has another number of features, or ``time``
            or ``static`` does not go with it and with the cell.
        """
        return self._apply(X, time, static, threads).astype(np.float64)

    def _apply(self, X, time, static, threads):
        """What the network makes of ``X``, checked."""
        wide = getattr(X, "ndim", None) == 2 and self.univariate
        if wide and X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is "
                f"expecting {self.n_features_in_} features as input"
            )
        config = self.network.config
        x = as_sequences(
            X,
            dtype=config["dtype"],
            n_features=config["input_size"],
            allow_empty=True,
        )
        extras = checked_extras(self.network.recurrent, x, time, static)
        return self.network.apply(x, threads=threads, **extras)

    def save(self, path):
        """Write the model to ``path``, atomically; `lstmc.load` reads it."""
        write_model(path, self.kind, *self.to_tensors())

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON."""
        config = {
            "network": self.network.config,
            "n_features_in": self.n_features_in_,
            "univariate": self.univariate,
        }
        return self.network.parameters, config

    @classmethod
    def _network_from(cls, tensors, config):
        """Return the network; nothing is built larger than the tensors are."""
        expected = {"n_features_in": int, "univariate": bool, "network": dict}
        for name, kind in expected.items():
            if type(config[name]) is not kind:
                raise TypeError(f"expected {name} of {kind}, got {config[name]!r}")
        config = config["network"]
        if config["pooling"] not in cls.poolings:
            raise ValueError(
                f"expected a pooling among {cls.poolings}, got {config['pooling']!r}"
            )
        least = fewest_parameters(config)
        found = sum(tensor.size for tensor in tensors.values())
        if not 0 < least <= found:
            raise ValueError(f"expected at least {least} parameters, got {found}")
        levels = type(config["hidden_size"]) is list
        return (LevelNetwork if levels else Network).from_parameters(config, tensors)


def fewest_parameters(config):
    """What a network of this config has at least, and a small multiple at most.

    Computed in exact integers, before anything is allocated.

    Examples
    --------
    >>> from lstmc.network import Network
    >>> fewest_parameters(Network(3, 8, output_size=2, cell="rnn").config)
    104
    """
    if type(config["hidden_size"]) is list:
        return sum(fewest_parameters(level) for level in split_levels(config))
    sizes = {"proj_size": 0, "num_heads": 1, "static_size": 0} | config
    names = ("input_size", "hidden_size", "output_size", "num_layers", "proj_size",
             "num_heads", "static_size")  # fmt: skip
    for name in names:
        if type(sizes[name]) is not int:
            raise TypeError(f"expected {name} of int, got {sizes[name]!r}")
    m, n, outputs, layers, projection, heads, features = (sizes[k] for k in names)
    if min(m, n, outputs, layers, heads) < 1 or min(projection, features) < 0:
        raise ValueError(f"expected sizes of at least 1, got {sizes}")
    facts = registry()[sizes["cell"]][1]
    width = projection or n
    directions = 2 if sizes["bidirectional"] else 1
    recurrent = width // heads if facts["r_blocks"] else 0
    above = width * directions + recurrent + features
    per_unit = m + recurrent + features + (layers - 1) * above
    return directions * n * per_unit + outputs * width * directions


def split_levels(config):
    """The config of each level of a LevelNetwork, from the lowest.

    Examples
    --------
    >>> sizes = {"input_size": 3, "hidden_size": [8, 4], "output_size": [6, 2]}
    >>> split_levels(sizes)[1]
    {'input_size': 6, 'hidden_size': 4, 'output_size': 2}
    """
    units, outputs = config["hidden_size"], config["output_size"]
    if type(outputs) is not list or len(outputs) != len(units):
        raise TypeError(f"expected a list of {len(units)} outputs, got {outputs!r}")
    inputs = [config["input_size"], *outputs]
    return [
        config | {"input_size": m, "hidden_size": n, "output_size": o}
        for m, n, o in zip(inputs, units, outputs)
    ]


def classes_to_json(classes):
    """Return classes as JSON keeps them, or raise TypeError."""
    text = all(isinstance(c, str) for c in classes.tolist())
    if classes.dtype.kind not in "biuf" and not text:
        raise TypeError(
            f"classes: expected numbers or strings to save, got {classes.dtype}"
        )
    return {"classes": classes.tolist(), "classes_dtype": classes.dtype.str}


def classes_from_json(config):
    """Return the classes that `classes_to_json` took apart, or raise."""
    dtype = np.dtype(config["classes_dtype"])
    if dtype.kind not in "biufUO" or (dtype.kind == "U" and dtype.itemsize > 4096):
        raise ValueError(f"expected classes of numbers or strings, got {dtype}")
    return np.array(config["classes"], dtype)


class ClassifierModel(Model):
    """Turns sequences into classes and their probabilities.

    Parameters
    ----------
    network, n_features_in, univariate
        As in `Model`. One logit for two classes, one per class or label otherwise.
    classes : ndarray of shape (n_classes,)
        The classes in the order of the outputs.
    multilabel : bool
        Whether each output is a label of its own.
    """

    kind = "classifier"

    def __init__(self, network, n_features_in, univariate, classes, multilabel):
        super().__init__(network, n_features_in, univariate)
        self.classes_ = classes
        self.multilabel = multilabel

    @property
    def binary(self):
        """Whether one logit tells two classes apart."""
        return not self.multilabel and len(self.classes_) == 2

    def decision_function(self, X, *, time=None, static=None, threads=0):
        """Return the logits: (n,) for two classes, else (n, n_classes)."""
        logits = self.logits(X, time=time, static=static, threads=threads)
        return logits[:, 0] if self.binary else logits

    def predict_log_proba(self, X, *, time=None, static=None, threads=0):
        """Return the logarithm of `predict_proba`, without underflow."""
        logits = self.logits(X, time=time, static=static, threads=threads)
        if self.multilabel:
            return -np.logaddexp(0, -logits)
        if self.binary:
            return -np.logaddexp(0, np.hstack([logits, -logits]))
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def predict_proba(self, X, *, time=None, static=None, threads=0):
        """Return the probability of each class, or of each label: (n, n_classes)."""
        return np.exp(
            self.predict_log_proba(X, time=time, static=static, threads=threads)
        )

    def predict(self, X, *, time=None, static=None, threads=0):
        """Return the likeliest class (n,), or the labels as 0 and 1 (n, n_classes)."""
        logits = self.logits(X, time=time, static=static, threads=threads)
        if self.multilabel:
            return (logits > 0).astype(np.intp)
        if self.binary:
            return self.classes_[(logits[:, 0] > 0).astype(np.intp)]
        return self.classes_[logits.argmax(axis=1)]

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON.

        Raises
        ------
        TypeError
            If the classes are neither numbers nor strings.
        """
        tensors, config = super().to_tensors()
        config |= classes_to_json(self.classes_)
        return tensors, config | {"multilabel": self.multilabel}

    @classmethod
    def from_tensors(cls, tensors, config):
        """Return the model that `to_tensors` took apart."""
        classes = classes_from_json(config)
        network = cls._network_from(tensors, config)
        model = cls(
            network, config["n_features_in"], config["univariate"], classes,
            config["multilabel"],
        )  # fmt: skip
        outputs = 1 if model.binary else len(classes)
        if network.config["output_size"] != outputs:
            raise ValueError(f"expected {outputs} outputs, got {network.config}")
        return model


class RegressorModel(Model):
    """Turns sequences into numbers.

    Parameters
    ----------
    network, n_features_in, univariate
        As in `Model`. One logit per target, in standard units.
    mean, scale : ndarray of shape (n_outputs,)
        Bring the logits to the units of the targets.
    single : bool
        Whether `predict` returns (n,) in place of (n, 1).
    """

    kind = "regressor"

    def __init__(self, network, n_features_in, univariate, mean, scale, single):
        super().__init__(network, n_features_in, univariate)
        self.mean, self.scale, self.single = mean, scale, single

    def predict(self, X, *, time=None, static=None, threads=0):
        """Return the targets: (n,) or (n, n_outputs), as the fit saw them."""
        logits = self.logits(X, time=time, static=static, threads=threads)
        y = logits * self.scale + self.mean
        return y[:, 0] if self.single else y

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON."""
        tensors, config = super().to_tensors()
        scaling = {"target.mean": self.mean, "target.scale": self.scale}
        return tensors | scaling, config | {"single": self.single}

    @classmethod
    def from_tensors(cls, tensors, config):
        """Return the model that `to_tensors` took apart."""
        tensors = dict(tensors)
        mean, scale = tensors.pop("target.mean"), tensors.pop("target.scale")
        network = cls._network_from(tensors, config)
        outputs = (network.config["output_size"],)
        if mean.shape != outputs or scale.shape != outputs:
            raise ValueError(f"expected scaling of shape {outputs}, got {mean.shape}")
        return cls(
            network, config["n_features_in"], config["univariate"], mean, scale,
            config["single"],
        )  # fmt: skip
