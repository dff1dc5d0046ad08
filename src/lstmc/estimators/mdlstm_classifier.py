"""MDLSTMClassifier: images in, classes out."""

from ._classes import ClassAnswers, ClassTargets
from ._parameters import keep
from ._pyramid import ImageEstimator


class MDLSTMClassifier(ClassAnswers, ClassTargets, ImageEstimator):
    """Classifier of images: multidimensional LSTM layers from all corners [1]_.

    Below each layer, blocks of neighbouring cells become one cell: those of the image
    as they are, those of a layer's outputs by a feed-forward tanh. The images may have
    any sizes; the output layer sees the mean, or the sum, over all cells.

    Parameters
    ----------
    hidden_size : tuple of int, default=(16, 32)
        Units of each direction of each layer, from the lowest.
    block_size : tuple of tuples of int, default=((2, 2), (2, 2))
        Cells of the image, then of the outputs of each layer but the last, that become
        one cell of the layer above.
    feedforward_size : tuple of int or None, default=None
        tanh units of the blocks between layers; None: as many as a direction of the
        layer above has.
    ndim : {2, 3}, default=2
        Dimensions of an image.
    pooling : {"mean", "sum"}, default="mean"
        What the output layer sees of the cells of the last layer.
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
        Factors of classes; "balanced" makes all classes weigh the same.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    n_jobs : int or None, default=None
        Threads; None leaves the choice to the library, -1 takes all. Results do
        not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes in order.
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
    model_ : ClassifierModel
        What predicts; immutable, and independent of scikit-learn.

    References
    ----------
    .. [1] Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional
       Recurrent Neural Networks. NIPS 2008.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from lstmc import MDLSTMClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X[:200].reshape(-1, 8, 8) / 16
    >>> est = MDLSTMClassifier((8, 16), learning_rate_init=0.02, max_iter=20,
    ...                        batch_size=20, tol=0, random_state=0)
    >>> est.fit(X, y[:200]).score(X, y[:200]) > 0.8
    True
    """

    def __init__(
        self, hidden_size=(16, 32), *, block_size=((2, 2), (2, 2)),
        feedforward_size=None, ndim=2, pooling="mean", dropout=0.0,
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=None, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, class_weight=None,
        dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def predict(self, X):
        """Predict the class of each image.

        Parameters
        ----------
        X : list of n arrays, array of shape (n, *size[, C]), or Images
            Images of as many channels as those fitted on.

        Returns
        -------
        ndarray of shape (n,), or of 0 and 1 (n, n_labels)
        """
        return self._predict("predict", X)
