"""LSTMTranscriber: sequences of frames in, sequences of labels out."""

from ._data import check_partial
from ._parameters import keep
from ._sequence import SequenceEstimator, arguments
from ._transcribing import Transcribing


class LSTMTranscriber(Transcribing, SequenceEstimator):
    """Transcriber: learns labels without their times, by the loss of [1]_.

    Each frame of X gets a probability of each label and of a blank, "nothing here";
    the loss sums over all ways to spread the labels over the frames. ``y`` is a list of
    one sequence of labels for each sample, which may be empty: a string, whose
    characters are the labels, or a list, tuple or array of integers, strings or
    whatever can be sorted and hashed. Predictions come in the same form.

    With ``levels``, ``y`` is a tuple of such lists, one for each level from the lowest;
    or, for the tools of scikit-learn, a list of tuples, one for each sample.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of each layer and direction.
    cell : str, default="lstm"
        Name of a cell; `lstmc.cells` lists them. "mlstm" and "xlstm[a:b]" are blocks
        of `layers.XLSTM`, a mLSTM and then b sLSTM, ``num_layers`` times.
    num_layers : int, default=1
        Recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Whether each layer also reads the sequence from its end. False for `stream`.
    levels : int, tuple of int or None, default=None
        Networks on one another as in [3]_, each with labels of its own, and fed with
        the probabilities of the one below: their number, or the units of each in
        place of ``hidden_size``. The loss is the sum of theirs.
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
        weights, or through the inner states alone, as in [2]_.
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
        Whether another call of ``fit`` starts from the weights, and with the labels,
        of the last one, with a fresh solver and the random numbers of
        ``random_state``; curves are then continued.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop once the score on held-out samples stays idle, and to
        restore the weights of the best epoch; else the training loss decides and
        the last weights stay. The score is that of the likeliest path.
    validation_fraction : float, default=0.1
        Share of the samples that ``early_stopping`` holds out, unless ``fit`` is given
        ``X_val`` and ``y_val``.
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
        Factors of labels: a sample's weight is multiplied by their mean over its
        labels, at the top level. "balanced" makes all labels weigh the same.
    label_smoothing : float, default=0.0
        Share of the loss, in [0, 1), that wants all labels alike at each frame.
    on_infeasible : {"raise", "skip"}, default="raise"
        Whether samples with fewer frames than their labels need (one each, and a blank
        between equal neighbours) are an error, or are left out with a warning.
    decoder : {"best_path", "prefix_beam", "prefix_search"}, default="best_path"
        How ``predict`` and ``score`` find labels; see `lstmc.ctc`. The parameters
        below are those of "prefix_beam". None of them concerns ``fit``.
    beam_size : int, default=100
        Prefixes that are kept from frame to frame.
    language_model : object or None, default=None
        What says which labels follow which, or with a lexicon which words: a
        `lstmc.ctc.NGram`, or as `lstmc.ctc.prefix_beam` describes.
    language_weight : float, default=0.5
        Factor of its logarithm; there ``alpha``.
    label_bonus : float, default=0.0
        Added for each label, or word with a lexicon; there ``beta``.
    lexicon : list, dict or ctc.Lexicon, default=None
        The words that may be: sequences of labels, or a dict of words and such. They
        part at the label " ", if there is one.
    hotwords : dict or None, default=None
        Words, or sequences of labels, with the bonus of each.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    n_jobs : int or None, default=None
        Threads; None leaves the choice to the library, -1 takes all. Results do
        not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,), or list of them
        The labels in order; with ``levels`` those of each. Column 0 of
        ``predict_proba`` is the blank's, column k + 1 that of ``classes_[k]``.
    blank_ : int
        0: the column of the blank.
    n_features_in_ : int
        Features per step; after a fit on a 2-D array, its number of columns.
    n_static_features_in_ : int
        Static features of a sequence; 0 for a cell that reads none.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Column names, after a fit on a 2-D frame.
    n_outputs_ : int or list of int
        Outputs of the network: its labels, and the blank.
    out_activation_ : str
        Always "softmax".
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
        1 - label error rate and loss on the held-out samples after each epoch.
    best_validation_score_ : float or None
        The best of these scores.
    model_ : TranscriberModel
        What predicts; immutable, and independent of scikit-learn.

    See Also
    --------
    lstmc.ctc : The loss, the decoders and alignment by themselves.
    lstmc.metrics : Error rates.
    lstmc.load : Read what ``save`` wrote, with NumPy alone; no language model, lexicon
        or hotwords are in the file, nor the choice of a decoder.

    References
    ----------
    .. [1] Graves, Fernandez, Gomez, Schmidhuber: Connectionist temporal
       classification. ICML 2006.
    .. [2] Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 9,
       1997.
    .. [3] Fernandez, Graves, Schmidhuber: Sequence labelling in structured domains
       with hierarchical recurrent neural networks. IJCAI 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import LSTMTranscriber
    >>> rng = np.random.default_rng(0)
    >>> y = ["".join(rng.choice(list("abc"), 3)) for _ in range(60)]
    >>> X = [np.repeat(np.eye(4)[[k for c in text for k in ("abc".index(c), 3)]], 2, 0)
    ...      for text in y]
    >>> est = LSTMTranscriber(16, max_iter=60, learning_rate_init=0.02, random_state=0)
    >>> est.fit(X, y).predict(X[:2]) == y[:2]
    True
    """

    pooling = "steps"  # no choice: each frame has its outputs

    def __init__(
        self, hidden_size=64, *, cell="lstm", num_layers=1, bidirectional=True,
        levels=None, output_activation="tanh", proj_size=0, num_heads=1,
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
        class_weight=None, label_smoothing=0.0, on_infeasible="raise",
        decoder="best_path", beam_size=100, language_model=None, language_weight=0.5,
        label_bonus=0.0, lexicon=None, hotwords=None, dtype="float32", n_jobs=None,
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
        classes : string or array-like of labels, default=None
            All labels there will ever be, with ``levels`` a list of them; needed at
            the first call only.

        Returns
        -------
        self : object
        """
        check_partial(self, classes)
        given = arguments(X, y, sample_weight, time, static)
        return self._partial_fit(given, classes=classes)

    def _adopt(self, model):
        super()._adopt(model)
        units = model.network.config["hidden_size"]
        if isinstance(units, list):
            self.hidden_size, self.levels = units[0], tuple(units)
