"""What the estimators of recurrent networks share: sequences in, in any layers."""

from ..layers.stacks import check_stack
from ..models.inputs import SequenceInput
from ..networks.levels import make_network
from ..networks.recurrent import plain_zoneout
from ..networks.truncation import check_truncation
from ._base import TrainedEstimator
from ._data import check_extras, check_sequences, held_out
from ._parameters import check_parameters, keep

# What a fitted network keeps, and what concerns its initial weights alone.
ARCHITECTURE = (
    "hidden_size", "cell", "num_layers", "bidirectional", "pooling",
    "output_activation", "proj_size", "num_heads", "block_size", "cell_bias",
    "gradient", "residual", "highway", "dropout", "variational", "recurrent_dropout",
    "zoneout", "drop_connect", "dtype",
)  # fmt: skip
INITIAL = ("input_initializer", "recurrent_initializer", "forget_bias")


class SequenceEstimator(TrainedEstimator):
    """A recurrent network behind scikit-learn's interface."""

    _architecture = ARCHITECTURE

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
        dtype="float32", n_jobs=None,
    ):  # fmt: skip
        keep(self, locals())

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
        held = held_out(
            X_val, y_val, sample_weight=sample_weight_val, time=time_val,
            static=static_val,
        )  # fmt: skip
        if X_val is None and not (time_val is None and static_val is None):
            raise ValueError("time_val, static_val: expected None without X_val")
        given = arguments(X, y, sample_weight, time, static)
        return self._fit(given, held)

    def _check_parameters(self):
        check_parameters(self)
        given = self.get_params(deep=False)
        check_stack(self.cell, given)
        check_truncation(self.tbptt, self.bidirectional)
        if given.get("levels") is not None and self.tbptt is not None:
            raise ValueError(
                f"tbptt: expected None with levels, got {self.tbptt}: a cut-off "
                "gradient does not reach the level below"
            )

    def _read_input(self, X, *, reset, allow_empty=False):
        """Return ``X`` as Sequences of the type that the network has or will have."""
        dtype = self.model_.network.config["dtype"] if allow_empty else self.dtype
        return check_sequences(
            self, X, reset=reset, dtype=dtype, allow_empty=allow_empty
        )

    def _read_extras(self, x, extras, *, reset):
        return check_extras(self, x, **extras, reset=reset)

    def _input(self):
        """How the model reads what the fit has read."""
        return SequenceInput(self.n_features_in_, self._univariate)

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

    def _configured(self, name):
        if name == "hidden_size":
            return self._sizes()
        value = getattr(self, name)
        return plain_zoneout(value) if name == "zoneout" else value

    def _adopt_input(self, model):
        config = model.network.config
        self.n_static_features_in_ = config["static_size"]
        self._univariate = model.input.univariate
        self._input_size = config["input_size"]

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
        return self._predict("predict", X, time=time, static=static)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def arguments(X, y, sample_weight, time, static):
    """What `TrainedEstimator._read` takes, by its names."""
    return {
        "X": X, "y": y, "sample_weight": sample_weight, "time": time, "static": static,
    }  # fmt: skip
