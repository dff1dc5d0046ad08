"""Conv1D: convolutions along the steps of ragged sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from .. import _core
from ..sequences import Sequences, as_sequences
from .forms import in_form_of
from .layer import Layer, aligned, checked_dtype, fresh

PADDINGS = ("same", "same_upper")


@dataclass
class ConvTape:
    """What a training forward keeps: its input."""

    x: Sequences
    form: object = None  # what the caller gave, for the form of dX


class Conv1D(Layer):
    """Convolution along the steps: y has as many as x, "same" padding, stride 1.

    Beyond a sequence's ends lie zeros, ``dilation * (kernel_size - 1)`` of them in all:
    half of that, rounded down, before it and the rest after it. Each sequence is
    convolved by itself, whatever its length.

    Parameters
    ----------
    input_size, output_size : int
        Channels: features of a step of x and of y.
    kernel_size : int
        Steps that an output sees.
    dilation : int, default=1
        From one of these steps to the next.
    padding : {"same", "same_upper"}, default="same"
        "same" has as many zeros before as after a sequence, and so refuses an even
        ``kernel_size`` with an odd ``dilation``; "same_upper", as ONNX names it, has
        one more after, where they are odd in number, as Keras does.
    initializer : {"he_uniform", "glorot_uniform"}, default="he_uniform"
        Where the weights start: uniform over +-sqrt(6 / inputs) [1]_, or over
        +-sqrt(6 / (inputs + outputs)), counting each tap. Biases start at zero.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    parameters : dict of str to ndarray
        Read-only copies: ``weight`` (output_size, kernel_size, input_size), ``bias``
        (output_size,). Channels are innermost; PyTorch's Conv1d has them before the
        taps.

    Raises
    ------
    ValueError
        A number is no integer of at least 1, or the zeros before and after differ.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Conv1D
    >>> conv = Conv1D(3, 8, kernel_size=5, random_state=0)
    >>> [y.shape for y in conv([np.zeros((9, 3)), np.zeros((2, 3))])]
    [(9, 8), (2, 8)]
    """

    about = {
        "name": "conv1d",
        "title": "Convolution along the steps",
        "equations": "y_t = b + sum over j of W_j x_{t - before + j dilation}",
        "source": "LeCun et al.: Gradient-Based Learning Applied to Document "
        "Recognition. Proceedings of the IEEE 86, 1998",
    }

    def __init__(
        self, input_size, output_size, kernel_size, *, dilation=1, padding="same",
        initializer="he_uniform", dtype="float32", random_state=None,
    ):  # fmt: skip
        self.input_size = checked_size("input_size", input_size)
        self.output_size = checked_size("output_size", output_size)
        self.kernel_size = checked_size("kernel_size", kernel_size)
        self.dilation = checked_size("dilation", dilation)
        check_padding(padding, (self.kernel_size,), (self.dilation,))
        if initializer not in ("he_uniform", "glorot_uniform"):
            raise ValueError(
                'initializer: expected "he_uniform" or "glorot_uniform", '
                f"got {initializer!r}"
            )
        self.dtype = checked_dtype(dtype)
        self.shapes = {
            "weight": (self.output_size, self.kernel_size, self.input_size),
            "bias": (self.output_size,),
        }
        self._end = math.prod(self.shapes["weight"])  # of the weights among all
        self.n_weights = self._end + self.output_size
        self.weights = aligned(self.n_weights, self.dtype)
        fans = self.kernel_size * self.input_size
        if initializer == "glorot_uniform":
            fans += self.kernel_size * self.output_size
        bound = math.sqrt(6 / fans)
        rng = np.random.default_rng(random_state)
        self.weights[: self._end] = rng.uniform(-bound, bound, self._end)
        self.weights[self._end :] = 0

    @property
    def penalised(self):
        """Parts of ``weights`` that an L2 penalty touches: all but the biases."""
        return [slice(0, self._end)]

    def _read(self):
        return self._unpacked(self.weights)

    def _unpacked(self, flat):
        weight = flat[: self._end].reshape(self.shapes["weight"])
        return {"weight": weight.copy(), "bias": flat[self._end :].copy()}

    def _write(self, parameters):
        self.weights[: self._end] = parameters["weight"].ravel()
        self.weights[self._end :] = parameters["bias"]

    def __call__(self, X, *, threads=0):
        """Run for inference; const.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list of (T_i, output_size) arrays, array, or Sequences, as X was
        """
        x = self._sequences(X)
        return in_form_of(X, x.with_values(self.apply(x, threads=threads)))

    def forward(self, X, *, threads=0):
        """Run for training: Y, and a tape for `backward`."""
        x = self._sequences(X)
        y, tape = self.record(x, threads=threads)
        tape.form = X
        return in_form_of(X, x.with_values(y)), tape

    def backward(self, tape, dY, *, threads=0):
        """Gradients of a loss whose gradient at the outputs is given.

        Parameters
        ----------
        tape : ConvTape
            From `forward`.
        dY : like Y
            Gradient at the outputs.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : like X
        grads : dict of str to ndarray
            Gradients of the `parameters`.
        """
        dy = as_sequences(
            dY, dtype=self.dtype, n_features=self.output_size, name="dY",
            allow_empty=True,
        )  # fmt: skip
        if not np.array_equal(dy.offsets, tape.x.offsets):
            raise ValueError("dY: expected the lengths of X, got others")
        gradient = aligned(self.n_weights, self.dtype)
        dx = self.pull(tape, dy.values, gradient, threads=threads)
        grads = self._unpacked(gradient)
        return in_form_of(tape.form, tape.x.with_values(dx)), grads

    def apply(self, x, *, threads=0):
        """Return the outputs (sum T, output_size) of the `Sequences` ``x``."""
        y = fresh((len(x.values), self.output_size), self.dtype)
        _core.conv_forward(
            _lines(x), x.values, self.weights[: self._end], self.weights[self._end :],
            y, (self.kernel_size,), (self.dilation,), threads,
        )  # fmt: skip
        return y

    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""
        return self.apply(x, threads=threads), ConvTape(x)

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient``, laid out like ``weights``; return dx or None."""
        x = tape.x
        dx = fresh(x.values.shape, self.dtype) if input_gradient else None
        _core.conv_backward(
            _lines(x), x.values, self.weights[: self._end], dy, dx,
            gradient[: self._end], gradient[self._end :], (self.kernel_size,),
            (self.dilation,), threads,
        )  # fmt: skip
        return dx

    def _sequences(self, X):
        return as_sequences(
            X, dtype=self.dtype, n_features=self.input_size, allow_empty=True
        )


def _lines(x):
    """The sizes of sequences as images of one line, (n, 3)."""
    size = np.ones((len(x), 3), np.intp)
    size[:, 2] = x.lengths
    return size


def checked_size(name, value):
    """The value as an int of at least 1, or ValueError.

    Examples
    --------
    >>> checked_size("kernel_size", 0)
    Traceback (most recent call last):
    ValueError: kernel_size: expected an int of at least 1, got 0
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: expected an int of at least 1, got {value!r}")
    return int(value)


def check_padding(padding, kernel_size, dilation):
    """Raise ValueError for a padding that such kernels cannot have.

    Examples
    --------
    >>> check_padding("same", (5, 4), (1, 1))
    Traceback (most recent call last):
    ValueError: kernel_size: expected as many zeros before as after with padding="same",
    got 1 and 2 for 4 taps; make them odd, or say padding="same_upper"
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding: expected one of {PADDINGS}, got {padding!r}")
    for taps, apart in zip(kernel_size, dilation, strict=True):
        zeros = apart * (taps - 1)
        if padding == "same" and zeros % 2:
            before = zeros // 2
            raise ValueError(
                "kernel_size: expected as many zeros before as after with "
                f'padding="same", got {before} and {zeros - before} for {taps} taps; '
                'make them odd, or say padding="same_upper"'
            )
