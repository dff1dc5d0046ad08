"""LSTMFCNClassifier: series in, classes out, by convolutions beside an LSTM."""

import numpy as np

from ..models.inputs import SeriesInput
from ..networks.lstm_fcn import LSTMFCN, check_architecture
from ._base import TrainedEstimator
from ._classes import ClassAnswers, ClassTargets
from ._data import check_partial, check_sequences, held_out
from ._parameters import (
    BOOL,
    RULES,
    check_parameters,
    integer_rule,
    keep,
    option_rule,
    real_rule,
    sizes_rule,
)

# What a fitted network keeps.
ARCHITECTURE = (
    "hidden_size", "filters", "kernel_sizes", "cell", "attention", "dimension_shuffle",
    "dropout", "norm_momentum", "norm_epsilon", "dtype",
)  # fmt: skip


class LSTMFCNClassifier(ClassAnswers, ClassTargets, TrainedEstimator):
    """Classifier of series by LSTM-FCN or ALSTM-FCN [1]_.

    Two branches read the same sequence: convolutions, each with batch normalization and
    ReLU, averaged over the sequence's own steps; and an LSTM, with dropout. A linear
    layer turns both into classes. The defaults are those of the published code [2]_,
    the training included.

    Parameters
    ----------
    hidden_size : int, default=128
        Units of the LSTM; the paper tries 8, 64 and 128.
    filters : tuple of int, default=(128, 256, 128)
        Channels of each convolution.
    kernel_sizes : tuple of int, default=(8, 5, 3)
        Steps that each of them sees.
    cell : str, default="lstm"
        Name of a cell; `lstmc.cells` lists them. None that reads times or static
        features.
    attention : bool, default=False
        Whether the LSTM attends to all steps: ALSTM-FCN. See `layers.AttentionLSTM`.
    dimension_shuffle : bool, default=True
        Whether the LSTM sees the series turned over, as in the paper: each of the F
        features is one step, whose inputs are the values of all T steps; a univariate
        series is a single step. With False it reads the series step by step.
    dropout : float, default=0.8
        Share of the LSTM's outputs, in [0, 1), dropped while fitting.
    norm_momentum : float, default=0.99
        Share of the running averages that a batch leaves; see `layers.BatchNorm`.
    norm_epsilon : float, default=1e-3
        Added to the variances.
    solver : {"adam", "sgd"}, default="adam"
        How weights follow the gradient.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but biases and normalizations.
    batch_size : int, "auto" or None, default=128
        Sequences per step of the solver; "auto" is 32, None is all of them. Once it
        covers all samples, equal samples are merged and their order is immaterial.
    learning_rate : {"plateau", "constant", "invscaling", "adaptive"}, \
default="plateau"
        Schedule. "plateau" multiplies by ``plateau_factor`` each time that
        ``plateau_patience`` epochs in a row did not better the training loss by 1e-4,
        down to ``plateau_min``. The others are those of `LSTMClassifier`.
    learning_rate_init : float, default=0.001
        Learning rate at the start.
    plateau_factor : float, default=2 ** (-1 / 3)
        Of "plateau", in (0, 1).
    plateau_patience : int, default=100
        Of "plateau".
    plateau_min : float, default=1e-4
        Of "plateau".
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=2000
        The most epochs to train.
    shuffle : bool, default=True
        Whether to draw new mini-batches in each epoch.
    random_state : int, RandomState, Generator or None, default=None
        Source of initial weights, batches, dropout and the validation split. The same
        int gives the same bits, for any number of threads.
    tol : float, default=1e-4
        An epoch that does not better the loss (with ``early_stopping`` the score)
        by this much counts as idle.
    verbose : int, default=0
        1 draws a progress bar through rich (lines where rich is not installed);
        2 prints a line per epoch.
    warm_start : bool, default=False
        Whether another call of ``fit`` starts from the weights of the last one.
    keep_best : bool, default=True
        Whether the weights of the epoch with the least training loss stay, not those
        of the last.
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop once the score on held-out samples stays idle, and to restore
        the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the samples that ``early_stopping`` holds out, stratified by class,
        unless ``fit`` is given ``X_val`` and ``y_val``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the moments of "adam".
    epsilon : float, default=1e-8
        Added to the denominator of "adam".
    n_iter_no_change : int or inf, default=inf
        Idle epochs in a row that are put up with.
    max_grad_norm : float or None, default=None
        Gradients longer than this are scaled down to it; None never.
    class_weight : dict, "balanced" or None, default="balanced"
        Factor on the weight of each class's samples; "balanced" makes all classes
        weigh the same.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    n_jobs : int or None, default=None
        Threads; None leaves the choice to the library, -1 takes all. Results do
        not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; for labels, their numbers.
    n_features_in_ : int
        Features per step; after a fit on a 2-D array, its number of columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Column names, after a fit on a 2-D frame.
    n_outputs_, out_activation_, n_iter_, t_, loss_, best_loss_, loss_curve_, \
validation_scores_, validation_loss_curve_, best_validation_score_
        As of `LSTMClassifier`.
    model_ : ClassifierModel
        What predicts; immutable, and independent of scikit-learn.

    Notes
    -----
    Sequences may have different lengths. Nothing is padded for the convolutions: each
    sequence meets zeros at its own ends and has the mean over its own steps. Under the
    dimension shuffle the LSTM has as many inputs as the longest sequence of the first
    fit has steps; a shorter one has zeros for the steps it lacks, and of a longer one,
    met later, it sees those first steps while the convolutions see all.

    While fitting, normalizations use the mean and variance of the mini-batch, so a
    sample's gradient depends on its company. Predictions do not: they use running
    averages, which belong to the weights, and have the same bits in any company. With
    "balanced" class weights `partial_fit` has no totals to balance by: give a dict.

    Series should come standardised, each to mean 0 and variance 1, as in the paper.

    References
    ----------
    .. [1] Karim, Majumdar, Darabi, Chen: LSTM Fully Convolutional Networks for Time
       Series Classification. IEEE Access 6, 2018.
    .. [2] https://github.com/titu1994/LSTM-FCN

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import LSTMFCNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=steps) for steps in rng.integers(20, 30, 24)]
    >>> y = np.arange(24) % 2
    >>> for x in X[::2]:
    ...     x[5:8] += 4
    >>> est = LSTMFCNClassifier(8, filters=(8, 8), kernel_sizes=(5, 3), max_iter=60,
    ...                         random_state=0)
    >>> est.fit(X, y).score(X, y) > 0.9
    True
    """

    _architecture = ARCHITECTURE
    _rules = RULES | {
        "filters": sizes_rule(),
        "kernel_sizes": sizes_rule(),
        "attention": BOOL,
        "dimension_shuffle": BOOL,
        "norm_momentum": real_rule(0, 1),
        "norm_epsilon": real_rule(0, closed="neither"),
        "learning_rate": option_rule("plateau", "constant", "invscaling", "adaptive"),
        "plateau_factor": real_rule(0, 1, closed="neither"),
        "plateau_patience": integer_rule(1),
        "plateau_min": real_rule(0),
        "keep_best": BOOL,
    }

    def __init__(
        self, hidden_size=128, *, filters=(128, 256, 128), kernel_sizes=(8, 5, 3),
        cell="lstm", attention=False, dimension_shuffle=True, dropout=0.8,
        norm_momentum=0.99, norm_epsilon=1e-3, solver="adam", alpha=0.0,
        batch_size=128, learning_rate="plateau", learning_rate_init=1e-3,
        plateau_factor=2 ** (-1 / 3), plateau_patience=100, plateau_min=1e-4,
        power_t=0.5, max_iter=2000, shuffle=True, random_state=None, tol=1e-4,
        verbose=0, warm_start=False, keep_best=True, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1,
        beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=np.inf,
        max_grad_norm=None, class_weight="balanced", dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None,
        sample_weight_val=None,
    ):  # fmt: skip
        """Fit the network to series and their classes.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Training series; (n, T) is n univariate ones.
        y : array-like of shape (n,) or (n, n_labels)
            Their classes, or zeros and ones for labels.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sample; None weighs all alike. A weight of 0 is as if the
            sample were not there.
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
        On DivergenceError and on KeyboardInterrupt (Ctrl-C, heard between mini-batches)
        the estimator keeps the weights of the best epoch (with ``keep_best=False`` of
        the last finished one), and can predict.
        """
        held = held_out(X_val, y_val, sample_weight=sample_weight_val)
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        return self._fit(given, held)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on these samples, and keep the solver's state.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed at the first call only.

        Returns
        -------
        self : object
        """
        check_partial(self, classes)
        given = {"X": X, "y": y, "sample_weight": sample_weight}
        return self._partial_fit(given, classes=classes)

    def predict(self, X):
        """Predict the class of each series.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Series of as many features as those fitted on.

        Returns
        -------
        ndarray of shape (n,), or (n, n_labels)
        """
        return self._predict("predict", X)

    def _check_parameters(self):
        check_parameters(self)
        check_architecture(self.filters, self.kernel_sizes, self.cell, self.attention)

    def _read_input(self, X, *, reset, allow_empty=False):
        """Return ``X`` as Sequences of the type that the network has or will have."""
        dtype = self.model_.network.config["dtype"] if allow_empty else self.dtype
        x = check_sequences(self, X, reset=reset, dtype=dtype, allow_empty=allow_empty)
        if reset:
            self._longest = max(1, int(x.lengths.max()))
        return x

    def _input(self):
        """How the model reads what the fit has read."""
        return SeriesInput(self.n_features_in_, self._univariate)

    def _make_network(self, rng):
        options = {name: self._configured(name) for name in ARCHITECTURE}
        return LSTMFCN(
            self._input_size, output_size=self.n_outputs_,
            steps=self._longest if self.dimension_shuffle else 0,
            random_state=int(rng.integers(2**31)), **options,
        )  # fmt: skip

    def _configured(self, name):
        value = getattr(self, name)
        return list(value) if name in ("filters", "kernel_sizes") else value

    def _adopt_input(self, model):
        self._univariate = model.input.univariate
        self._input_size = model.network.config["input_size"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
