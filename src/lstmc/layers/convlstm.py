"""ConvLSTM: stacked recurrent layers over frames, with convolutions for products."""

from __future__ import annotations

from .films import Films
from .frames import as_frames, frames_in_form_of
from .layer import aligned


class ConvLSTM(Films):
    """Stacked convolutional LSTM [1]_ over ragged batches of frames.

    A cell of the registry sits at every pixel of a frame, and its products with weights
    are convolutions: "same" padding with zeros, stride 1. Frames have one to three
    axes, and their channels innermost.

    Parameters
    ----------
    input_channels : int
        Values of a pixel of X.
    hidden_channels : int
        Units at a pixel, of each layer.
    kernel_size : int or tuple of int, default=3
        Taps along each axis, of input and recurrent weights.
    image_size : tuple of int
        Pixels along each of the one to three axes of a frame.
    peepholes : {None, "channel", "pixel"}, default=None
        What lets gates see the cell state: nothing, a weight for each channel, or, as
        in [1]_, one for each channel and pixel. The output gate sees the new state. For
        ``cell="lstm"``, and for cells that have such weights, whose default is
        "channel".
    cell : str, default="lstm"
        A name of ``lstmc.cells()`` for which ``ConvLSTM.takes(cell)`` holds: R reads h
        alone, and the cell is neither timed, static nor whole.
    num_layers : int, default=1
        Layers, each fed with the outputs of the one below.
    dilation : int or tuple of int, default=1
        Pixels from tap to tap along each axis.
    padding : {"same", "same_upper"}, default="same"
        "same" has as many zeros before as after a frame, and so refuses an even number
        of taps with an odd dilation; "same_upper", as ONNX names it, has one more
        after, where they are odd in number, as Keras does.
    forget_bias : float, default=1.0
        Where the biases of forget gates start.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights: Glorot's uniform ones for inputs, orthogonal ones
        for h.

    Attributes
    ----------
    n_parameters : int
        Numbers that training may choose.
    state_names : tuple of str
        The states of the cell, such as ``("h", "c")``.
    parameters : dict of str to ndarray
        Read-only copies: ``weight_ih_l0`` (blocks * hidden_channels, *kernel_size,
        input_channels), ``weight_hh_l0``, ``bias_l0``, ``vector_l0`` (peepholes,
        hidden_channels) or (peepholes, *image_size, hidden_channels), ``..._l1`` ...
        Blocks stand in the order of ``lstmc.cells()``. PyTorch's convolutions have the
        channels before the taps.

    Raises
    ------
    ValueError
        A number or a choice is none that such a layer can have.
    MemoryError
        Frames and channels are more than an address can count.

    Notes
    -----
    A state is a tuple of arrays (num_layers, n, *image_size, hidden_channels), one for
    each of ``state_names``. The bits of a sequence's outputs depend neither on the
    other sequences of the batch nor on the number of threads.

    References
    ----------
    .. [1] Shi, Chen, Wang, Yeung, Wong, Woo: Convolutional LSTM Network: A Machine
       Learning Approach for Precipitation Nowcasting. NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import ConvLSTM
    >>> layer = ConvLSTM(1, 8, 3, image_size=(6, 7), peepholes="pixel", random_state=0)
    >>> Y, (h, c) = layer([np.zeros((5, 6, 7, 1)), np.zeros((2, 6, 7, 1))])
    >>> [y.shape for y in Y], h.shape
    ([(5, 6, 7, 8), (2, 6, 7, 8)], (1, 2, 6, 7, 8))
    """

    about = {
        "name": "convlstm",
        "title": "Convolutional LSTM",
        "equations": "i, f = sigmoid(W_i * x + R_i * h' + p_i c' + b_i), same of f\n"
        "z = tanh(W_z * x + R_z * h' + b_z)\nc = f c' + i z\n"
        "o = sigmoid(W_o * x + R_o * h' + p_o c + b_o)\nh = o tanh(c)",
        "source": "Shi et al.: Convolutional LSTM Network: A Machine Learning Approach "
        "for Precipitation Nowcasting. NIPS 2015",
    }

    def __call__(self, X, state=None, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, *image_size, input_channels) arrays, array of shape (n, T,
            *image_size, input_channels), or Sequences of flattened frames
            The batch.
        state : tuple of arrays, default=None
            Initial states; None: zeros.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list, array, or Sequences, as X was
            Outputs of the last layer: hidden_channels in place of input_channels.
        state : tuple of arrays
            Final states, each sequence's at its own end.
        """
        x = self._frames(X)
        y, after = self.apply(x, self._checked(state, len(x), "state"), threads=threads)
        return self._formed(X, x.with_values(y), self.hidden_channels), after

    def forward(self, X, state=None, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as third result."""
        x = self._frames(X)
        y, after, tape = self.record(
            x, self._checked(state, len(x), "state"), threads=threads
        )
        tape.form = X
        return self._formed(X, x.with_values(y), self.hidden_channels), after, tape

    def backward(self, tape, dY, dstate=None, *, threads=0):
        """Gradients of a loss whose gradients at the outputs are given.

        Parameters
        ----------
        tape : Tape
            From `forward`; used up.
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
            given = as_frames(
                dY, self.image_size, self.hidden_channels, dtype=self.dtype, name="dY"
            )
            if not (given.offsets.shape == x.offsets.shape
                    and (given.offsets == x.offsets).all()):  # fmt: skip
                raise ValueError("dY: expected the lengths of X, got others")
            dy = given.values
        dstate = self._checked(dstate, len(x), "dstate")
        gradient = aligned(self.n_weights, self.dtype)
        dx, before = self.pull(tape, dy, dstate, gradient, threads=threads)
        dX = self._formed(tape.form, x.with_values(dx), self.input_channels)
        return dX, before, self._unpacked(gradient)

    def _frames(self, X):
        return as_frames(X, self.image_size, self.input_channels, dtype=self.dtype)

    def _formed(self, X, y, channels):
        return frames_in_form_of(X, y, (*self.image_size, channels))
