"""ConvLSTMForecaster: sequences of frames in, the frames that follow out."""

from dataclasses import replace

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..frame_losses import FRAME_LOSSES
from ..layers.films import PEEPHOLES
from ..layers.frames import as_frames
from ..models.forecaster import ForecasterModel
from ..networks.frames import MODES, FrameNetwork
from ..sequences import Sequences
from ..training import History, Samples
from ._base import TrainedEstimator
from ._data import check_weight
from ._parameters import RULES, Rule, keep

ARCHITECTURE = (
    "hidden_channels", "kernel_size", "num_layers", "cell", "peepholes", "mode",
    "horizon", "dtype",
)  # fmt: skip


def _one_of(*choices):
    return Rule(lambda v: v in choices, f"one of {choices}")


class ConvLSTMForecaster(TrainedEstimator):
    """Forecaster of frames by convolutional LSTM [1]_.

    In mode "encoder_forecaster" a stack of ConvLSTM layers reads the frames seen; a
    second stack starts from its states and runs over blank frames, one for each frame
    to be forecast; a 1 x 1 convolution of the h of all its layers makes the frames. It
    learns the last ``horizon`` frames of each sequence from those before. In mode
    "recursive" one stack forecasts from each frame the next, and reads its own
    forecasts where the frames seen have ended.

    Parameters
    ----------
    hidden_channels : int, default=16
        Units at a pixel, of each layer.
    kernel_size : int or tuple of int, default=3
        Taps of the convolutions along each axis; odd, so that what is forecast stays
        where it is.
    num_layers : int, default=1
        Layers of each stack.
    cell : str, default="lstm"
        A cell that `layers.ConvLSTM` takes.
    peepholes : {None, "channel", "pixel"}, default=None
        Whether gates see the cell state, by a weight for each channel, or for each
        channel and pixel as in [1]_.
    mode : {"encoder_forecaster", "recursive"}, default="encoder_forecaster"
        See above.
    horizon : int, default=10
        Frames to forecast: in fitting, by an encoder-forecaster, and where ``predict``
        is not told.
    loss : {"squared", "cross_entropy"}, default="squared"
        Half the squared error in standard units, or, for pixels in 0 to 1, the logistic
        cross-entropy; both are means over pixels and frames.
    solver : {"adam", "sgd"}, default="adam"
        How weights follow the gradient: Adam, or gradient descent with momentum.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but biases and peepholes.
    batch_size : int, "auto" or None, default="auto"
        Sequences per step of the solver. "auto" is 32; None is all of them.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule, as in `LSTMRegressor`.
    learning_rate_init : float, default=0.001
        Learning rate at the start.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        The most epochs to train.
    shuffle : bool, default=True
        Whether to draw new mini-batches in each epoch.
    random_state : int, RandomState, Generator or None, default=None
        Source of initial weights, batches and the validation split. The same int gives
        the same bits, for any number of threads.
    tol : float, default=1e-4
        An epoch that does not better the loss (with ``early_stopping`` the score) by
        this much counts as idle.
    verbose : int, default=0
        1 draws a progress bar through rich; 2 prints a line per epoch.
    warm_start : bool, default=False
        Whether another call of ``fit`` goes on from the weights of the last one.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop once the score on held-out sequences stays idle, and to restore
        the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the sequences that ``early_stopping`` holds out, unless ``fit`` is
        given ``X_val``.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the moments of "adam", in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of "adam".
    n_iter_no_change : int or inf, default=10
        Idle epochs in a row that are put up with.
    max_grad_norm : float or None, default=1.0
        Gradients longer than this are scaled down to it; None never.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    n_jobs : int or None, default=None
        Threads; None leaves the choice to the library, -1 takes all. Results do not
        depend on it.

    Attributes
    ----------
    image_size_ : tuple of int
        Pixels along each axis of the frames fitted on.
    n_features_in_ : int
        Values of a frame.
    n_iter_, t_ : int
        Epochs of the last call, and sequences trained on so far.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        Mean loss of the last epoch, of the best, and of each, penalty included.
    validation_scores_, validation_loss_curve_, best_validation_score_
        Score and loss on held-out sequences after each epoch; None without them.
    model_ : ForecasterModel
        What predicts; immutable, and independent of scikit-learn.

    See Also
    --------
    lstmc.layers.ConvLSTM : The layers.
    lstmc.load : Read what ``save`` wrote, with NumPy alone.

    References
    ----------
    .. [1] Shi, Chen, Wang, Yeung, Wong, Woo: Convolutional LSTM Network: A Machine
       Learning Approach for Precipitation Nowcasting. NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import ConvLSTMForecaster
    >>> dot = np.eye(6)[:, None, :, None]  # 6 frames of 1 x 6 pixels, a dot that moves
    >>> X = [np.roll(dot, k, axis=2) for k in range(6)]
    >>> forecaster = ConvLSTMForecaster(4, horizon=2, max_iter=2, random_state=0)
    >>> forecaster.set_params(tol=0.0).fit(X).predict([x[:4] for x in X]).shape
    (6, 2, 1, 6, 1)
    """

    _architecture = ARCHITECTURE
    _model_type = ForecasterModel
    _rules = {
        "hidden_channels": RULES["hidden_size"],
        "mode": _one_of(*MODES),
        "peepholes": _one_of(*PEEPHOLES),
        "horizon": RULES["num_layers"],
        "loss": _one_of(*FRAME_LOSSES),
    }

    def __init__(
        self, hidden_channels=16, *, kernel_size=3, num_layers=1, cell="lstm",
        peepholes=None, mode="encoder_forecaster", horizon=10, loss="squared",
        solver="adam", alpha=0.0, batch_size="auto", learning_rate="constant",
        learning_rate_init=1e-3, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=0, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1,
        beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_grad_norm=1.0, dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

    def fit(self, X, y=None, sample_weight=None, *, X_val=None):
        """Fit the network to sequences of frames, which are their own targets.

        Parameters
        ----------
        X : list of (T_i, *image_size, channels) arrays, or array of shape (n, T,
            *image_size, channels)
            Frames of one to three axes, channels innermost. Of each sequence at least
            ``horizon + 1`` frames, or 2 in mode "recursive".
        y : None
            Ignored.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence; None weighs all alike.
        X_val : like X, default=None
            Sequences to score after each epoch.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError, TypeError
            If a parameter, ``X`` or a weight is not what it may be.
        DivergenceError
            If a loss, gradient or weight became infinite or NaN.
        """
        held = None if X_val is None else {"X": X_val, "y": None, "sample_weight": None}
        return self._fit({"X": X, "y": y, "sample_weight": sample_weight}, held)

    def predict(self, X, steps=None):
        """Forecast the frames that follow.

        Parameters
        ----------
        X : list of (T_i, *image_size, channels) arrays, or array of shape (n, T,
            *image_size, channels)
            Frames seen, at least one of each sequence.
        steps : int, default=None
            Frames to forecast; None: ``horizon``.

        Returns
        -------
        ndarray of float64, shape (n, steps, *image_size, channels)
        """
        check_is_fitted(self, "model_")
        return self.model_.predict(X, steps, threads=self._threads())

    def score(self, X, y=None, sample_weight=None):
        """R squared of all pixels of the last ``horizon`` frames of each sequence.

        Parameters
        ----------
        X : as in `fit`
            Sequences; what is forecast is read off them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n,), default=None
            Weight of each sequence.

        Returns
        -------
        float
            1 is perfect; 0 is as good as the mean of all those pixels.
        """
        check_is_fitted(self, "model_")
        model, steps = self.model_, self.model_.network.config["horizon"]
        frames = model.read(X)
        weight = check_weight(sample_weight, len(frames))
        seen, target = split_frames(frames, steps)
        logits = model.network.forecast(
            model.standard(seen), steps, threads=self._threads()
        )
        scaled = target if self._logistic(model) else model.standard(target)
        loss = "cross_entropy" if self._logistic(model) else "squared"
        return FRAME_LOSSES[loss].score(logits, scaled, weight)

    @staticmethod
    def _logistic(model):
        return model.network.config["link"] == "logistic"

    def _read(self, X, y, sample_weight, *, reset, classes=None, **extras):
        """Return Samples of the frames seen and those to be forecast."""
        if reset:
            first = np.asarray(X[0])
            if not 3 <= first.ndim <= 5:
                raise ValueError(
                    "X: expected sequences of shape (steps, one to three axes of a "
                    f"frame, channels), got {first.shape}"
                )
            self.image_size_ = first.shape[1:-1]
            self._channels = first.shape[-1]
            self.n_features_in_ = int(np.prod(first.shape[1:]))
        frames = as_frames(X, self.image_size_, self._channels, dtype=self.dtype)
        if (
            self.loss == "cross_entropy"
            and not ((frames.values >= 0) & (frames.values <= 1)).all()
        ):
            low, high = frames.values.min(), frames.values.max()
            raise ValueError(
                "X: expected pixels of 0 to 1 for loss='cross_entropy', "
                f"got {low:.3g} to {high:.3g}"
            )
        weight = check_weight(sample_weight, len(frames))
        recursive = self.mode == "recursive"
        seen, target = split_frames(frames, self.horizon, recursive)
        samples = Samples(seen, target, weight)
        return samples if weight.all() else samples.take(np.flatnonzero(weight))

    def _learn_scale(self, data):
        self._mean = np.zeros(self._channels)
        self._scale = np.ones(self._channels)
        if self.loss == "squared":
            pixels = data.x.values.reshape(-1, self._channels).astype(np.float64)
            self._mean = pixels.mean(axis=0)
            scale = pixels.std(axis=0)
            self._scale = np.where(scale > 0, scale, 1.0)

    def _encode(self, data):
        model = ForecasterModel(None, self._mean, self._scale)
        return replace(
            data, x=model.standard(data.x), target=model.standard(data.target),
            weight=data.weight / data.weight.mean(),
        )  # fmt: skip

    def _configured(self, name):
        value = getattr(self, name)
        if name == "kernel_size":
            axes = len(self.image_size_)
            return [value] * axes if isinstance(value, int) else list(value)
        if name == "peepholes":
            return self.model_.network.encoder[0].peepholes if value is None else value
        return value

    def _make_network(self, rng):
        return FrameNetwork(
            self.image_size_, self._channels, self.hidden_channels,
            kernel_size=self.kernel_size, num_layers=self.num_layers, cell=self.cell,
            peepholes=self.peepholes, mode=self.mode, horizon=self.horizon,
            link="logistic" if self.loss == "cross_entropy" else "identity",
            dtype=self.dtype, random_state=int(rng.integers(2**31)),
        )  # fmt: skip

    def _make_loss(self):
        return FRAME_LOSSES[self.loss]

    def _make_model(self, network):
        return ForecasterModel(network, self._mean, self._scale)

    def _out_activation(self):
        return self.model_.network.config["link"]

    @classmethod
    def from_model(cls, model):
        """Return a fitted estimator for a model that `lstmc.load` returned.

        Parameters
        ----------
        model : ForecasterModel
            Shared, not copied.

        Returns
        -------
        ConvLSTMForecaster
            With the model's architecture; other parameters have their defaults.

        Raises
        ------
        TypeError
            If the model is of another kind.
        """
        if not isinstance(model, ForecasterModel):
            raise TypeError(f"expected a ForecasterModel, got {type(model).__name__}")
        config = model.network.config
        options = {name: config[name] for name in ARCHITECTURE}
        options["kernel_size"] = tuple(config["kernel_size"])
        options["loss"] = "cross_entropy" if cls._logistic(model) else "squared"
        estimator = cls(**options)
        estimator.image_size_ = tuple(config["image_size"])
        estimator._channels = config["channels"]
        estimator.n_features_in_ = model.n_features_in_
        estimator._mean, estimator._scale = model.mean, model.scale
        estimator._publish(model, History(), validated=False, first=True)
        return estimator


def split_frames(frames, horizon, recursive=False):
    """What is seen of each sequence, and what is to be forecast, as Sequences.

    Examples
    --------
    >>> from lstmc import Sequences
    >>> frames = Sequences.from_flat([1.0, 2.0, 3.0, 4.0], [4])
    >>> [part.values.ravel().tolist() for part in split_frames(frames, 1)]
    [[1.0, 2.0, 3.0], [4.0]]
    >>> [part.values.ravel().tolist() for part in split_frames(frames, 1, True)]
    [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    """
    least = 2 if recursive else horizon + 1
    if frames.lengths.min() < least:
        k = int(frames.lengths.argmin())
        raise ValueError(
            f"X: sequence {k}: expected at least {least} frames, "
            f"got {frames.lengths[k]}"
        )
    gap = 1 if recursive else horizon
    where = np.repeat(frames.offsets[1:], frames.lengths) - np.arange(
        len(frames.values)
    )
    seen, ahead = where > gap, where <= gap
    if recursive:
        start = np.repeat(frames.offsets[:-1], frames.lengths)
        ahead = np.arange(len(frames.values)) > start
    count = np.full(len(frames), horizon)
    lengths = frames.lengths - gap, frames.lengths - 1 if recursive else count
    parts = []
    for chosen, length in zip((seen, ahead), lengths, strict=True):
        offsets = np.zeros(len(frames) + 1, np.intp)
        np.cumsum(length, out=offsets[1:])
        parts.append(Sequences(frames.values[chosen], offsets))
    return tuple(parts)
