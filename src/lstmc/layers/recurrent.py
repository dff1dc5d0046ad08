"""Recurrent: stacked layers of any cell of the registry, in one or two directions."""

from __future__ import annotations

import numpy as np

from ..sequences import as_sequences
from .extras import checked_extras
from .forms import in_form_of
from .layer import aligned
from .stack import Stack
from .stream import Stream


class Recurrent(Stack):
    """Stacked recurrent layers over ragged batches, trained through time.

    Parameters
    ----------
    input_size : int
        Features of a step.
    hidden_size : int
        Units of each layer and direction.
    cell : str, default="lstm"
        A name of ``lstmc.cells()``.
    num_layers : int, default=1
        Layers, each fed with the outputs of the one below.
    bidirectional : bool, default=False
        A second direction starts at each sequence's own end; outputs are side by side.
    output_activation : {"tanh", "identity"}, default="tanh"
        The squash between cell state and output, for cells that have one.
    proj_size : int, default=0
        Features of h, a projection of what the cell computes [1]_; 0: hidden_size.
    num_heads : int, default=1
        Parts of the units that do not feed one another: R is block-diagonal.
    static_size : int, default=0
        Static features of a sequence, for a cell that reads them.
    gradient : {"full", "truncated"}, default="full"
        Whether gradients go from a step to the one before through R, or through the
        inner states alone, as in 1997 [2]_; truncated ones do not pass peepholes
        either [3]_.
    block_size : int, default=1
        Cells that share their gates, for cells with gates and no vectors.
    cell_bias : bool, default=True
        Whether the candidate z has a bias; of the same cells.
    residual : bool, default=False
        Whether each layer but the first adds its input to its output [7]_.
    highway : bool, default=False
        Whether each layer but the first has a gate T, made of its input x, between its
        output y and x: ``y T + x (1 - T)`` [8]_. T starts nearly shut, with a bias of
        -1.
    dropout : float, default=0.0
        Share of outputs dropped between layers, in training (`forward`) alone.
    variational : bool, default=False
        Whether a sequence's outputs are dropped at all steps alike [4]_.
    recurrent_dropout : float, default=0.0
        Share of h that R does not see, at all steps of a sequence alike [4]_.
    zoneout : float or tuple of 2 floats, default=0.0
        Share of h, and of c, that keeps its value at a step [5]_; outside training the
        expectation is taken.
    drop_connect : float, default=0.0
        Share of the weights R dropped in a training step [6]_.
    input_initializer, recurrent_initializer : str or callable
        Of W and R: names of `lstmc.initializers`, or functions (rng, shape) -> array.
    forget_bias : float or "power_law", default=1.0
        Where forget gates start; see `lstmc.initializers.power_law`.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    output_size : int
        Features of an output step: those of h times the directions.
    n_parameters : int
        Numbers that training may choose.
    state_names : tuple of str
        The states of the cell, such as ``("h", "c")``.
    parameters : dict of str to ndarray
        Read-only copies by PyTorch's names: ``weight_ih_l0`` (blocks * hidden_size,
        input_size), ``weight_hh_l0``, ``bias_l0``, ``..._l1``, ``..._l0_reverse``; for
        some cells ``vector_l0``, ``weight_hr_l0``, ``weight_static_l0``; of ``highway``
        ``weight_transform_l1`` (output_size, output_size), ``bias_transform_l1``.
        Blocks stand in the order of ``lstmc.cells()``.

    Notes
    -----
    A state is a tuple of arrays (num_layers * directions, n, hidden_size), one for each
    of ``state_names``, index ``layer * directions + direction``, as in PyTorch; that of
    h has proj_size features if there is a projection.
    The bits of a sequence's outputs depend neither on the other sequences of the batch
    nor on the number of threads.

    References
    ----------
    .. [1] Sak, Senior, Beaufays: Long Short-Term Memory Recurrent Neural Network
       Architectures for Large Scale Acoustic Modeling. Interspeech 2014.
    .. [2] Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997.
    .. [3] Gers, Schraudolph, Schmidhuber: Learning Precise Timing with LSTM Recurrent
       Networks. JMLR 3, 2002.
    .. [4] Gal, Ghahramani: A Theoretically Grounded Application of Dropout in Recurrent
       Neural Networks. NIPS 2016.
    .. [5] Krueger et al.: Zoneout: Regularizing RNNs by Randomly Preserving Hidden
       Activations. ICLR 2017.
    .. [6] Wan et al.: Regularization of Neural Networks using DropConnect. ICML 2013.
    .. [7] He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016.
    .. [8] Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Recurrent
    >>> layer = Recurrent(3, 8, bidirectional=True, random_state=0)
    >>> Y, (h, c) = layer([np.zeros((5, 3)), np.zeros((2, 3))])
    >>> [y.shape for y in Y], h.shape
    ([(5, 16), (2, 16)], (2, 2, 8))
    """

    def __call__(self, X, state=None, *, time=None, static=None, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        state : tuple of arrays, default=None
            Initial states; None: zeros.
        time : list of (T_i,) arrays, (n, T) array or Sequences, default=None
            Time elapsed before each step, at least 0, of a cell that is timed.
        static : array of shape (n, static_size), default=None
            Static features, of a cell that reads them.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list of (T_i, output_size) arrays, array, or Sequences, as X was
            Outputs of the last layer.
        state : tuple of arrays
            Final states, each sequence's at its own end.
        """
        x = self._sequences(X)
        y, after = self.apply(
            x, self._checked(state, len(x), "state"), threads=threads,
            **checked_extras(self, x, time, static),
        )  # fmt: skip
        return in_form_of(X, x.with_values(y)), after

    def forward(
        self, X, state=None, *, time=None, static=None, dropout_key=(0, 0),
        checkpoint=False, threads=0,
    ):  # fmt: skip
        """Run for training: as a call, and a tape for `backward` as third result.

        dropout_key : tuple of 2 ints
            Seed and stream of the masks, if the layer has noise of any kind.
        checkpoint : bool, default=False
            Whether the tape keeps states now and then instead of all gates of all
            steps; its size then grows like the square root of the steps. `backward`
            runs most steps once more, and its results have the same bits [1]_.

        References
        ----------
        .. [1] Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory
           Cost. 2016.
        """
        x = self._sequences(X)
        state = self._checked(state, len(x), "state")
        y, after, tape = self.record(
            x, state, dropout_key=dropout_key, checkpoint=checkpoint, threads=threads,
            **checked_extras(self, x, time, static),
        )  # fmt: skip
        tape.form = X
        return in_form_of(X, x.with_values(y)), after, tape

    def backward(self, tape, dY, dstate=None, *, threads=0):
        """Gradients of a loss whose gradients at the outputs are given.

        Parameters
        ----------
        tape : Tape
            From `forward`; used up. Its ``dstatic`` is then the gradient at the static
            features.
        dY : like Y, or None
            Gradient at the outputs; None: zeros.
        dstate : tuple of arrays, default=None
            Gradients at the final states; None: zeros.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : like X
        dstate : tuple of arrays
            Gradients at the initial states.
        grads : dict of str to ndarray
            Gradients of the `parameters`.
        """
        x = tape.inputs[0]
        dy = None
        if dY is not None:
            given = as_sequences(
                dY, dtype=self.dtype, n_features=self.output_size, name="dY"
            )
            if not np.array_equal(given.offsets, x.offsets):
                raise ValueError("dY: expected the lengths of X, got others")
            dy = given.values
        dstate = self._checked(dstate, len(x), "dstate")
        gradient = aligned(self.n_weights, self.dtype)
        dx, before = self.pull(tape, dy, dstate, gradient, threads=threads)
        return (
            in_form_of(tape.form, x.with_values(dx)),
            before,
            self._unpacked(gradient),
        )

    def stream(self, batch_size=1, *, threads=0):
        """Open a stream: sequences that arrive step by step, their state kept inside.

        Parameters
        ----------
        batch_size : int, default=1
            Independent sequences that advance together.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        stream : Stream
            ``stream.step(x)`` takes x (batch_size, input_size) and returns the outputs
            (batch_size, output_size), with the bits of a call with whole sequences.

        Raises
        ------
        ValueError
            The layer is bidirectional, or a number is too small.

        Examples
        --------
        >>> import numpy as np
        >>> from lstmc.layers import Recurrent
        >>> stream = Recurrent(3, 8, random_state=0).stream()
        >>> stream.step(np.ones(3, np.float32)).shape
        (8,)
        """
        return Stream(self, batch_size, threads=threads)

    def pull_last(self, state, dh):
        """Gradients at all final states: dh at h of the last layer; None: zeros."""
        rest = [None] * (len(state) - 1)
        if len(state[0]) == 1:
            return (np.ascontiguousarray(dh)[None], *rest)
        last, n = np.zeros_like(state[0]), self.state_size
        for k in range(self.directions):
            last[k - self.directions] = dh[:, k * n : (k + 1) * n]
        return (last, *rest)

    def _sequences(self, X):
        return as_sequences(X, dtype=self.dtype, n_features=self.input_size)

    def _checked(self, state, n, name):
        """The states as clean arrays of the right shape, or None."""
        if state is None:
            return None
        shapes = [s.shape for s in self._empty_state(n)]
        if len(state) != len(self.state_names):
            raise ValueError(
                f"{name}: expected {len(self.state_names)} arrays {self.state_names}, "
                f"got {len(state)}"
            )
        clean = []
        for label, array, shape in zip(self.state_names, state, shapes, strict=True):
            array = np.ascontiguousarray(array, dtype=self.dtype)
            if array.shape != shape:
                raise ValueError(f"{name} {label}: expected {shape}, got {array.shape}")
            clean.append(np.require(array, requirements="A"))
        return tuple(clean)
