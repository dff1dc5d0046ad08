"""MLSTM: a layer of matrix memories, its projections and its output gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..sequences import Sequences, as_sequences
from .dense import product
from .forms import in_form_of
from .layer import Layer, aligned, checked_dtype, fresh
from .matrix_memory import MatrixMemory, check_memory_options
from .mlstm_stream import MLSTMStream
from .options import check_integer

EQUATIONS = """\
q = W_q x + b_q   k = (W_k x + b_k) / sqrt(d)   v = W_v x + b_v   d: features of a head
i = exp(w_i x + b_i)   f = sigmoid(w_f x + b_f)                   of each head
o = sigmoid(W_o x + b_o)
C = f C' + i v k^T   n = f n' + i k                              ' the step before
h = o * (C q / max(|n q|, 1))"""


@dataclass
class Tape:
    """What a training forward keeps for one backward."""

    x: Sequences
    memory: tuple
    form: object = None  # what the caller gave, for the form of dX
    used: bool = False


class MLSTM(Layer):
    """mLSTM [1]_: memories that are matrices, written with keys and read with queries.

    Nothing of a step's output goes into the next step's gates, so that all steps of a
    sequence can be computed at once: there are three equal forms. In the parallel one
    time is quadratic in the steps, in the recurrent one step follows step, and the
    chunkwise one is parallel within a chunk and recurrent from chunk to chunk, which is
    the fastest for all but the shortest sequences. Its tape grows with the steps.

    Parameters
    ----------
    input_size : int
        Features of a step.
    hidden_size : int
        Features of an output step, those of all heads side by side.
    num_heads : int, default=4
        Memories; a divisor of hidden_size. Each is a matrix of d x d, d = hidden_size /
        num_heads.
    input_gate : {"exponential", "sigmoid"}, default="exponential"
        The squash of the input gate; with a sigmoid no stabiliser m is needed, and it
        stays 0 [2]_.
    forget_gate : {"sigmoid", "exponential"}, default="sigmoid"
        The squash of the forget gate; an exponential one needs an exponential input
        gate.
    normalise : bool, default=True
        Whether an answer is divided by max(abs(n q), 1); only with a sigmoid input gate
        may it be False.
    form : {"auto", "chunkwise", "parallel", "recurrent"}, default="auto"
        How the steps are computed, which changes roundings alone; auto is chunkwise.
    chunk_size : int or None, default=None
        Steps of a chunk; None: 48 to 128, by the features of a head.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    output_size : int
        hidden_size.
    n_parameters : int
        Numbers that training may choose.
    state_names : tuple of str
        ``("C", "n", "m")``.
    parameters : dict of str to ndarray
        Read-only copies: ``weight_q``, ``weight_k``, ``weight_v``, ``weight_o``
        (hidden_size, input_size), ``weight_i``, ``weight_f`` (num_heads, input_size),
        ``bias_q`` ... ``bias_f``.

    Raises
    ------
    ValueError
        A number is too small, heads do not divide hidden_size, or options do not go
        together.

    Notes
    -----
    A state is a tuple of arrays C (n, num_heads, d, d), n (n, num_heads, d) and m (n,
    num_heads), C with a row for each feature of v; C and n are those of the equations
    times exp(-m), m = max(log f + m', log i), so that no gate overflows. To what h is
    divided by 1e-6 is added, as in the package xlstm; k is scaled, as in its recurrent
    form, so that its states are ours.

    Gates start with weights 0, the bias of f between 3 and 6 over the heads, and that
    of i near 0, as in [1]_.

    The bits of a sequence's outputs depend neither on the other sequences of the batch
    nor on the number of threads.

    References
    ----------
    .. [1] Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.
    .. [2] Beck, Pöppel, Lippe, Hochreiter: Tiled Flash Linear Attention: More Efficient
       Linear RNN and xLSTM Kernels. 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import MLSTM
    >>> layer = MLSTM(3, 8, num_heads=2, random_state=0)
    >>> Y, (C, n, m) = layer([np.zeros((5, 3)), np.zeros((2, 3))])
    >>> [y.shape for y in Y], C.shape
    ([(5, 8), (2, 8)], (2, 2, 4, 4))
    """

    about = {
        "name": "mlstm",
        "title": "mLSTM, a matrix memory",
        "equations": EQUATIONS,
        "source": "Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.",
    }

    state_names = ("C", "n", "m")

    def __init__(
        self, input_size, hidden_size, num_heads=4, *, input_gate="exponential",
        forget_gate="sigmoid", normalise=True, form="auto", chunk_size=None,
        dtype="float32", random_state=None,
    ):  # fmt: skip
        self.dtype = checked_dtype(dtype)
        check_integer("input_size", input_size, 1)
        check_memory_options(
            hidden_size=hidden_size, num_heads=num_heads, input_gate=input_gate,
            forget_gate=forget_gate, normalise=normalise, form=form,
            chunk_size=chunk_size,
        )  # fmt: skip
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.num_heads = int(num_heads)
        self.memory = MatrixMemory(
            self.num_heads, self.hidden_size // self.num_heads, dtype=self.dtype,
            input_gate=input_gate, forget_gate=forget_gate, normalise=bool(normalise),
            form=form, chunk_size=int(chunk_size or 0),
        )  # fmt: skip
        sizes = dict.fromkeys("qkvo", self.hidden_size) | dict.fromkeys(
            "if", self.num_heads
        )
        self.shapes = {f"weight_{k}": (n, self.input_size) for k, n in sizes.items()}
        self.shapes |= {f"bias_{k}": (n,) for k, n in sizes.items()}
        ends = np.cumsum([0, *sizes.values()]).tolist()
        self._rows = {
            k: slice(a, b) for k, a, b in zip(sizes, ends, ends[1:], strict=False)
        }
        self.width = ends[-1]  # features of all projections
        self.n_weights = self.n_parameters = self.width * (self.input_size + 1)
        self.weights = aligned(self.n_weights, self.dtype)
        self._initialise(np.random.default_rng(random_state))

    def _initialise(self, rng):
        bound = math.sqrt(6 / (self.input_size + self.hidden_size))
        self.weights[:] = 0
        gates = self._rows["i"].start
        self.weight[:gates] = rng.uniform(-bound, bound, (gates, self.input_size))
        self.bias[self._rows["i"]] = rng.normal(0, 0.1, self.num_heads)
        self.bias[self._rows["f"]] = np.linspace(3, 6, self.num_heads)

    @property
    def output_size(self):
        """Features of an output step."""
        return self.hidden_size

    @property
    def weight(self):
        """View of the weights of all projections: q, k, v, o, i, f."""
        end = self.width * self.input_size
        return self.weights[:end].reshape(self.width, self.input_size)

    @property
    def bias(self):
        """View of the biases, in the same order."""
        return self.weights[self.width * self.input_size :]

    @property
    def penalised(self):
        """Parts of ``weights`` that an L2 penalty touches: all but the biases."""
        return [slice(0, self.width * self.input_size)]

    def _read(self):
        return self._named(self.weights)

    def _named(self, flat):
        end = self.width * self.input_size
        weight, bias = flat[:end].reshape(self.width, -1), flat[end:]
        named = {f"weight_{k}": weight[rows].copy() for k, rows in self._rows.items()}
        return named | {
            f"bias_{k}": bias[rows].copy() for k, rows in self._rows.items()
        }

    def _write(self, parameters):
        for k, rows in self._rows.items():
            self.weight[rows] = parameters[f"weight_{k}"]
            self.bias[rows] = parameters[f"bias_{k}"]

    # --- forward and backward ---------------------------------------------------------

    def apply(self, x, state=None, *, threads=0):
        """Run without a tape; see the class. Returns (y, state)."""
        return self.memory.apply(
            **self._projections(x, threads), state=state, threads=threads
        )

    def record(self, x, state=None, *, threads=0):
        """Run for training. Returns (y, state, tape)."""
        y, after, tape = self.memory.record(
            **self._projections(x, threads), state=state, threads=threads
        )
        return y, after, Tape(x, tape)

    def _projections(self, x, threads):
        """What the memory reads of the batch."""
        a = product(x.values, self.weight, self.bias, threads)
        return self._split(a) | {"offsets": x.offsets}

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=True, threads=0):
        """Go back over a tape, once. Returns (dx or None, dstate).

        dy (steps, output_size) and dstate may be None: zeros. `gradient`, laid out like
        `weights`, is overwritten.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        tape.used = True
        x, m = tape.x.values, self.input_size
        da = fresh((len(x), self.width), self.dtype)
        parts = self._split(da)
        _, before = self.memory.pull(
            tape.memory, dy, dstate, out=tuple(parts[k] for k in "qkvifo"),
            threads=threads,
        )  # fmt: skip
        end = self.width * m
        dx = fresh(x.shape, self.dtype) if input_gradient else None
        _core.dense_backward(
            x, self.weight, da, dx, gradient[:end].reshape(self.width, m),
            gradient[end:], threads,
        )  # fmt: skip
        return dx, before

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        self.memory.release()

    def _split(self, a):
        """The projections, views of their rows side by side."""
        return {k: a[:, rows] for k, rows in self._rows.items()}

    # --- as people call it ------------------------------------------------------------

    def __call__(self, X, state=None, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        state : tuple of arrays C, n and m, default=None
            Initial states, see the notes of the class; None: zeros.
        threads : int, default=0
            Threads at most; 0: see ``lstmc.set_num_threads``.

        Returns
        -------
        Y : list of (T_i, hidden_size) arrays, array, or Sequences, as X was
            Outputs.
        state : tuple of arrays
            Final states, each sequence's at its own end.
        """
        x = self._sequences(X)
        y, after = self.apply(x, self._checked(state, len(x), "state"), threads=threads)
        return in_form_of(X, x.with_values(y)), after

    def forward(self, X, state=None, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as third result."""
        x = self._sequences(X)
        state = self._checked(state, len(x), "state")
        y, after, tape = self.record(x, state, threads=threads)
        tape.form = X
        return in_form_of(X, x.with_values(y)), after, tape

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
            Gradients at the initial states C, n and m.
        grads : dict of str to ndarray
            Gradients of the `parameters`.
        """
        dy = None
        if dY is not None:
            given = as_sequences(
                dY, dtype=self.dtype, n_features=self.output_size, name="dY"
            )
            if not np.array_equal(given.offsets, tape.x.offsets):
                raise ValueError("dY: expected the lengths of X, got others")
            dy = given.values
        dstate = self._checked(dstate, len(tape.x), "dstate")
        gradient = aligned(self.n_weights, self.dtype)
        dx, before = self.pull(tape, dy, dstate, gradient, threads=threads)
        return (
            in_form_of(tape.form, tape.x.with_values(dx)),
            before,
            self._named(gradient),
        )

    def stream(self, batch_size=1):
        """Open a stream: sequences that arrive step by step, their state kept inside.

        Parameters
        ----------
        batch_size : int, default=1
            Independent sequences that advance together.

        Returns
        -------
        stream : MLSTMStream
            ``stream.step(x)`` takes x (batch_size, input_size) and returns the outputs
            (batch_size, hidden_size). They are those of a call with whole sequences:
            to the bit in the recurrent form, else up to rounding.

        Examples
        --------
        >>> import numpy as np
        >>> from lstmc.layers import MLSTM
        >>> stream = MLSTM(3, 8, random_state=0).stream()
        >>> stream.step(np.ones(3, np.float32)).shape
        (8,)
        """
        return MLSTMStream(self, batch_size)

    def _sequences(self, X):
        return as_sequences(X, dtype=self.dtype, n_features=self.input_size)

    def _checked(self, state, n, name):
        """The states as clean arrays of the right shape, or None."""
        if state is None:
            return None
        if len(state) != 3:
            raise ValueError(
                f"{name}: expected 3 arrays {self.state_names}, got {len(state)}"
            )
        clean = []
        for label, array, like in zip(
            self.state_names, state, self.memory.empty_state(n), strict=True
        ):
            array = np.require(array, self.dtype, ["C", "A"])
            if array.shape != like.shape:
                raise ValueError(
                    f"{name} {label}: expected {like.shape}, got {array.shape}"
                )
            clean.append(array)
        return tuple(clean)
