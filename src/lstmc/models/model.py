"""Models: what a fit leaves behind; they predict with NumPy alone.

A model never changes: any number of threads may share one.
"""

import numpy as np

from .file import write_model
from .inputs import INPUTS, SequenceInput, checked
from .origins import network_from


class Model:
    """A network with what it takes to read data and to name results.

    Parameters
    ----------
    network : object
        Turns sequences into logits.
    input : SequenceInput or another of `inputs.INPUTS`
        Reads data.
    """

    kind: str
    by_step = False  # whether each step has logits of its own

    def __init__(self, network, input):
        self.network = network
        self.input = input

    @property
    def n_features_in_(self):
        """Features that the fit saw."""
        return self.input.n_features_in_

    def logits(self, X, *, threads=0, **extras):
        """Return the network's outputs for ``X``.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            What to predict from; may be empty. What a model of another input reads,
            its estimator says.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        **extras
            For some cells: ``time``, a list of (T_i,) arrays, the time elapsed before
            each step, and ``static``, an array (n, n_static_features).

        Returns
        -------
        ndarray of float64, shape (n, n_outputs)

        Raises
        ------
        TypeError, ValueError
            If ``X`` is of another kind or has another number of features, or an extra
            does not go with it.
        """
        return self._apply(X, threads, **extras).astype(np.float64)

    def _apply(self, X, threads, **extras):
        """What the network makes of ``X``, checked."""
        x, extras = self.input.read(X, self.network, **extras)
        return self.network.apply(x, threads=threads, **extras)

    def save(self, path):
        """Write the model to ``path``, atomically; `lstmc.load` reads it."""
        write_model(path, self.kind, *self.to_tensors())

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON."""
        config = {"network": self.network.config, "input": self.input.kind}
        return self.network.parameters, config | self.input.to_json()

    @classmethod
    def _parts_from(cls, tensors, config):
        """Return the network and the input; none is larger than the tensors."""
        config = {"input": SequenceInput.kind} | config
        parts = checked(config, network=dict, input=str)
        reader = INPUTS[parts["input"]].from_json(config)
        return network_from(parts["network"], tensors, cls.by_step), reader


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
    network, input
        As in `Model`. One logit for two classes, one per class or label otherwise.
    classes : ndarray of shape (n_classes,)
        The classes in the order of the outputs.
    multilabel : bool
        Whether each output is a label of its own.
    """

    kind = "classifier"

    def __init__(self, network, input, classes, multilabel):
        super().__init__(network, input)
        self.classes_ = classes
        self.multilabel = multilabel

    @property
    def binary(self):
        """Whether one logit tells two classes apart."""
        return not self.multilabel and len(self.classes_) == 2

    def decision_function(self, X, *, threads=0, **extras):
        """Return the logits: (n,) for two classes, else (n, n_classes)."""
        logits = self.logits(X, threads=threads, **extras)
        return logits[:, 0] if self.binary else logits

    def predict_log_proba(self, X, *, threads=0, **extras):
        """Return the logarithm of `predict_proba`, without underflow."""
        logits = self.logits(X, threads=threads, **extras)
        if self.multilabel:
            return -np.logaddexp(0, -logits)
        if self.binary:
            return -np.logaddexp(0, np.hstack([logits, -logits]))
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def predict_proba(self, X, *, threads=0, **extras):
        """Return the probability of each class, or of each label: (n, n_classes)."""
        return np.exp(self.predict_log_proba(X, threads=threads, **extras))

    def predict(self, X, *, threads=0, **extras):
        """Return the likeliest class (n,), or the labels as 0 and 1 (n, n_classes)."""
        logits = self.logits(X, threads=threads, **extras)
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
        network, reader = cls._parts_from(tensors, config)
        model = cls(network, reader, classes, config["multilabel"])
        outputs = 1 if model.binary else len(classes)
        if network.config["output_size"] != outputs:
            raise ValueError(f"expected {outputs} outputs, got {network.config}")
        return model


class RegressorModel(Model):
    """Turns sequences into numbers.

    Parameters
    ----------
    network, input
        As in `Model`. One logit per target, in standard units.
    mean, scale : ndarray of shape (n_outputs,)
        Bring the logits to the units of the targets.
    single : bool
        Whether `predict` returns (n,) in place of (n, 1).
    """

    kind = "regressor"

    def __init__(self, network, input, mean, scale, single):
        super().__init__(network, input)
        self.mean, self.scale, self.single = mean, scale, single

    def predict(self, X, *, threads=0, **extras):
        """Return the targets: (n,) or (n, n_outputs), as the fit saw them."""
        logits = self.logits(X, threads=threads, **extras)
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
        network, reader = cls._parts_from(tensors, config)
        outputs = (network.config["output_size"],)
        if mean.shape != outputs or scale.shape != outputs:
            raise ValueError(f"expected scaling of shape {outputs}, got {mean.shape}")
        return cls(network, reader, mean, scale, config["single"])
