"""MDLSTMTranscriber: images of text in, sequences of labels out."""

from types import SimpleNamespace

from ..metrics import label_error_rate
from ..networks.pyramid import count_frames
from ._parameters import keep
from ._pyramid import ImageEstimator
from ._transcripts import TranscriptTargets


class MDLSTMTranscriber(TranscriptTargets, ImageEstimator):
    """Transcriber of images, such as lines of text, straight from pixels [1]_.

    Below each layer, blocks of neighbouring cells become one cell: those of the image
    as they are, those of a layer's outputs by a feed-forward tanh. The outputs of the
    last layer are summed over each column, and the columns are the frames of
    connectionist temporal classification. Images may have any sizes. ``y`` is a list of
    one sequence of labels for each image, such as a string; predictions come in the
    same form.

    Parameters
    ----------
    hidden_size : tuple of int, default=(16, 32)
        Units of each direction of each layer, from the lowest.
    block_size : tuple of tuples of int, default=((3, 2), (2, 2))
        Cells of the image, then of the outputs of each layer but the last, that become
        one cell of the layer above.
    feedforward_size : tuple of int or None, default=None
        tanh units of the blocks between layers; None: as many as a direction of the
        layer above has.
    dropout : float, default=0.0
        Share of units, in [0, 1), dropped while fitting: of the blocks between layers,
        and of what the output layer sees.
    input_initializer : str, default="glorot_uniform"
        Where input weights start; see `lstmc.initializers`.
    recurrent_initializer : str, default="orthogonal"
        The same of recurrent weights.
    forget_bias : float or None, default=None
        Where the biases of forget gates start; None: where those of a cell add up to 1.
    solver : {"adam", "sgd"}, default="adam"
        How weights follow the gradient: Adam, or gradient descent with momentum.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but biases, divided by the
        batch's sample weights as in `sklearn.neural_network.MLPClassifier`.
    batch_size : int, "auto" or None, default="auto"
        Images per step of the solver. "auto" is 32; None is all of them.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule, for either solver, as of `LSTMClassifier`.
    learning_rate_init : float, default=0.001
        Learning rate at the start.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        The most epochs to train.
    shuffle : bool, default=True
        Whether to draw new mini-batches, of images of similar size, in each epoch.
    random_state : int, RandomState, Generator or None, default=None
        Source of initial weights, batches, noise and the validation split. The same
        int gives the same bits, for any number of threads.
    tol : float, default=1e-4
        An epoch that does not better the loss (with ``early_stopping`` the score)
        by this much counts as idle.
    verbose : int, default=0
        1 draws a progress bar; 2 prints a line per epoch.
    warm_start : bool, default=False
        Whether another call of ``fit`` starts from the weights of the last one.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop once the score on held-out samples stays idle, and to
        restore the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the samples that ``early_stopping`` holds out.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the moments of "adam", in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of "adam".
    n_iter_no_change : int or inf, default=10
        Idle epochs in a row that are put up with.
    max_grad_norm : float or None, default=1.0
        Gradients longer than this are scaled down to it; None never.
    class_weight : dict, "balanced" or None, default=None
        Factors of labels, as of `LSTMTranscriber`.
    label_smoothing : float, default=0.0
        Share of the loss, in [0, 1), that wants all labels alike at each frame.
    on_infeasible : {"raise", "skip"}, default="raise"
        Whether images with fewer frames than their labels need (one each, and a blank
        between equal neighbours) are an error, or are left out with a warning.
    decoder, beam_size, language_model, language_weight, label_bonus, lexicon, hotwords
        How ``predict`` and ``score`` find labels, as of `LSTMTranscriber`.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    n_jobs : int or None, default=None
        Threads; None leaves the choice to the library, -1 takes all. Results do
        not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The labels in order. Column 0 of ``predict_proba`` is the blank's, column k + 1
        that of ``classes_[k]``.
    blank_ : int
        0: the column of the blank.
    n_features_in_ : int
        Channels.
    n_iter_ : int
        Epochs of the last call of ``fit`` or ``partial_fit``.
    t_ : int
        Samples trained on so far.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch.
    loss_curve_ : list of float
        Mean loss of each epoch.
    validation_scores_, validation_loss_curve_ : list of float or None
        Score and loss on the held-out samples after each epoch.
    best_validation_score_ : float or None
        The best of these scores.
    model_ : TranscriberModel
        What predicts; immutable, and independent of scikit-learn.

    References
    ----------
    .. [1] Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional
       Recurrent Neural Networks. NIPS 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import MDLSTMTranscriber
    >>> rng = np.random.default_rng(0)
    >>> signs = {"a": np.eye(6), "b": np.ones((6, 6)), " ": np.zeros((6, 4))}
    >>> y = ["".join(rng.choice(list("ab"), 3)) for _ in range(60)]
    >>> X = [np.hstack([signs[c] for c in " ".join(text)]) for text in y]
    >>> est = MDLSTMTranscriber((8,), block_size=((3, 2),), learning_rate_init=0.02,
    ...                         max_iter=60, random_state=0)
    >>> est.fit(X, y).predict(X[:2]) == y[:2]
    True
    """

    ndim = 2
    pooling = "columns"  # no choice: each has its outputs
    levels = None

    def __init__(
        self, hidden_size=(16, 32), *, block_size=((3, 2), (2, 2)),
        feedforward_size=None, dropout=0.0,
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=None, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, class_weight=None,
        label_smoothing=0.0, on_infeasible="raise", decoder="best_path",
        beam_size=100, language_model=None, language_weight=0.5, label_bonus=0.0,
        lexicon=None, hotwords=None, dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def _frames(self, x):
        return SimpleNamespace(lengths=count_frames(x.shapes, self.block_size))

    def predict(self, X):
        """Transcribe each image.

        Parameters
        ----------
        X : list of n arrays, array of shape (n, H, W[, C]), or Images
            Images of as many channels as those fitted on.

        Returns
        -------
        list of n sequences of labels
            Strings, tuples, arrays or lists, as ``y`` had them.
        """
        return self._predict("predict", X, **self._decoding())

    def predict_proba(self, X):
        """Probability of the blank and of each label at each frame.

        Parameters
        ----------
        X
            As in `predict`.

        Returns
        -------
        list of n ndarrays of float64, shape (T_i, n_labels + 1)
            The blank first, then ``classes_``.
        """
        return self._predict("predict_proba", X)

    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`, computed without underflow.

        Parameters
        ----------
        X
            As in `predict`.

        Returns
        -------
        list of n ndarrays of float64, shape (T_i, n_labels + 1)
        """
        return self._predict("predict_log_proba", X)

    def decode(self, X, n_best=1):
        """Transcribe each image, with scores and times.

        Parameters
        ----------
        X
            As in `predict`.
        n_best : int, default=1
            Hypotheses of each image at most; with "prefix_beam" alone more than 1.

        Returns
        -------
        list of n lists of ctc.Hypothesis
            Best first: labels as ``y`` had them, score, frames and confidences.
        """
        return self._predict("decode", X, **self._decoding(), n_best=n_best)

    def align(self, X, y):
        """Find the frames of labels that are known.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        list of n ctc.Alignment
            The likeliest: label k has the frames from ``starts[k]`` to ``ends[k]``.
        """
        return self._predict("align", X, y=y)

    def score(self, X, y, sample_weight=None):
        """1 less the label error rate: 1 is perfect.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
            Below 0 where more is wrong than there is.
        """
        return 1.0 - label_error_rate(y, self.predict(X), sample_weight=sample_weight)
