"""What the estimators of tables share: rows of numbers in, in no order."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..models.inputs import TableInput, rows_as_sequences
from ._base import TrainedEstimator
from ._data import held_out


class TableEstimator(TrainedEstimator):
    """A network of rows behind scikit-learn's interface."""

    dtype: str

    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None,
        sample_weight_val=None,
    ):  # fmt: skip
        """Fit the network to rows and targets.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Training rows. Columns of very unequal size are learnt slowly: scale them,
            as `sklearn.preprocessing.StandardScaler` does.
        y : array-like of shape (n,) or (n, n_outputs)
            Their targets.
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
        On DivergenceError and on KeyboardInterrupt (Ctrl-C) the estimator keeps the
        weights of the last finished epoch, or with ``early_stopping`` the best, and can
        predict.
        """
        held = held_out(X_val, y_val, sample_weight=sample_weight_val)
        return self._fit({"X": X, "y": y, "sample_weight": sample_weight}, held)

    def _read_input(self, X, *, reset, allow_empty=False):
        """Return ``X`` as Sequences of the type that the network has or will have."""
        dtype = self.model_.network.config["dtype"] if allow_empty else self.dtype
        table = validate_data(
            self, X, reset=reset, dtype=np.dtype(dtype), order="C",
            ensure_min_samples=0 if allow_empty else 1,
        )  # fmt: skip
        return rows_as_sequences(table)

    def _input(self):
        """How the model reads what the fit has read."""
        return TableInput(self.n_features_in_)

    def predict(self, X):
        """Predict the target of each row.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Rows of as many features as those fitted on.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            Classes or numbers, shaped like the ``y`` fitted on.
        """
        return self._predict("predict", X)
