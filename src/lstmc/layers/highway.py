"""Highway: deep stacks of layers that carry their input past a transform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np

from .. import _core
from .._array_door import clean, real_array
from .layer import Layer, aligned, checked_dtype
from .options import check_choice, check_integer

ACTIVATIONS = ("tanh", "relu", "logistic", "identity")  # as in lstmc_highway.h
GATES = ("coupled", "separate", "open", "none")
# Matrices of a layer, by their names, in the order of the kernels.
COLUMNS = {"coupled": "ht", "separate": "htc", "open": "h", "none": "h"}


@dataclass
class Tape:
    """What a training forward keeps for one backward."""

    rows: int
    saved: np.ndarray
    used: bool = False


class Highway(Layer):
    """A stack of highway layers, residual layers or plain ones, of one width.

    A highway layer computes a transform of its input and a gate that chooses, unit by
    unit, between the transform and the input itself [1]_. With its bias below zero the
    gate starts nearly shut, so that a new stack of any depth hands on its input, and
    gradients, and learns where to transform. Such a layer is a step of an LSTM with a
    forget gate, with depth for time.

    Parameters
    ----------
    size : int
        Features of a row, in and out. For inputs of another width put a `Dense` before.
    num_layers : int, default=1
        Layers, each with weights of its own.
    activation : {"tanh", "relu", "logistic", "identity"}, default="tanh"
        The squash f of the transform H.
    gates : {"coupled", "separate", "open", "none"}, default="coupled"
        What there is of ``y = H T + x C``: "coupled" has ``C = 1 - T``; "separate"
        gives C weights of its own; "open" is ``y = H + x``, the residual layer [2]_;
        "none" is ``y = H``, a plain layer, to compare with.
    transform_bias : float, default=-1.0
        Where the biases of T start; those of C start at the opposite. The deeper the
        stack, the lower: -1 for 10 layers to -4 for 50 and more.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    n_weights : int
        Numbers that training may choose.
    parameters : dict of str to ndarray
        Read-only copies: ``weight_h_l0`` (size, size), ``bias_h_l0`` (size,), the same
        of the gates there are, ``weight_t_l0``, ``weight_c_l0`` ..., then ``..._l1``.

    Raises
    ------
    ValueError
        A size is below 1, a name is unknown, or the bias is no finite number.
    MemoryError
        The weights do not fit an address.

    Notes
    -----
    Weights start uniform, with the variance of Glorot and Bengio; for "relu" H has that
    of He et al. With open gates H starts smaller by the root of ``num_layers``, so that
    a deep sum of layers is as large as its input. The bits of a row's outputs depend
    neither on the other rows nor on the number of threads.

    References
    ----------
    .. [1] Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015.
    .. [2] He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Highway
    >>> layer = Highway(16, num_layers=50, transform_bias=-4.0, random_state=0)
    >>> x = np.ones((3, 16), np.float32)
    >>> bool(abs(layer(x) - x).max() < 1)
    True
    """

    about: ClassVar[dict[str, str]] = {
        "name": "highway",
        "title": "Highway network",
        "equations": (
            "H = f(W_H x + b_H)\n"
            "T = sigmoid(W_T x + b_T)\n"
            "C = 1 - T, or sigmoid(W_C x + b_C)\n"
            "y = H T + x C\n"
            "open gates, a residual network: y = H + x"
        ),
        "source": (
            "Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015"
        ),
    }

    def __init__(
        self,
        size,
        num_layers=1,
        *,
        activation="tanh",
        gates="coupled",
        transform_bias=-1.0,
        dtype="float32",
        random_state=None,
    ):
        check_integer("size", size, 1)
        check_integer("num_layers", num_layers, 1)
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("gates", gates, GATES)
        if not isinstance(transform_bias, Real) or not math.isfinite(transform_bias):
            raise ValueError(
                f"transform_bias: expected a finite number, got {transform_bias!r}"
            )
        self.size, self.num_layers = int(size), int(num_layers)
        self.activation, self.gates = activation, gates
        self.transform_bias = float(transform_bias)
        self.dtype = checked_dtype(dtype)
        self._open()
        self.weights = aligned(self.n_weights, self.dtype)
        self._draw(np.random.default_rng(random_state))

    def _open(self):
        n = self.size
        self._kernel = _core.Highway(
            n, self.num_layers, GATES.index(self.gates),
            ACTIVATIONS.index(self.activation), self.dtype == np.float64,
        )  # fmt: skip
        self.shapes = {
            f"{kind}_{column}_l{layer}": (n, n) if kind == "weight" else (n,)
            for layer in range(self.num_layers)
            for kind in ("weight", "bias")
            for column in COLUMNS[self.gates]
        }
        self.n_weights = sum(math.prod(shape) for shape in self.shapes.values())
        self._spare = None

    def _draw(self, rng):
        """Initial weights, as the class's notes say."""
        glorot = math.sqrt(3 / self.size)
        own = glorot * (math.sqrt(2) if self.activation == "relu" else 1)
        if self.gates == "open":
            own /= math.sqrt(self.num_layers)
        biases = {"h": 0.0, "t": self.transform_bias, "c": -self.transform_bias}
        for name, array in self._views(self.weights).items():
            kind, column, _ = name.split("_")
            if kind == "bias":
                array[:] = biases[column]
            else:
                bound = own if column == "h" else glorot
                array[:] = rng.uniform(-bound, bound, array.shape)

    def _views(self, flat):
        """The parts of an array laid out like `weights`, by name."""
        views, first = {}, 0
        for name, shape in self.shapes.items():
            end = first + math.prod(shape)
            views[name], first = flat[first:end].reshape(shape), end
        return views

    @property
    def penalised(self):
        """Parts of `weights` that an L2 penalty touches: all but the biases."""
        columns, n = len(COLUMNS[self.gates]), self.size
        each = columns * n * (n + 1)
        return [
            slice(k * each, k * each + columns * n * n) for k in range(self.num_layers)
        ]

    def _read(self):
        return {name: a.copy() for name, a in self._views(self.weights).items()}

    def _write(self, parameters):
        for name, view in self._views(self.weights).items():
            view[:] = parameters[name]

    def __getstate__(self):
        state = super().__getstate__()
        for name in ("_kernel", "_spare", "shapes", "n_weights"):
            del state[name]
        return state

    def __setstate__(self, state):
        self.__dict__.update({k: v for k, v in state.items() if k != "parameters"})
        self._open()
        super().__setstate__(state)

    def apply(self, x, *, threads=0):
        """Return the outputs (n, size) of the rows ``x``, unchecked."""
        y = np.empty_like(x)
        self._kernel.forward(x, None, self.weights, y, None, threads)
        return y

    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""
        y, size = np.empty_like(x), self._kernel.tape_size(len(x))
        saved, self._spare = self._spare, None
        if saved is None or len(saved) < size:
            saved = aligned(size, self.dtype)
        self._kernel.forward(x, None, self.weights, y, saved, threads)
        return y, Tape(len(x), saved)

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient`` with that of the weights; return ``dx`` or None.

        Parameters
        ----------
        tape : Tape
            What `record` returned; used up.
        dy : ndarray of shape (n, size)
            Gradient of the loss at the outputs.
        gradient : ndarray of shape (n_weights,)
            Overwritten, laid out like ``weights``.
        input_gradient : bool, default=True
            Whether ``dx`` is wanted.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.

        Raises
        ------
        ValueError
            The tape was used before, or dy has another shape than the outputs.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        if dy.shape != (tape.rows, self.size):
            raise ValueError(
                f"dY: expected shape {(tape.rows, self.size)}, got {dy.shape}"
            )
        tape.used = True
        dx = np.empty_like(dy) if input_gradient else None
        self._kernel.backward(dy, self.weights, tape.saved, dx, None, gradient, threads)
        self._spare = tape.saved
        return dx

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare = None

    def __call__(self, X, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : array-like of shape (..., size)
            Rows; leading axes are kept.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : ndarray of shape (..., size)
            In the layer's dtype.

        Raises
        ------
        ValueError, TypeError
            The last axis has another length, or X holds no real numbers.
        MemoryError
            The work space cannot be had; the message says how much was wanted.
        """
        x = self._rows(X, "X")
        return self.apply(x.reshape(-1, self.size), threads=threads).reshape(x.shape)

    def forward(self, X, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as second result."""
        x = self._rows(X, "X")
        y, tape = self.record(x.reshape(-1, self.size), threads=threads)
        return y.reshape(x.shape), tape

    def backward(self, tape, dY, *, threads=0):
        """Gradients of a loss whose gradient at the outputs is given.

        Parameters
        ----------
        tape : Tape
            From `forward`; used up.
        dY : array-like of the shape of Y
            Gradient at the outputs.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : ndarray of the shape of dY
        grads : dict of str to ndarray
            Gradients of the `parameters`.

        Raises
        ------
        ValueError
            The tape was used before, or dY has another shape than Y.
        """
        dy = self._rows(dY, "dY")
        gradient = aligned(self.n_weights, self.dtype)
        dx = self.pull(tape, dy.reshape(-1, self.size), gradient, threads=threads)
        return dx.reshape(dy.shape), self._views(gradient)

    def _rows(self, X, name):
        array = real_array(X, name)
        if array.ndim < 1 or array.shape[-1] != self.size:
            raise ValueError(
                f"{name}: expected shape (..., {self.size}), got {array.shape}"
            )
        return clean(array, self.dtype)
