"""MDLSTM: an LSTM over images, that sweeps in from any of their corners."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product as all_pairs
from typing import Any

import numpy as np

from .. import _core
from ..images import Images, as_images, is_list
from ..initializers import find_initializer
from .layer import Layer, aligned, checked_dtype, fresh

MERGES = ("concat", "sum")
KINDS = ("weight_ih", "weight_hh", "bias", "peephole")


@dataclass
class Tape:
    """What a training forward keeps for one backward."""

    x: Images
    y: np.ndarray  # (cells, directions * hidden_size)
    saved: np.ndarray
    weights: np.ndarray  # what forward ran with
    form: Any = None  # what the caller gave, for the form of dX
    used: bool = False


class MDLSTM(Layer):
    """Multidimensional LSTM over images of unequal sizes [1]_.

    A cell sees its own channels, and h and c of the cell before it along each
    dimension; outside of the image both are zero. Each dimension has a forget gate of
    its own.

    Parameters
    ----------
    input_size : int
        Channels of a cell.
    hidden_size : int
        Units of each direction.
    ndim : {1, 2, 3}, default=2
        Dimensions of an image.
    directions : "all" or sequence of str, default="all"
        The corners to start from: a sign for each dimension, "-" where it is walked
        from its end, such as ``["++", "--"]``; "all" are all 2**ndim.
    merge : {"concat", "sum"}, default="concat"
        Whether outputs of the directions stand side by side or are added up.
    input_initializer, recurrent_initializer : str or callable
        As of `Recurrent`; of each gate, and of each gate and dimension.
    forget_bias : float, default=None
        Where the biases of forget gates start. None: where the forget gates of a cell
        add up to 1, ``-log(ndim - 1)``, since c grows with the paths through an
        image where they add up to more; with ndim=1: 1.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    output_size : int
        Channels of an output: hidden_size, times the directions with "concat".
    parameters : dict of str to ndarray
        Read-only copies, of direction k: ``weight_ih_d<k>`` ((ndim + 3) * hidden_size,
        input_size), ``weight_hh_d<k>`` ((ndim + 3) * hidden_size, ndim * hidden_size),
        ``bias_d<k>`` and ``peephole_d<k>`` (ndim + 2, hidden_size). Gates stand in the
        order i, f of each dimension, z, o; peepholes are those of i, f ..., o.

    Notes
    -----
    The bits of an image's outputs depend neither on the other images of the batch nor
    on the number of threads.

    References
    ----------
    .. [1] Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional
       Recurrent Neural Networks. NIPS 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import MDLSTM
    >>> layer = MDLSTM(1, 4, random_state=0)
    >>> Y = layer([np.zeros((5, 7, 1)), np.zeros((2, 3, 1))])
    >>> [y.shape for y in Y]
    [(5, 7, 16), (2, 3, 16)]
    """

    about = {
        "name": "mdlstm",
        "title": "Multidimensional LSTM",
        "equations": (
            "i = sigmoid(a_i + p_i sum_d c_d)\n"
            "f_d = sigmoid(a_f,d + p_f,d c_d)\n"
            "z = tanh(a_z)\n"
            "c = i z + sum_d f_d c_d\n"
            "o = sigmoid(a_o + p_o c)\n"
            "h = o tanh(c)\n"
            "a = W x + sum_d U_d h_d + b, h_d c_d: of the cell before along dimension d"
        ),
        "source": (
            "Graves, Schmidhuber: Offline Handwriting Recognition with "
            "Multidimensional Recurrent Neural Networks. NIPS 2008."
        ),
    }

    def __init__(
        self, input_size, hidden_size, ndim=2, *, directions="all", merge="concat",
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=None, dtype="float32", random_state=None,
    ):  # fmt: skip
        sizes = {"input_size": input_size, "hidden_size": hidden_size}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}: expected at least 1, got {size}")
        if ndim not in (1, 2, 3):
            raise ValueError(f"ndim: expected 1, 2 or 3, got {ndim!r}")
        if merge not in MERGES:
            raise ValueError(f"merge: expected one of {MERGES}, got {merge!r}")
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.ndim, self.merge = int(ndim), merge
        self.directions = _checked_directions(directions, self.ndim)
        self.codes = tuple(map(_code_of, self.directions))
        self.dtype = checked_dtype(dtype)
        m, n = self.input_size, self.hidden_size
        rows = (ndim + 3) * n
        one = dict(zip(KINDS, [(rows, m), (rows, ndim * n), (rows,), (ndim + 2, n)]))
        self.shapes = {
            f"{kind}_d{k}": shape
            for k in range(len(self.codes))
            for kind, shape in one.items()
        }
        self.n_weights = sum(map(math.prod, self.shapes.values()))
        self.weights = aligned(self.n_weights, self.dtype)
        rng = np.random.default_rng(random_state)
        draw = (
            find_initializer(input_initializer, "input_initializer"),
            find_initializer(recurrent_initializer, "recurrent_initializer"),
        )
        self._draw(rng, *draw, forget_bias)

    def _draw(self, rng, draw_input, draw_recurrent, forget_bias):
        m, n, dims = self.input_size, self.hidden_size, self.ndim
        if forget_bias is None:
            forget_bias = -math.log(dims - 1) if dims > 1 else 1.0
        for k in range(len(self.codes)):
            view = self._views(self.weights, k)
            for gate in np.split(view["weight_ih"], dims + 3):
                gate[:] = draw_input(rng, (n, m))
            for gate in np.split(view["weight_hh"], dims + 3):
                for part in np.split(gate, dims, axis=1):
                    part[:] = draw_recurrent(rng, (n, n))
            view["bias"][:] = 0
            view["bias"][n : (1 + dims) * n] = forget_bias
            view["peephole"][:] = rng.uniform(-0.1, 0.1, (dims + 2, n))

    @property
    def output_size(self):
        """Channels of an output."""
        return self.hidden_size * (len(self.codes) if self.merge == "concat" else 1)

    def _views(self, flat, k):
        """The parameters of direction k as views of flat weights or gradients."""
        size, views = self.n_weights // len(self.codes), {}
        start = k * size
        for kind in KINDS:
            shape = self.shapes[f"{kind}_d{k}"]
            end = start + math.prod(shape)
            views[kind] = flat[start:end].reshape(shape)
            start = end
        return views

    def _named(self, flat):
        """Copies of all parameters, out of flat weights or gradients."""
        return {
            f"{kind}_d{k}": view.copy()
            for k in range(len(self.codes))
            for kind, view in self._views(flat, k).items()
        }

    def _read(self):
        return self._named(self.weights)

    def _write(self, parameters):
        for k in range(len(self.codes)):
            for kind, view in self._views(self.weights, k).items():
                view[:] = parameters[f"{kind}_d{k}"]

    @property
    def penalised(self):
        """Parts of ``weights`` that an L2 penalty touches: all but the biases."""
        size, n = self.n_weights // len(self.codes), self.hidden_size
        rows, peepholes = (self.ndim + 3) * n, (self.ndim + 2) * n
        return [
            piece
            for start in range(0, self.n_weights, size)
            for piece in (
                slice(start, start + size - peepholes - rows),
                slice(start + size - peepholes, start + size),
            )
        ]

    # Unchecked, for networks.

    def apply(self, x, *, threads=0):
        """Return the outputs (cells, output_size) of the `Images` ``x``."""
        return self._merged(self._run(x, None, threads))

    def record(self, x, *, threads=0):
        """Return the outputs and the tape that `pull` needs."""
        size = _core.mdlstm_tape_size(
            x.shapes, len(self.codes), self.input_size, self.hidden_size,
            self.dtype == np.float64,
        )  # fmt: skip
        saved = aligned(size, self.dtype)
        y = self._run(x, saved, threads)
        return self._merged(y), Tape(x, y, saved, self.weights)

    def _run(self, x, saved, threads):
        width = len(self.codes) * self.hidden_size
        y = fresh((len(x.values), width), self.dtype)
        if len(x):
            _core.mdlstm_forward(
                self.weights, x.shapes, self.codes, self.hidden_size, x.values, y,
                saved, threads,
            )  # fmt: skip
        return y

    def _merged(self, y):
        if self.merge == "concat":
            return y
        return y.reshape(len(y), len(self.codes), -1).sum(axis=1)

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient`` with that of the weights; return ``dx`` or None.

        Parameters
        ----------
        tape : Tape
            What `record` returned; used up.
        dy : ndarray of shape (cells, output_size)
            Gradient of the loss at the outputs.
        gradient : ndarray of shape (n_weights,)
            Overwritten, laid out like ``weights``.
        input_gradient : bool, default=True
            Whether ``dx`` (cells, input_size) is wanted.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.
        """
        if tape.used:
            raise ValueError("tape: expected one that no backward has used, got a used")
        tape.used = True
        if self.merge == "sum":
            dy = np.tile(dy, len(self.codes))
        dx = np.empty_like(tape.x.values) if input_gradient else None
        if len(tape.x):
            _core.mdlstm_backward(
                tape.weights, tape.x.shapes, self.codes, self.hidden_size,
                tape.x.values, tape.y, tape.saved, np.ascontiguousarray(dy), dx,
                gradient, threads,
            )  # fmt: skip
        else:
            gradient[:] = 0
        return dx

    # Checked, for people.

    def __call__(self, X, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (*size, input_size) arrays, (n, *size, input_size) array or Images
            The batch.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : like X, with output_size channels
        """
        x = self._images(X)
        return in_form_of(X, x.with_values(self.apply(x, threads=threads)))

    def forward(self, X, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as second result."""
        x = self._images(X)
        y, tape = self.record(x, threads=threads)
        tape.form = X
        return in_form_of(X, x.with_values(y)), tape

    def backward(self, tape, dY, *, threads=0):
        """Gradients of a loss whose gradients at the outputs are given.

        Parameters
        ----------
        tape : Tape
            From `forward`; used up.
        dY : like Y
            Gradient at the outputs.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : like X
        grads : dict of str to ndarray
            Gradients of the `parameters`.

        Raises
        ------
        ValueError
            dY has other sizes than Y, or the tape was used before.
        """
        dy = checked_gradient(tape.x, dY, self.ndim, self.dtype, self.output_size)
        gradient = aligned(self.n_weights, self.dtype)
        dx = self.pull(tape, dy, gradient, threads=threads)
        return in_form_of(tape.form, tape.x.with_values(dx)), self._named(gradient)

    def _images(self, X):
        return as_images(
            X, ndim=self.ndim, dtype=self.dtype, n_features=self.input_size
        )


def checked_gradient(y, dY, ndim, dtype, n_features):
    """The gradient at the outputs as an array, of the sizes of the images ``y``."""
    given = as_images(dY, ndim=ndim, dtype=dtype, n_features=n_features, name="dY")
    if not np.array_equal(given.shapes, y.shapes):
        raise ValueError(
            f"dY: expected the sizes {y.shapes.tolist()}, got {given.shapes.tolist()}"
        )
    return given.values


def in_form_of(X, y):
    """Images y as X was given: Images, a list, or an array."""
    if isinstance(X, Images):
        return y
    if is_list(X):
        return y.to_list()
    return y.values.reshape(len(y), *y.shapes[0], y.n_features)


def _checked_directions(directions, ndim):
    """Signs of each direction, in the order in which their outputs stand."""
    every = ["".join(signs) for signs in all_pairs("+-", repeat=ndim)]
    if isinstance(directions, str):
        if directions != "all":
            raise ValueError(
                f'directions: expected "all" or a list such as {every[:2]}, got '
                f"{directions!r}"
            )
        return tuple(every)
    chosen = tuple(directions)
    if not chosen or len(set(chosen)) < len(chosen) or not {*chosen} <= {*every}:
        raise ValueError(
            f"directions: expected some of {every}, each once, got {[*chosen]}"
        )
    return chosen


def _code_of(signs):
    """As the kernel counts: bit d for dimension d.

    Examples
    --------
    >>> _code_of("++"), _code_of("-+"), _code_of("+-")
    (0, 1, 2)
    """
    return sum(1 << d for d, sign in enumerate(signs) if sign == "-")
