"""LSTMClassifier: sequences in, classes out."""

from sklearn.metrics import accuracy_score

from ._classes import ClassTargets
from ._data import check_partial
from ._parameters import keep
from ._sequence import SequenceEstimator, arguments


class LSTMClassifier(ClassTargets, SequenceEstimator):
    """Classifier of sequences by a recurrent network, the LSTM of [1]_ by default.

    Two classes, many classes, or labels that are not exclusive (``y`` of zeros and
    ones, shape (n, n_labels)). It minimises the cross-entropy.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of each layer and direction.
    cell : str, default="lstm"
        Name of a cell; `lstmc.cells` lists them. "mlstm" and "xlstm[a:b]" are blocks
        of `layers.XLSTM`, a mLSTM and then b sLSTM, ``num_layers`` times.
    num_layers : int, default=1
        Recurrent layers, one on top of the other.
    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end.
    pooling : {"last", "mean", "max"}, default="last"
        What the output layer sees: the final state of each direction, or the mean
        or maximum of the outputs over the steps. All zeros for an empty sequence.
    output_activation : {"tanh", "identity"}, default="tanh"
        Squash of the cell's output, for cells that have one.
    proj_size : int, default=0
        Features of h, a projection of what the cell computes; 0: ``hidden_size``. For
        cells with the fact ``projects``.
    num_heads : int, default=1
        Parts of the units that do not feed one another; a divisor of ``hidden_size``.
    block_size : int, default=1
        Cells that share their gates, for cells with gates and no vectors.
    cell_bias : bool, default=True
        Whether the candidate z of such cells has a bias.
    gradient : {"full", "truncated"}, default="full"
        Whether gradients go from a step to the one before through the recurrent
        weights, or through the inner states alone, as in [1]_.
    residual : bool, default=False
        Whether each layer but the first adds its input to its output.
    highway : bool, default=False
        Whether each layer but the first has a gate between its output and its input;
        see `lstmc.layers.Recurrent`.
    dropout : float, default=0.0
        Share of units, in [0, 1), dropped while fitting: between the recurrent
        layers and before the output layer.
    variational : bool, default=False
        Whether a sequence's units are dropped between layers at all steps alike.
    recurrent_dropout : float, default=0.0
        Share of h, in [0, 1), that recurrent weights do not see while fitting, at all
        steps of a sequence alike.
    zoneout : float or pair of floats, default=0.0
        Share of h, and of c, in [0, 1), that keeps its value at a step while fitting;
        predictions take the expectation.
    drop_connect : float, default=0.0
        Share of the recurrent weights, in [0, 1), dropped in a step of the solver.
    input_initializer : str, default="glorot_uniform"
        Where input weights start: "glorot_uniform", "glorot_normal", "orthogonal",
        "identity", "uniform" or "zeros"; see `lstmc.initializers`.
    recurrent_initializer : str, default="orthogonal"
        The same of recurrent weights.
    forget_bias : float or "power_law", default=1.0
        Where the biases of forget gates start; see `lstmc.initializers.power_law`.
    solver : {"adam", "sgd"}, default="adam"
        How weights follow the gradient: Adam, or gradient descent with momentum.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but biases, divided by the
        batch's sample weights as in `sklearn.neural_network.MLPClassifier`.
    batch_size : int, "auto" or None, default="auto"
        Sequences per step of the solver. "auto" is 32; None is all of them. Once
        it covers all samples, the fit depends, to the bit, only on the set of
        samples and their weights: equal samples are merged and their order is
        immaterial.
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
        Whether to draw new mini-batches, of sequences of similar length, in each
        epoch; else they are cut in the order given.
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
    tbptt : int or None, default=None
        Steps, counted from each sequence's end, after which gradients are cut off;
        states are carried on and noise is drawn anew. None goes back to the start.
    checkpoint : bool, default=False
        Whether to recompute rather than keep all gates: less memory for long
        sequences, up to 1.4 times the time, the same results.
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
    n_features_in_ : int
        Features per step; after a fit on a 2-D array, its number of columns.
    n_static_features_in_ : int
        Static features of a sequence; 0 for a cell that reads none.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Column names, after a fit on a 2-D frame.
    n_outputs_ : int
        Outputs of the network.
    out_activation_ : str
        "logistic" for two classes and for labels, else "softmax".
    n_iter_ : int
        Epochs of the last call of ``fit`` or ``partial_fit``.
    t_ : int
        Samples trained on so far; equal ones count once where they are merged.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch, penalty included;
        ``best_loss_`` is None with ``early_stopping``.
    loss_curve_ : list of float
        Mean loss of each epoch.
    validation_scores_, validation_loss_curve_ : list of float or None
        Accuracy and loss on the held-out samples after each epoch.
    best_validation_score_ : float or None
        The best of these scores.
    model_ : ClassifierModel
        What predicts; immutable, and independent of scikit-learn.

    See Also
    --------
    lstmc.load : Read what ``save`` wrote, with NumPy alone.

    References
    ----------
    .. [1] Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 9,
       1997.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import LSTMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(steps, 2)) for steps in rng.integers(5, 9, 20)]
    >>> y = ["up" if x.sum() > 0 else "down" for x in X]
    >>> LSTMClassifier(hidden_size=8, random_state=0).fit(X, y).score(X, y) > 0.8
    True
    """

    def __init__(
        self, hidden_size=64, *, cell="lstm", num_layers=1, bidirectional=False,
        pooling="last", output_activation="tanh", proj_size=0, num_heads=1,
        block_size=1, cell_bias=True, gradient="full", residual=False, highway=False,
        dropout=0.0, variational=False,
        recurrent_dropout=0.0, zoneout=0.0, drop_connect=0.0,
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=1.0, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, tbptt=None, checkpoint=False,
        class_weight=None, dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def partial_fit(
        self, X, y, classes=None, sample_weight=None, *, time=None, static=None
    ):
        """Train one epoch on these samples, and keep the solver's state.

        As many calls on the same samples give the same bits as one ``fit`` of so
        many epochs. Parameters that concern the solver are read at the first call.

        Parameters
        ----------
        X, y, sample_weight, time, static
            As in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed at the first call only.

        Returns
        -------
        self : object
        """
        check_partial(self, classes)
        given = arguments(X, y, sample_weight, time, static)
        return self._partial_fit(given, classes=classes)

    def predict_proba(self, X, *, time=None, static=None):
        """Probability of each class; for labels, of each label on its own.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Sequences of as many features as those fitted on.
        time, static
            As in `fit`, for a cell that reads them.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._predict("predict_proba", X, time=time, static=static)

    def predict_log_proba(self, X, *, time=None, static=None):
        """Logarithm of `predict_proba`, computed without underflow.

        Parameters
        ----------
        X, time, static
            As in `predict_proba`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._predict("predict_log_proba", X, time=time, static=static)

    def decision_function(self, X, *, time=None, static=None):
        """Log-odds of the second of two classes or of each label, else logits.

        Parameters
        ----------
        X, time, static
            As in `predict_proba`.

        Returns
        -------
        ndarray of float64, shape (n,) for two classes, else (n, n_classes)
        """
        return self._predict("decision_function", X, time=time, static=static)

    def score(self, X, y, sample_weight=None, *, time=None, static=None):
        """Accuracy: the share of samples whose class, or all of whose labels, is right.

        Parameters
        ----------
        X, y, sample_weight, time, static
            As in `fit`.

        Returns
        -------
        float
        """
        predicted = self.predict(X, time=time, static=static)
        return accuracy_score(y, predicted, sample_weight=sample_weight)
