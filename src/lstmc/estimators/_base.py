"""What every estimator shares: fit, partial_fit, predict, and their results."""

import math
import sys
import warnings
from dataclasses import fields

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from ..levels import make_network
from ..losses import LOSSES
from ..network import plain_zoneout
from ..progress import make_progress
from ..training import History, Samples, Settings, Trainer
from ._data import check_extras, check_sequences, check_weight, make_rng, merge
from ._parameters import Parameters, check_parameters

AUTO_BATCH = 32  # samples; what batch_size="auto" stands for

# What a fitted network keeps, and what concerns its initial weights alone.
ARCHITECTURE = (
    "hidden_size", "cell", "num_layers", "bidirectional", "pooling",
    "output_activation", "proj_size", "num_heads", "block_size", "cell_bias",
    "gradient", "dropout", "variational", "recurrent_dropout", "zoneout",
    "drop_connect", "dtype",
)  # fmt: skip
INITIAL = ("input_initializer", "recurrent_initializer", "forget_bias")


class SequenceEstimator(Parameters):
    """A recurrent network behind scikit-learn's interface.

    A subclass reads targets (`_read_target`, `_encode`), names its loss (`_loss`) or
    makes it (`_make_loss`), and makes its model (`_make_model`).
    """

    t_: int
    loss_curve_: list[float]

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        time=None,
        static=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        time_val=None,
        static_val=None,
    ):
        """Fit the network to sequences and targets.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Training sequences; (n, T) is n univariate series.
        y : array-like of shape (n,) or (n, n_outputs), or list of sequences
            Their targets; sequences of labels for `LSTMTranscriber`.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sample; None weighs all alike. Only ratios matter, except
            beside ``alpha``. A weight of 0 is as if the sample were not there.
        time : list of (T_i,) arrays, array of shape (n, T) or Sequences, default=None
            Time elapsed before each step, at least 0: for a cell that is timed.
        static : array-like of shape (n, n_static_features), default=None
            Static features of each sequence: for a cell that reads them.
        X_val, y_val, sample_weight_val, time_val, static_val : as above, default=None
            Samples to score after each epoch. With ``early_stopping`` they take the
            place of the share that ``validation_fraction`` would set aside.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, ``X``, ``y``, a weight, a time or a static feature is not
            what it may be.
        DivergenceError
            If a loss, gradient or weight became infinite or NaN.

        Notes
        -----
        On DivergenceError and on KeyboardInterrupt (Ctrl-C, heard between
        mini-batches) the estimator keeps the weights of the last finished epoch,
        or with ``early_stopping`` the best, and can predict.
        """
        check_parameters(self)
        first = not (self.warm_start and hasattr(self, "model_"))
        if not first:
            self._check_continued()
        data = self._read(X, y, sample_weight, time, static, reset=first)
        self._check_samples(data)
        validation = None
        if (X_val is None) != (y_val is None):
            raise ValueError("expected both X_val and y_val or neither, got one")
        if X_val is None and not (time_val is None and static_val is None):
            raise ValueError("time_val, static_val: expected None without X_val")
        if X_val is not None:
            validation = self._read(
                X_val, y_val, sample_weight_val, time_val, static_val, reset=False
            )
        rng = make_rng(self.random_state)
        network = self._make_network(rng) if first else self.model_.network.copy()
        if self.early_stopping and validation is None:
            data, validation = self._split(data, rng)
        self.__dict__.pop("_trainer", None)
        samples = 0 if first else self.t_
        trainer = Trainer(network, self._settings(), rng, samples)
        history = self._train(trainer, data, validation, self.max_iter, first)
        if not history.converged and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"Maximum iterations ({self.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _partial_fit(self, X, y, sample_weight, time, static, *, classes=None):
        """Train one epoch; the solver's state lives on in ``_trainer``."""
        check_parameters(self)
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "model_")
        if not first:
            self._check_continued()
        data = self._read(
            X, y, sample_weight, time, static, reset=first, classes=classes
        )
        if not hasattr(self, "_trainer"):
            rng = make_rng(self.random_state)
            network = self._make_network(rng) if first else self.model_.network.copy()
            samples = 0 if first else self.t_
            self._trainer = Trainer(network, self._settings(), rng, samples)
        self._train(self._trainer, data, None, 1, first)
        return self

    def _read(self, X, y, sample_weight, time, static, *, reset, classes=None):
        """Return checked Samples; without those of weight 0."""
        x = check_sequences(self, X, reset=reset, dtype=self.dtype)
        y = self._read_target(y, x, reset=reset, classes=classes)
        weight = self._weigh_targets(x, y, check_weight(sample_weight, len(x)))
        if (weight < 0).any():
            raise ValueError(f"expected weights of at least 0, got {weight.min()}")
        if not weight.any():
            raise ValueError(
                "Sample weights must contain at least one non-zero number, got all "
                "zero."
            )
        samples = Samples(
            x, y, weight, **check_extras(self, x, time, static, reset=reset)
        )
        return samples if weight.all() else samples.take(np.flatnonzero(weight))

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

    def _make_network(self, rng):
        options = {name: getattr(self, name) for name in ARCHITECTURE + INITIAL}
        return make_network(
            self._input_size,
            output_size=self.n_outputs_,
            static_size=self.n_static_features_in_,
            random_state=int(rng.integers(2**31)),
            **options | {"hidden_size": self._sizes()},
        )

    def _sizes(self):
        """Units of each layer and direction; with levels a list."""
        return self.hidden_size

    def _check_continued(self):
        """Raise ValueError if the fitted network is no longer the one wanted."""
        config = self.model_.network.config
        for name in ARCHITECTURE:
            value = self._sizes() if name == "hidden_size" else getattr(self, name)
            if (plain_zoneout(value) if name == "zoneout" else value) != config[name]:
                raise ValueError(
                    f"to go on training, expected {name}={config[name]!r} as fitted, "
                    f"got {value!r}"
                )

    def _settings(self):
        sizes = {"auto": AUTO_BATCH, None: sys.maxsize}
        given = {
            "loss": self._make_loss(),
            "batch_size": sizes.get(self.batch_size, self.batch_size),
            "threads": self._threads(),
        }
        names = {f.name for f in fields(Settings)} - set(given)
        return Settings(**given, **{name: getattr(self, name) for name in names})

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

    def _fitted_input(self, X):
        """Return ``X`` as Sequences for the fitted model."""
        check_is_fitted(self, "model_")
        dtype = self.model_.network.config["dtype"]
        return check_sequences(self, X, reset=False, dtype=dtype, allow_empty=True)

    def _threads(self):
        return 0 if self.n_jobs is None else joblib.effective_n_jobs(self.n_jobs)

    def predict(self, X, *, time=None, static=None):
        """Predict the target of each sequence.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Sequences of as many features as those fitted on.
        time, static
            As in `fit`, for a cell that reads them.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            Classes or numbers, shaped like the ``y`` fitted on.
        """
        return self._predict("predict", X, time, static)

    def _predict(self, method, X, time, static, **options):
        x, threads = self._fitted_input(X), self._threads()
        predict = getattr(self.model_, method)
        return predict(x, time=time, static=static, threads=threads, **options)

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
        model : ClassifierModel, RegressorModel or TranscriberModel
            The model; shared, not copied.

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
        names = set(ARCHITECTURE) & set(cls._get_param_names())
        estimator = cls(**{name: config[name] for name in names})
        estimator.n_features_in_ = model.n_features_in_
        estimator.n_static_features_in_ = config["static_size"]
        estimator.n_outputs_ = config["output_size"]
        estimator._univariate = model.univariate
        estimator._input_size = config["input_size"]
        estimator._adopt(model)
        estimator._publish(model, History(), validated=False, first=True)
        return estimator

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
