"""MatrixMemory: the cell of the mLSTM alone, from q, k, v and gates to h, in C."""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import _core
from .layer import aligned, checked_dtype, fresh
from .options import check_choice, check_integer

FORMS = ("chunkwise", "parallel", "recurrent")


def check_memory_options(
    *, hidden_size, num_heads, input_gate, forget_gate, normalise, form, chunk_size
):
    """Raise ValueError for what no matrix memory can have; chunk_size may be None."""
    for name, value in (
        ("hidden_size", hidden_size), ("num_heads", num_heads),
        ("chunk_size", 1 if chunk_size is None else chunk_size),
    ):  # fmt: skip
        check_integer(name, value, 1)
    if hidden_size % num_heads:
        raise ValueError(
            f"num_heads: expected a divisor of hidden_size {hidden_size}, got "
            f"{num_heads}"
        )
    check_choice("input_gate", input_gate, ("exponential", "sigmoid"))
    check_choice("forget_gate", forget_gate, ("sigmoid", "exponential"))
    check_choice("form", form, ("auto", *FORMS))
    if input_gate == "sigmoid" and forget_gate == "exponential":
        raise ValueError(
            "forget_gate: expected 'sigmoid' with input_gate 'sigmoid', which has no "
            "stabiliser, got 'exponential'"
        )
    if input_gate == "exponential" and not normalise:
        raise ValueError(
            "normalise: expected True with input_gate 'exponential', whose weights "
            f"have no bound, got {normalise!r}"
        )


class MatrixMemory:
    """The matrix memory of the mLSTM [1]_: a state C of d_v x d_k a head, no weights.

    Unchecked: what calls it has checked its data. Rows are the steps of all sequences,
    one after another, as in `Sequences`; heads lie side by side in a row.

    Parameters
    ----------
    heads : int
        Memories that run side by side.
    d_k : int
        Features of a query and of a key, of one head.
    d_v : int, default=None
        Features of a value, of one head; None: d_k.
    dtype : {"float32", "float64"}, default="float32"
        Type of all arrays.
    input_gate : {"exponential", "sigmoid"}, default="exponential"
        With a sigmoid nothing needs to be stabilised, and m stays 0.
    forget_gate : {"sigmoid", "exponential"}, default="sigmoid"
        The squash of f; an exponential one needs an exponential input gate.
    normalise : bool, default=True
        Whether h is divided by max(abs(n'q), exp(-m)) + epsilon; only with a sigmoid
        input gate may it be False.
    epsilon : float, default=1e-6
        As in the package xlstm.
    form : {"auto", "chunkwise", "parallel", "recurrent"}, default="auto"
        Equal results, up to rounding; auto is chunkwise.
    chunk_size : int, default=0
        Steps of a chunk; 0: by d_k and d_v.

    Notes
    -----
    Arrays, ``N`` the steps of all sequences, ``n`` the sequences: q, k (N, heads *
    d_k); v, o, h (N, heads * d_v); i, f (N, heads), before their squash. k is scaled
    by 1 / sqrt(d_k) inside. Rows may lie apart, as slices ``a[:, 3:7]`` of a wider
    array do; the elements of a row lie side by side. With o, the output gate before its
    squash, h is sigmoid(o) times what the memory answers.

    A state is a tuple C (n, heads, d_v, d_k), n (n, heads, d_k), m (n, heads): C and n
    are those of the equations times exp(-m). None is zeros. The gradient of a state is
    a tuple of the same shapes.

    The bits of a sequence's results depend neither on the others nor on the threads.

    References
    ----------
    .. [1] Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers.matrix_memory import MatrixMemory
    >>> memory = MatrixMemory(heads=2, d_k=4)
    >>> q = k = v = np.ones((5, 8), np.float32)
    >>> i = f = np.zeros((5, 2), np.float32)
    >>> h, (C, n, m) = memory.apply(q, k, v, i, f, offsets=np.array([0, 3, 5]))
    >>> h.shape, C.shape
    ((5, 8), (2, 2, 4, 4))
    """

    def __init__(
        self, heads, d_k, d_v=None, *, dtype="float32", input_gate="exponential",
        forget_gate="sigmoid", normalise=True, epsilon=1e-6, form="auto", chunk_size=0,
    ):  # fmt: skip
        self.heads, self.d_k, self.d_v = heads, d_k, d_k if d_v is None else d_v
        self.dtype = checked_dtype(dtype)
        self._options = (
            input_gate == "sigmoid", forget_gate == "exponential", not normalise,
            epsilon, chunk_size, 0 if form == "auto" else FORMS.index(form),
        )  # fmt: skip
        self._open()

    def _open(self):
        float64 = self.dtype == np.float64
        self._kernel = _core.Memory(
            float64, self.heads, self.d_k, self.d_v, *self._options
        )
        self._spare = None

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["_kernel"], state["_spare"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._open()

    def apply(self, q, k, v, i, f, offsets, state=None, *, o=None, threads=0):
        """Run without a tape. Returns (h, state)."""
        after, h = self.empty_state(len(offsets) - 1), self._rows(len(q), self.d_v)
        _forward(self.dtype)(
            self._kernel, offsets, q, k, v, i, f, o, state, after, h, None, None,
            threads,
        )  # fmt: skip
        return h, after

    def record(self, q, k, v, i, f, offsets, state=None, *, o=None, threads=0):
        """Run for training. Returns (h, state, tape); the tape refers to the arrays."""
        after, h = self.empty_state(len(offsets) - 1), self._rows(len(q), self.d_v)
        gated = h if o is None else self._rows(len(q), self.d_v)
        size = self._kernel.tape_size(offsets)
        saved, self._spare = self._spare, None
        if saved is None or len(saved) < size:
            saved = aligned(size, self.dtype)
        _forward(self.dtype)(
            self._kernel, offsets, q, k, v, i, f, o, state, after, h,
            None if o is None else gated, saved, threads,
        )  # fmt: skip
        return gated, after, (q, k, v, i, f, offsets, state, o, h, saved)

    def pull(self, tape, dh, dstate=None, *, out=None, threads=0):
        """Go back over a tape, once.

        dh (N, heads * d_v), or None: zeros; dstate: at the final states, or None. out:
        a tuple of arrays (dq, dk, dv, di, df, do) to be overwritten, do None without o;
        None: new ones. Returns (out, gradient at the initial states).
        """
        q, k, v, i, f, offsets, state, o, h, saved = tape
        if out is None:
            keys = [self._rows(len(q), self.d_k) for _ in range(2)]
            gates = [self._rows(len(q), 1) for _ in range(2)]
            dv, do = self._rows(len(q), self.d_v), None
            if o is not None:
                do = self._rows(len(q), self.d_v)
            out = (*keys, dv, *gates, do)
        if dh is None:
            dh = np.zeros_like(h)
        before = self.empty_state(len(offsets) - 1)
        _backward(self.dtype)(
            self._kernel, offsets, q, k, v, i, f, o, state, h, saved, dh, dstate,
            *out, before, threads,
        )  # fmt: skip
        self._spare = saved
        return out, before

    def stream(self, batch_size=1):
        """Open a stream of batch_size sequences: see `MemoryStream`."""
        return MemoryStream(self, batch_size)

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self._spare = None

    def empty_state(self, n):
        """Uninitialised arrays for the states of n sequences."""
        keys, values = self.d_k, self.d_v
        shapes = (n, self.heads, values, keys), (n, self.heads, keys), (n, self.heads)
        return tuple(np.empty(shape, self.dtype) for shape in shapes)

    def _rows(self, rows, width):
        return fresh((rows, self.heads * width), self.dtype)


class MemoryStream:
    """Memories that advance by one step a call; ``MatrixMemory.stream`` opens one.

    ``step(q, k, v, i, f, o=None)`` takes arrays of batch_size rows and returns h, the
    stream's own array, the same at each call. Its results are those of the recurrent
    form to the bit, of the others up to rounding. Memory does not grow with the steps.
    """

    def __init__(self, memory, batch_size=1):
        self.memory, self.batch_size = memory, batch_size
        size = memory._kernel.stream_size
        self._state = aligned(batch_size * memory.heads * size, memory.dtype)
        self._state[:] = 0
        self._h = memory._rows(batch_size, memory.d_v)

    def step(self, q, k, v, i, f, o=None):
        """Advance all sequences by one step; returns h (batch_size, heads * d_v)."""
        _core.memory_step(
            self.memory._kernel, self._state, q, k, v, i, f, o, self._h
        )  # fmt: skip
        return self._h

    def reset(self, rows=None):
        """Set the states of the given rows, an index of NumPy, to zeros; None: all."""
        state = self._state.reshape(self.batch_size, -1)
        state[slice(None) if rows is None else rows] = 0

    def get_state(self):
        """Return copies of the states, as `MatrixMemory.apply` returns them."""
        state = self.memory.empty_state(self.batch_size)
        _move(self.memory.dtype)(self.memory._kernel, self._state, state, False)
        return state

    def set_state(self, state):
        """Go on from a state, which is copied; None: zeros."""
        if state is None:
            self.reset()
        else:
            _move(self.memory.dtype)(self.memory._kernel, self._state, state, True)

    def copy(self):
        """Return an independent stream in the same state."""
        other = MemoryStream(self.memory, self.batch_size)
        other._state[:] = self._state
        return other


def by_dtype(door):
    """A door of `_core` without a look at the dtype of its arguments at each call."""
    return cache(lambda dtype: door["double" if dtype == np.float64 else "float"])


_forward = by_dtype(_core.memory_forward)
_backward = by_dtype(_core.memory_backward)
_move = by_dtype(_core.memory_move)
