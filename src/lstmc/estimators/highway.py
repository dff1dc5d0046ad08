"""HighwayClassifier and HighwayRegressor: rows of a table in, through deep networks."""

from sklearn.metrics import r2_score

from ..networks.highway import HighwayNetwork
from ._classes import ClassAnswers, ClassTargets
from ._data import check_partial
from ._numbers import NumberTargets
from ._parameters import keep
from ._table import TableEstimator

# What a fitted network keeps.
ARCHITECTURE = (
    "hidden_size", "num_layers", "activation", "gates", "dropout", "dtype",
)  # fmt: skip


class HighwayEstimator(TableEstimator):
    """What both share: the network and its parameters."""

    _architecture = ARCHITECTURE

    def __init__(
        self, hidden_size=64, *, num_layers=10, activation="tanh", gates="coupled",
        transform_bias=-1.0, dropout=0.0, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def _make_network(self, rng):
        options = {name: getattr(self, name) for name in ARCHITECTURE}
        return HighwayNetwork(
            self.n_features_in_,
            output_size=self.n_outputs_,
            transform_bias=self.transform_bias,
            random_state=int(rng.integers(2**31)),
            **options,
        )


class HighwayClassifier(ClassAnswers, ClassTargets, HighwayEstimator):
    """Classifier of rows by a highway network, deep or very deep [1]_.

    A linear projection to ``hidden_size`` features, a stack of layers that each choose
    between a transform of their input and the input itself, and a linear output layer.
    Two classes, many classes, or labels that are not exclusive (``y`` of zeros and
    ones, shape (n, n_labels)). It minimises the cross-entropy.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of each layer.
    num_layers : int, default=10
        Highway layers, one on top of the other.
    activation : {"tanh", "relu", "logistic", "identity"}, default="tanh"
        The squash of their transforms.
    gates : {"coupled", "separate", "open", "none"}, default="coupled"
        What is carried past a transform H of x: "coupled" ``H T + x (1 - T)`` with a
        gate T, "separate" ``H T + x C`` with two, "open" ``H + x`` as in a residual
        network [2]_, "none" ``H`` as in a plain network.
    transform_bias : float, default=-1.0
        Where the biases of T start; the deeper the network, the lower: -1 for 10
        layers to -4 for 50 and more.
    dropout : float, default=0.0
        Share of units, in [0, 1), dropped while fitting, behind the projection and
        before the output layer.
    solver : {"adam", "sgd"}, default="adam"
        How weights follow the gradient: Adam, or gradient descent with momentum.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but biases, divided by the
        batch's sample weights as in `sklearn.neural_network.MLPClassifier`.
    batch_size : int, "auto" or None, default="auto"
        Rows per step of the solver. "auto" is 32; None is all of them. Once it covers
        all samples, the fit depends, to the bit, only on the set of samples and their
        weights: equal samples are merged and their order is immaterial.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule, for either solver. "invscaling" divides by
        ``(t_ + 1) ** power_t`` after each epoch; "adaptive" divides by 5, until
        1e-6, where the fit would otherwise have stopped.
    learning_rate_init : float, default=0.001
        Learning rate at the start.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        The most epochs to train.
    shuffle : bool, default=True
        Whether to draw new mini-batches in each epoch; else they are cut in the order
        given.
    random_state : int, RandomState, Generator or None, default=None
        Source of initial weights, batches, noise and the validation split. The same
        int gives the same bits, for any number of threads.
    tol : float, default=1e-4
        An epoch that does not better the loss (with ``early_stopping`` the score)
        by this much counts as idle.
    verbose : int, default=0
        1 draws a progress bar through rich (lines where rich is not installed);
        2 prints a line per epoch.
    warm_start : bool, default=False
        Whether another call of ``fit`` starts from the weights, and for a
        regressor the units, of the last one, with a fresh solver and the random
        numbers of ``random_state``; curves are then continued.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop once the score on held-out samples stays idle, and to
        restore the weights of the best epoch; else the training loss decides and
        the last weights stay.
    validation_fraction : float, default=0.1
        Share of the samples that ``early_stopping`` holds out, stratified by
        class, unless ``fit`` is given ``X_val`` and ``y_val``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the moments of "adam", in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of "adam".
    n_iter_no_change : int or inf, default=10
        Idle epochs in a row that are put up with.
    max_grad_norm : float or None, default=1.0
        Gradients longer than this are scaled down to it; None never.
    class_weight : dict, "balanced" or None, default=None
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
    n_features_in_, feature_names_in_ : int, ndarray of str
        Columns of the X fitted on, and their names if they are text.
    n_outputs_ : int
        Outputs of the network.
    out_activation_ : str
        "logistic" for two classes and for labels, else "softmax".
    n_iter_, t_ : int
        Epochs of the last call, and samples trained on so far.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        Mean loss of the last epoch, of the best (None with ``early_stopping``), and of
        each, penalty included.
    validation_scores_, validation_loss_curve_, best_validation_score_
        Accuracy and loss on the held-out samples after each epoch, and the best
        accuracy; None without such samples.
    model_ : ClassifierModel
        What predicts; immutable, and independent of scikit-learn.

    See Also
    --------
    lstmc.layers.Highway : The layers.
    lstmc.load : Read what ``save`` wrote, with NumPy alone.

    References
    ----------
    .. [1] Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015.
    .. [2] He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import HighwayClassifier
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.where((X > 0).all(axis=1), "first", "other")
    >>> classifier = HighwayClassifier(16, num_layers=20, max_iter=50, random_state=0)
    >>> bool(classifier.set_params(tol=0.0).fit(X, y).score(X, y) > 0.95)
    True
    """

    def __init__(
        self, hidden_size=64, *, num_layers=10, activation="tanh", gates="coupled",
        transform_bias=-1.0, dropout=0.0, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, class_weight=None, dtype="float32",
        n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on these samples, and keep the solver's state.

        As many calls on the same samples give the same bits as one ``fit`` of so
        many epochs. Parameters that concern the solver are read at the first call.

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


class HighwayRegressor(NumberTargets, HighwayEstimator):
    """Regressor of rows by a highway network, deep or very deep [1]_.

    A linear projection to ``hidden_size`` features, a stack of layers that each choose
    between a transform of their input and the input itself, and a linear output layer.
    One target or several (``y`` of shape (n, n_outputs)), which the fit brings to mean
    0 and variance 1. It minimises the squared error.

    Parameters
    ----------
    hidden_size, num_layers, activation, gates, transform_bias, dropout
        As in `HighwayClassifier`.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, \
    early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, \
    max_grad_norm
        As in `HighwayClassifier`; ``early_stopping`` goes by R squared.
    dtype, n_jobs
        As in `HighwayClassifier`.

    Attributes
    ----------
    n_features_in_, feature_names_in_, n_outputs_, n_iter_, t_, loss_, best_loss_, \
    loss_curve_, validation_loss_curve_
        As in `HighwayClassifier`; losses in standard units.
    validation_scores_, best_validation_score_
        R squared on the held-out samples; None without such samples.
    out_activation_ : str
        Always "identity".
    model_ : RegressorModel
        What predicts; immutable, and independent of scikit-learn.

    See Also
    --------
    lstmc.layers.Highway : The layers.
    lstmc.load : Read what ``save`` wrote, with NumPy alone.

    References
    ----------
    .. [1] Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import HighwayRegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> y = 5 * X[:, 0] * X[:, 1]
    >>> regressor = HighwayRegressor(16, num_layers=20, max_iter=50, random_state=0)
    >>> bool(regressor.set_params(tol=0.0).fit(X, y).score(X, y) > 0.9)
    True
    """

    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch on these samples, and keep the solver's state.

        As many calls on the same samples give the same bits as one ``fit`` of so
        many epochs. Parameters that concern the solver are read at the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self : object
        """
        return self._partial_fit({"X": X, "y": y, "sample_weight": sample_weight})

    def score(self, X, y, sample_weight=None):
        """R squared: the share of the targets' variance that predictions explain.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        return r2_score(y, self.predict(X), sample_weight=sample_weight)
