"""AttentionLSTM: an LSTM whose every step sees a weighted sum of all steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from .. import _core
from ..initializers import glorot_uniform, orthogonal
from ..sequences import Sequences, as_sequences
from .dense import product
from .forms import in_form_of
from .layer import Layer, aligned, checked_dtype, fresh

States = tuple[np.ndarray, np.ndarray]


@dataclass
class AttentionTape:
    """What `AttentionLSTM.record` leaves for one `pull`."""

    x: Sequences
    state: States | None
    key: np.ndarray  # (sum T, units)
    kept: tuple[np.ndarray, ...]  # gates, context, h, c
    form: object = None  # what the caller gave, for the form of dX
    used: bool = False


class AttentionLSTM(Layer):
    """LSTM with soft attention [1]_ over all steps of its input, as in ALSTM-FCN [2]_.

    Before each step the state before it is compared with every step of the sequence;
    the sum of the steps, weighted by how well they agree, enters the gates beside x::

        e_k = v' tanh(K x_k + b_K + U h0)      over all steps k of the sequence
        s   = sum_k softmax(e)_k x_k           the context
        a   = W x + R h0 + A s + b             gates i, f, z, o
        c   = f c0 + i z     h = o tanh(c)

    Parameters
    ----------
    input_size : int
        Features of a step.
    hidden_size : int
        Units.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights: uniform after Glorot for what reads x and for v,
        orthogonal for what reads h; biases are 0, that of the forget gate 1.

    Attributes
    ----------
    output_size : int
        Features of an output step: hidden_size.
    parameters : dict of str to ndarray
        ``weight_ih`` W (4 n, m), ``weight_hh`` R (4 n, n), ``weight_ch`` A (4 n, m),
        ``bias`` b (4 n), ``weight_key`` K (n, m), ``bias_key`` (n), ``weight_query`` U
        (n, n), ``vector`` v (n), with m = input_size, n = hidden_size.

    Notes
    -----
    A state is a tuple of two arrays (n_sequences, hidden_size), h and c. Time grows
    with the square of the steps. The bits of a sequence's outputs depend neither on the
    other sequences of the batch nor on the number of threads. In the code published
    with [2]_ the sum over steps runs over the samples of the batch, since the input
    has lost its axis of time by then; here it is what the paper says. On a single step,
    as after the dimension shuffle, the context is that step itself.

    References
    ----------
    .. [1] Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to
       Align and Translate. ICLR 2015.
    .. [2] Karim, Majumdar, Darabi, Chen: LSTM Fully Convolutional Networks for Time
       Series Classification. IEEE Access 6, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import AttentionLSTM
    >>> layer = AttentionLSTM(3, 8, random_state=0)
    >>> Y, (h, c) = layer([np.zeros((5, 3)), np.zeros((2, 3))])
    >>> [y.shape for y in Y], h.shape
    ([(5, 8), (2, 8)], (2, 8))
    """

    about = {
        "name": "attention_lstm",
        "title": "LSTM that attends to all steps of its input",
        "equations": (
            "e_k = v' tanh(K x_k + b_K + U h0)\n"
            "s = sum_k softmax(e)_k x_k\n"
            "a = W x + R h0 + A s + b\n"
            "c = f c0 + i z     h = o tanh(c)"
        ),
        "source": (
            "Karim, Majumdar, Darabi, Chen: LSTM Fully Convolutional Networks for Time "
            "Series Classification. IEEE Access 6, 2018."
        ),
    }
    state_names = ("h", "c")

    def __init__(self, input_size, hidden_size, *, dtype="float32", random_state=None):
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise ValueError(f"{name}: expected at least 1, got {size}")
        m, n = self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.output_size = n
        self.dtype = checked_dtype(dtype)
        self.shapes = {
            "weight_ih": (4 * n, m), "weight_hh": (4 * n, n), "weight_ch": (4 * n, m),
            "weight_key": (n, m), "weight_query": (n, n), "vector": (n,),
            "bias": (4 * n,), "bias_key": (n,),
        }  # fmt: skip
        self.n_weights = sum(math.prod(shape) for shape in self.shapes.values())
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        rng = np.random.default_rng(random_state)
        drawn = self._read()
        for name in ("weight_ih", "weight_ch", "weight_key"):
            drawn[name] = glorot_uniform(rng, self.shapes[name])
        for name in ("weight_hh", "weight_query"):
            drawn[name] = orthogonal(rng, self.shapes[name])
        drawn["vector"] = glorot_uniform(rng, (1, n))[0]
        drawn["bias"][n : 2 * n] = 1
        self._write(drawn)

    def _views(self, flat):
        """The parameters in a buffer laid out like `weights`."""
        views, end = {}, 0
        for name, shape in self.shapes.items():
            first, end = end, end + math.prod(shape)
            views[name] = flat[first:end].reshape(shape)
        return views

    def _read(self):
        return {k: view.copy() for k, view in self._views(self.weights).items()}

    def _write(self, parameters):
        for name, view in self._views(self.weights).items():
            view[:] = parameters[name]

    @property
    def penalised(self):
        """The part of ``weights`` before the biases."""
        return [slice(0, self.n_weights - 5 * self.hidden_size)]

    # --- unchecked --------------------------------------------------------------------

    def apply(self, x, state=None, *, threads=0):
        """Run Sequences without a tape. Returns (y, state)."""
        y, after, _ = self.record(x, state, threads=threads)
        return y, after

    def record(self, x, state=None, *, threads=0):
        """Run Sequences for training. Returns (y, state, tape)."""
        w, n, steps = self._views(self.weights), self.hidden_size, len(x.values)
        key = product(x.values, w["weight_key"], w["bias_key"], threads)
        gates = product(x.values, w["weight_ih"], w["bias"], threads)
        context = fresh((steps, self.input_size), self.dtype)
        h, c = fresh((2, steps, n), self.dtype)
        kept = (gates, context, h, c)
        if len(x):
            _kernel("attend", self.dtype)(
                x.offsets, (x.values, key), self._kernel_weights(w), state, kept,
                w["vector"], threads,
            )  # fmt: skip
        after = tuple(self._last(x, rows, k, state) for k, rows in enumerate((h, c)))
        return h, after, AttentionTape(x, state, key, kept)

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=True, threads=0):
        """Go back over a tape, once. Returns (dx or None, dstate).

        dy (sum T, hidden_size) and dstate may be None: zeros. `gradient`, laid out like
        `weights`, is overwritten.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        tape.used = True
        x, n, steps = tape.x, self.hidden_size, len(tape.x.values)
        w, g = self._views(self.weights), self._views(gradient)
        dx = fresh((steps, self.input_size), self.dtype)
        d_key, d_query = fresh((2, steps, n), self.dtype)
        d_vector = np.empty((len(x), n), self.dtype)
        before = tuple(np.empty((2, len(x), n), self.dtype))
        if len(x):
            _kernel("attend_back", self.dtype)(
                x.offsets, (x.values, tape.key), self._kernel_weights(w), tape.state,
                tape.kept, dy, dstate, (dx, d_key, d_query, d_vector), before,
                w["vector"], threads,
            )  # fmt: skip
        da, context, h, _ = tape.kept
        h0 = self._before(x, h, tape.state)
        for name, d, seen in (
            ("weight_ih", da, x.values), ("weight_hh", da, h0),
            ("weight_ch", da, context), ("weight_key", d_key, x.values),
            ("weight_query", d_query, h0),
        ):  # fmt: skip
            none = np.zeros(seen.shape[1], self.dtype)
            g[name][:] = product(d.T, seen.T, none, threads)
        g["bias"][:], g["bias_key"][:] = da.sum(axis=0), d_key.sum(axis=0)
        g["vector"][:] = d_vector.sum(axis=0)
        if not input_gradient:
            return None, before
        none = np.zeros(self.input_size, self.dtype)
        dx += product(da, w["weight_ih"].T, none, threads)
        dx += product(d_key, w["weight_key"].T, none, threads)
        return dx, before

    def _kernel_weights(self, w):
        names = ("weight_hh", "weight_ch", "weight_query", "vector")
        return tuple(w[name] for name in names)

    def _last(self, x, rows, k, state):
        """A state after the last step of each sequence."""
        after = np.zeros((len(x), self.hidden_size), self.dtype)
        if state is not None:
            after[:] = state[k]
        filled = x.lengths > 0
        after[filled] = rows[x.offsets[1:][filled] - 1]
        return after

    def _before(self, x, h, state):
        """h before each step."""
        before = np.empty_like(h)
        before[1:] = h[:-1]
        filled = x.lengths > 0
        before[x.offsets[:-1][filled]] = 0 if state is None else state[0][filled]
        return before

    # --- checked ----------------------------------------------------------------------

    def __call__(self, X, state=None, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        state : tuple of 2 arrays (n, hidden_size), default=None
            Initial h and c; None: zeros.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list of (T_i, hidden_size) arrays, array, or Sequences, as X was
        state : tuple of 2 arrays (n, hidden_size)
            Final h and c, each sequence's at its own end.
        """
        x = self._sequences(X)
        y, after = self.apply(x, self._checked(state, x, "state"), threads=threads)
        return in_form_of(X, x.with_values(y)), after

    def forward(self, X, state=None, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as third result."""
        x = self._sequences(X)
        state = self._checked(state, x, "state")
        y, after, tape = self.record(x, state, threads=threads)
        tape.form = X
        return in_form_of(X, x.with_values(y.copy())), after, tape

    def backward(self, tape, dY, dstate=None, *, threads=0):
        """Gradients of a loss whose gradients at the outputs are given.

        Parameters
        ----------
        tape : AttentionTape
            From `forward`; used up.
        dY : like Y, or None
            Gradient at the outputs; None: zeros.
        dstate : tuple of 2 arrays, default=None
            Gradients at the final states; None: zeros.
        threads : int, default=0
            Threads at most.

        Returns
        -------
        dX : like X
        dstate : tuple of 2 arrays
            Gradients at the initial states.
        grads : dict of str to ndarray
            Gradients of the `parameters`.
        """
        x, dy = tape.x, None
        if dY is not None:
            given = as_sequences(
                dY, dtype=self.dtype, n_features=self.output_size, name="dY",
                allow_empty=True,
            )  # fmt: skip
            if not np.array_equal(given.offsets, x.offsets):
                raise ValueError(
                    f"dY: expected the lengths {x.lengths.tolist()} of X, got "
                    f"{given.lengths.tolist()}"
                )
            dy = given.values
        dstate = self._checked(dstate, x, "dstate")
        gradient = aligned(self.n_weights, self.dtype)
        dx, before = self.pull(tape, dy, dstate, gradient, threads=threads)
        return in_form_of(tape.form, x.with_values(dx)), before, self._views(gradient)

    def _sequences(self, X):
        return as_sequences(
            X, dtype=self.dtype, n_features=self.input_size, allow_empty=True
        )

    def _checked(self, state, x, name):
        """The states as clean arrays of the right shape, or None."""
        if state is None:
            return None
        if len(state) != 2:
            raise ValueError(f"{name}: expected 2 arrays, h and c, got {len(state)}")
        wanted, clean = (len(x), self.hidden_size), []
        for label, array in zip(self.state_names, state):
            array = np.ascontiguousarray(array, dtype=self.dtype)
            if array.shape != wanted:
                raise ValueError(
                    f"{name} {label}: expected {wanted}, got {array.shape}"
                )
            clean.append(np.require(array, requirements="A"))
        return tuple(clean)


@cache
def _kernel(name, dtype):
    """The kernel of one dtype: it has tuples of arrays, which tell none."""
    return getattr(_core, name)["double" if dtype == np.float64 else "float"]
