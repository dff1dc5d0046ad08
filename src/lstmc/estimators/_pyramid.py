"""What the estimators of images share: pictures or volumes in, a pyramid behind."""

from numbers import Integral, Real

import numpy as np

from ..images import as_images
from ..models.inputs import ImageInput
from ..networks.pyramid import POOLINGS, Pyramid, check_sizes
from ._base import TrainedEstimator
from ._data import check_partial, held_out
from ._parameters import RULES, Rule, check_parameters

# What a fitted network keeps, and what concerns its initial weights alone.
ARCHITECTURE = (
    "hidden_size", "block_size", "feedforward_size", "ndim", "pooling", "dropout",
    "dtype",
)  # fmt: skip
INITIAL = ("input_initializer", "recurrent_initializer", "forget_bias")

ANYTHING = Rule(lambda value: True, "checked together")


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


class ImageEstimator(TrainedEstimator):
    """A pyramid of multidimensional LSTM layers behind scikit-learn's interface."""

    _architecture = ARCHITECTURE
    n_features_in_: int
    _rules = {
        # `check_sizes` says what is wrong with these, which belong together.
        **dict.fromkeys(("hidden_size", "block_size"), ANYTHING),
        "ndim": Rule(lambda v: isinstance(v, Integral) and v in (2, 3), "2 or 3"),
        "pooling": Rule(lambda v: v in POOLINGS, f"a str among {sorted(POOLINGS)}"),
        "forget_bias": Rule(
            lambda v: v is None or (_is_number(v) and np.isfinite(v)),
            "None or " + RULES["label_bonus"].wanted,
        ),
    }

    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None,
        sample_weight_val=None,
    ):  # fmt: skip
        """Fit the network to images and targets.

        Parameters
        ----------
        X : list of n arrays, array of shape (n, *size[, C]), or Images
            Training images: each (*size, C), or (*size) with one channel; the sizes of
            those in a list may differ.
        y : array-like of shape (n,), or list of n sequences of labels
            Their targets; sequences of labels for `MDLSTMTranscriber`.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sample; None weighs all alike. Only ratios matter, except
            beside ``alpha``. A weight of 0 is as if the sample were not there.
        X_val, y_val, sample_weight_val : as above, default=None
            Samples to score after each epoch. With ``early_stopping`` they take the
            place of the share that ``validation_fraction`` would set aside.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, ``X``, ``y`` or a weight is not what it may be.
        DivergenceError
            If a loss, gradient or weight became infinite or NaN.

        Notes
        -----
        On DivergenceError and on KeyboardInterrupt the estimator keeps the weights of
        the last finished epoch, or with ``early_stopping`` the best, and can predict.
        """
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        held = held_out(X_val, y_val, sample_weight=sample_weight_val)
        return self._fit(given, held)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on these samples, and keep the solver's state.

        As many calls on the same samples give the same bits as one ``fit`` of so
        many epochs. Parameters that concern the solver are read at the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like, default=None
            All classes, or labels, there will ever be; needed at the first call only.

        Returns
        -------
        self : object
        """
        check_partial(self, classes)
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        return self._partial_fit(given, classes=classes)

    def _check_parameters(self):
        check_parameters(self)
        self._sizes()

    def _sizes(self):
        """Sizes of all layers, as the config of a network has them."""
        return check_sizes(
            self.hidden_size, self.block_size, self.feedforward_size, self.ndim
        )

    def _configured(self, name):
        sizes = self._sizes()
        return sizes[name] if name in sizes else getattr(self, name)

    def _read_input(self, X, *, reset, allow_empty=False):
        """Return ``X`` as Images of the type that the network has or will have."""
        dtype = self.model_.network.config["dtype"] if allow_empty else self.dtype
        x = as_images(
            X, ndim=self.ndim, dtype=dtype, allow_empty=allow_empty,
            n_features=None if reset else self.n_features_in_,
        )  # fmt: skip
        if reset:
            self.n_features_in_ = x.n_features
        return x

    def _input(self):
        """How the model reads what the fit has read."""
        return ImageInput(self.n_features_in_)

    def _make_network(self, rng):
        options = {name: getattr(self, name) for name in ARCHITECTURE + INITIAL}
        return Pyramid(
            self.n_features_in_, output_size=self.n_outputs_,
            random_state=int(rng.integers(2**31)), **options,
        )  # fmt: skip
