"""What every estimator shares: the fit of a network in batches, and its results."""

import math
import sys
import warnings
from dataclasses import MISSING, fields

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from ..losses import LOSSES
from ..progress import make_progress
from ..training import History, Samples, Settings, Trainer
from ._data import check_weight, make_rng, merge
from ._parameters import check_parameters

AUTO_BATCH = 32  # samples; what batch_size="auto" stands for


class TrainedEstimator(BaseEstimator):
    """A network behind scikit-learn's interface, whatever it consists of.

    A subclass takes its parameters, those of `training.Settings` among them. It reads
    data (`_read_input`, `_read_extras`) and targets (`_read_target`, `_encode`), names
    its loss (`_loss`) or makes it (`_make_loss`), and makes its network
    (`_make_network`) and its model (`_make_model`).
    """

    # Parameters that a fitted network keeps in its config, by the same names.
    _architecture: tuple[str, ...]
    t_: int
    loss_curve_: list[float]

    def _fit(self, given, validation):
        """Fit to what `_read` makes of the arguments ``given``.

        ``validation``: the same of samples to score after each epoch, or None.
        """
        self._check_parameters()
        first = not (self.warm_start and hasattr(self, "model_"))
        if not first:
            self._check_continued()
        data = self._read(**given, reset=first)
        self._check_samples(data)
        held = None if validation is None else self._read(**validation, reset=False)
        rng = make_rng(self.random_state)
        network = self._make_network(rng) if first else self.model_.network.copy()
        if self.early_stopping and held is None:
            data, held = self._split(data, rng)
        self.__dict__.pop("_trainer", None)
        samples = 0 if first else self.t_
        trainer = Trainer(network, self._settings(), rng, samples)
        history = self._train(trainer, data, held, self.max_iter, first)
        # With inf there is nothing that would have to come about before the end.
        stops = self.n_iter_no_change < np.inf
        if stops and not history.converged and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"Maximum iterations ({self.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _partial_fit(self, given, *, classes=None):
        """Train one epoch; the solver's state lives on in ``_trainer``."""
        self._check_parameters()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "model_")
        if not first:
            self._check_continued()
        data = self._read(**given, reset=first, classes=classes)
        if not hasattr(self, "_trainer"):
            rng = make_rng(self.random_state)
            network = self._make_network(rng) if first else self.model_.network.copy()
            samples = 0 if first else self.t_
            self._trainer = Trainer(network, self._settings(), rng, samples)
        self._train(self._trainer, data, None, 1, first)
        return self

    def _check_parameters(self):
        """Raise ValueError for parameters that are not what they may be."""
        check_parameters(self)

    def _read(self, X, y, sample_weight, *, reset, classes=None, **extras):
        """Return checked Samples; without those of weight 0."""
        x = self._read_input(X, reset=reset)
        y = self._read_target(y, x, reset=reset, classes=classes)
        weight = self._weigh_targets(x, y, check_weight(sample_weight, len(x)))
        if (weight < 0).any():
            raise ValueError(f"expected weights of at least 0, got {weight.min()}")
        if not weight.any():
            raise ValueError(
                "Sample weights must contain at least one non-zero number, got all "
                "zero."
            )
        samples = Samples(x, y, weight, **self._read_extras(x, extras, reset=reset))
        return samples if weight.all() else samples.take(np.flatnonzero(weight))

    def _read_extras(self, x, extras, *, reset):
        """Return what `Samples` keep beside x, y and weights: keywords."""
        return extras

    def _weigh_targets(self, x, y, weight):
        return weight

    def _check_samples(self, data):
        """Raise where nothing can be learnt from the samples."""

    def _split(self, data, rng):
        """Set ``validation_fraction`` of the samples aside."""
        train, held = train_test_split(
            np.arange(len(data)),
            test_size=self.validation_fraction,
            random_state=int(rng.integers(2**31)),
            stratify=self._strata(data.target),
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or "
                "the size of your dataset."
            )
        return data.take(train), data.take(held)

    def _strata(self, target):
        return None

    def _configured(self, name):
        """A parameter as the config of a network has it."""
        return getattr(self, name)

    def _check_continued(self):
        """Raise ValueError if the fitted network is no longer the one wanted."""
        config = self.model_.network.config
        for name in self._architecture:
            if self._configured(name) != config[name]:
                raise ValueError(
                    f"to go on training, expected {name}={config[name]!r} as fitted, "
                    f"got {getattr(self, name)!r}"
                )

    def _settings(self):
        sizes = {"auto": AUTO_BATCH, None: sys.maxsize}
        settings = {
            "loss": self._make_loss(),
            "batch_size": sizes.get(self.batch_size, self.batch_size),
            "threads": self._threads(),
        }
        for field in fields(Settings):
            if field.name not in settings and (
                hasattr(self, field.name) or field.default is MISSING
            ):
                settings[field.name] = getattr(self, field.name)
        return Settings(**settings)

    def _make_loss(self):
        return LOSSES[self._loss()]

    def _train(self, trainer, data, validation, epochs, first):
        """Run the trainer and publish what came of it, however it ends."""
        size = trainer.settings.batch_size
        if len(data) <= size:
            data = merge(data)
        if first:
            self._learn_scale(data)
        scale = data.weight.mean()
        history = History()
        try:
            batches = math.ceil(len(data) / size)
            with make_progress(self.verbose, epochs, batches) as progress:
                trainer.run(
                    self._encode(data),
                    None if validation is None else self._encode(validation),
                    epochs=epochs,
                    weight_scale=scale,
                    progress=progress,
                    history=history,
                )
        finally:
            network = trainer.network
            if hasattr(self, "_trainer"):  # which goes on with its own
                network = network.copy()
            model = self._make_model(network)
            self._publish(model, history, validation is not None, first)
        return history

    def _learn_scale(self, data):
        """Learn from the training samples how to bring targets to the network."""

    def _publish(self, model, history, validated, first):
        self.model_ = model
        self.out_activation_ = self._out_activation()
        self.n_iter_ = len(history.loss_curve)
        self.t_ = history.samples + (0 if first else self.t_)
        self.loss_curve_ = ([] if first else self.loss_curve_) + history.loss_curve
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        self.best_loss_ = None
        if not self.early_stopping:
            self.best_loss_ = min(self.loss_curve_, default=np.inf)
        self.validation_scores_ = self.validation_loss_curve_ = None
        self.best_validation_score_ = None
        if validated:
            self.validation_scores_ = history.validation_scores
            self.validation_loss_curve_ = history.validation_loss_curve
            self.best_validation_score_ = max(self.validation_scores_, default=-np.inf)

    def _threads(self):
        return 0 if self.n_jobs is None else joblib.effective_n_jobs(self.n_jobs)

    def _predict(self, method, X, **options):
        """What a method of the model answers of the checked ``X``."""
        check_is_fitted(self, "model_")
        x = self._read_input(X, reset=False, allow_empty=True)
        return getattr(self.model_, method)(x, threads=self._threads(), **options)

    def save(self, path):
        """Write the fitted model to one safetensors file, atomically.

        `lstmc.load` gives a model that predicts with NumPy alone, and `from_model`
        makes an estimator of it.

        Parameters
        ----------
        path : str or os.PathLike
            Where to write; an older file is replaced.
        """
        check_is_fitted(self, "model_")
        self.model_.save(path)

    @classmethod
    def from_model(cls, model):
        """Return a fitted estimator for a model that `lstmc.load` returned.

        Parameters
        ----------
        model : object
            The model, of the kind that this estimator's ``model_`` has; shared, not
            copied.

        Returns
        -------
        estimator
            With the model's architecture; the parameters that concern training
            have their defaults.

        Raises
        ------
        TypeError
            If the model is not of this estimator's kind.
        """
        if not isinstance(model, cls._model_type):
            raise TypeError(
                f"expected a {cls._model_type.__name__}, got {type(model).__name__}"
            )
        config = model.network.config
        names = set(cls._architecture) & set(cls._get_param_names())
        estimator = cls(**{name: config[name] for name in names})
        estimator.n_features_in_ = model.n_features_in_
        estimator.n_outputs_ = config["output_size"]
        estimator._adopt_input(model)
        estimator._adopt(model)
        estimator._publish(model, History(), validated=False, first=True)
        return estimator

    def _adopt_input(self, model):
        """Learn from a model what `_read_input` and `_read_extras` learn from data."""

    def _adopt(self, model):
        """Learn from a model what `_read_target` learns from data."""
