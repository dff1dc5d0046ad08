"""BlockStack: xLSTM blocks on a residual way, over Sequences, and its public face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..sequences import Sequences, as_sequences
from . import rowwise
from .block_stream import BlockStream
from .dense import Dense
from .flat import Composite, Flat
from .forms import in_form_of
from .layer import aligned


class Norm(Flat):
    """A layer norm without biases, over the rows of an array. Unchecked."""

    def __init__(self, width, dtype):
        super().__init__({"weight": (width,)}, dtype)
        self.weights[:] = 1


@dataclass
class Tape:
    """What a training forward keeps for one backward."""

    x: Sequences
    state: tuple[np.ndarray, ...] | None
    dropout_key: tuple[int, int]
    checkpoint: bool  # blocks holds the inputs of the blocks alone
    embed: np.ndarray | None = None
    blocks: list[Any] = field(default_factory=list)
    norm: tuple[np.ndarray, np.ndarray] | None = None
    form: object = None  # what the caller gave, for the form of dX
    static: None = None  # as of other stacks
    used: bool = False


class BlockStack(Composite):
    """An affine map of the input, or none, blocks, and a norm, or none.

    Parameters
    ----------
    embed : Dense or None
        The map from the input to the width of the blocks.
    blocks : dict of str to MatrixBlock or ScalarBlock
        The blocks by name.
    norm : Norm or None
        What the output goes through.
    """

    # What other stacks of a network have, and this has not.
    input_size: int
    hidden_size: int
    bidirectional, directions, timed = False, 1, False
    output_activation, proj_size, static_size = "tanh", 0, 0
    gradient, block_size, cell_bias = "full", 1, True
    residual, highway, variational, recurrent_dropout = False, False, False, 0.0
    zoneout, drop_connect = (0.0, 0.0), 0.0

    def __init__(self, embed, blocks, norm, dtype):
        children = {} if embed is None else {"embed": embed}
        children |= blocks
        if norm is not None:
            children["norm"] = norm
        super().__init__(children, dtype)
        self._embed, self._norm = embed, norm
        self._blocks = list(blocks.values())
        sites = np.cumsum([0] + [block.sites for block in self._blocks]).tolist()
        self._sites, self._all_sites = sites[:-1], sites[-1]

    @property
    def output_size(self):
        """Features of an output step."""
        return self.hidden_size

    state_size = output_size

    @property
    def state_names(self):
        """The states: h, the last output, and those of the blocks by number."""
        return ("h",) + tuple(
            f"{k}.{name}"
            for k, block in enumerate(self._blocks)
            for name in block.state_names
        )

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["weights"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        for name, child in self._children.items():
            child.bind(self.weights[self._parts[name]])

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        for block in self._blocks:
            block.release()

    # --- forward and backward, unchecked ----------------------------------------------

    def apply(
        self, x, state=None, *, time=None, static=None, outputs=True, dropout_key=None,
        threads=0,
    ):  # fmt: skip
        """Run without a tape; see the class. Returns (y or None, state).

        With a key, dropout is drawn as in training.
        """
        y, after, _ = self._run(x, state, dropout_key, None, threads)
        return (y if outputs else None), after

    def record(
        self, x, state=None, *, time=None, static=None, dropout_key=(0, 0),
        checkpoint=False, threads=0,
    ):  # fmt: skip
        """Run for training. Returns (y, state, tape).

        With ``checkpoint`` the tape keeps the inputs of the blocks alone, and `pull`
        runs each block once more, with the same bits.
        """
        tape = Tape(x, state, dropout_key, bool(checkpoint))
        return self._run(x, state, dropout_key, tape, threads)

    def _run(self, x, state, key, tape, threads):
        rows, offsets, after = x.values, x.offsets, []
        if self._embed is not None:
            rows = self._embed.apply(rows, threads=threads)
        for k, block in enumerate(self._blocks):
            own, before = self._key(key, k), self._own_state(state, k)
            if tape is None:
                rows, found = block.apply(
                    rows, offsets, before, key=own, threads=threads
                )
            elif tape.checkpoint:
                tape.blocks.append(rows)
                rows, found = block.apply(
                    rows, offsets, before, key=own, threads=threads
                )
            else:
                rows, found, kept = block.record(
                    rows, offsets, before, key=own, threads=threads
                )
                tape.blocks.append(kept)
            after.extend(found)
        if self._norm is not None:
            inner = rows
            rows, saved = rowwise.norm(inner, self._norm.weights, 1, threads)
            if tape is not None:
                tape.norm = inner, saved
        return rows, (self._last(x, rows, state), *after), tape

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=True, threads=0):
        """Go back over a tape, once. Returns (dx or None, dstate).

        dy (steps, output_size) and dstate may be None: zeros; so may each array of
        dstate. `gradient`, laid out like `weights`, is overwritten.
        """
        if tape.used:
            raise ValueError(
                "tape: expected a fresh one, got one that backward used up"
            )
        tape.used = True
        x, gradient[:] = tape.x, 0
        rows, dh = self._pull_last(x, dy, dstate)
        if self._norm is not None:
            rows = rowwise.pull_norm(
                tape.norm[0], self._norm.weights, 1, tape.norm[1], rows,
                gradient[self._parts["norm"]], threads,
            )  # fmt: skip
        before: list[np.ndarray] = []
        for k in reversed(range(len(self._blocks))):
            block, kept = self._blocks[k], tape.blocks.pop()
            if tape.checkpoint:
                _, _, kept = block.record(
                    kept, x.offsets, self._own_state(tape.state, k),
                    key=self._key(tape.dropout_key, k), threads=threads,
                )  # fmt: skip
            given = self._own_state(dstate, k)
            if given is not None and given[0] is None:
                given = None
            part = gradient[self._parts[self._names[k]]]
            rows, found = block.pull(kept, rows, given, part, threads=threads)
            before = [*found, *before]
        if self._embed is not None:
            rows = self._embed.pull(
                x.values, rows, gradient[self._parts["embed"]],
                input_gradient=input_gradient, threads=threads,
            )  # fmt: skip
        return (rows if input_gradient else None), (dh, *before)

    @property
    def _names(self):
        return [name for name in self._parts if name not in ("embed", "norm")]

    def _key(self, key, k):
        """The key of a block's dropout: streams that no other block of any call has."""
        if key is None:
            return None
        return key[0], key[1] * self._all_sites + self._sites[k]

    # --- states -----------------------------------------------------------------------

    def _empty_state(self, n):
        h = np.empty((1, n, self.hidden_size), self.dtype)
        return (h, *(s for block in self._blocks for s in block.empty_state(n)))

    def _own_state(self, state, k):
        """One block's states among all."""
        if state is None:
            return None
        counts = [len(block.state_names) for block in self._blocks]
        first = 1 + sum(counts[:k])
        return state[first : first + counts[k]]

    def _last(self, x, y, state):
        """The state h: a sequence's last output, or what it was before no steps."""
        h = np.zeros((1, len(x), self.hidden_size), self.dtype)
        if state is not None:
            h[:] = state[0]
        filled = x.lengths > 0
        h[0, filled] = y[x.offsets[1:][filled] - 1]
        return h

    def _pull_last(self, x, dy, dstate):
        """The gradient at all outputs, and that at the state h before."""
        shape = len(x.values), self.hidden_size
        rows = np.zeros(shape, self.dtype) if dy is None else dy.copy()
        before = np.zeros((1, len(x), self.hidden_size), self.dtype)
        if dstate is not None:
            filled = x.lengths > 0
            rows[x.offsets[1:][filled] - 1] += dstate[0][0, filled]
            before[0, ~filled] = dstate[0][0, ~filled]
        return rows, before

    def pull_last(self, state, dh):
        """Gradients at all final states: dh at h, None, which is zeros, at others."""
        return (dh[None], *[None] * (len(state) - 1))

    # --- the public face --------------------------------------------------------------

    def __call__(self, X, state=None, *, threads=0):
        """Run for inference; const, from any number of Python threads at once.

        Parameters
        ----------
        X : list of (T_i, input_size) arrays, (n, T, input_size) array or Sequences
            The batch.
        state : tuple of arrays, default=None
            Initial states; None: zeros.
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

    def forward(
        self, X, state=None, *, dropout_key=(0, 0), checkpoint=False, threads=0
    ):
        """Run for training: as a call, and a tape for `backward` as third result.

        dropout_key : tuple of 2 ints
            Seed and stream of the masks, if there is dropout.
        checkpoint : bool, default=False
            Whether the tape keeps the inputs of the blocks alone; `backward` runs each
            block once more, and its results have the same bits [1]_.

        References
        ----------
        .. [1] Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory
           Cost. 2016.
        """
        x = self._sequences(X)
        y, after, tape = self.record(
            x, self._checked(state, len(x), "state"), dropout_key=dropout_key,
            checkpoint=checkpoint, threads=threads,
        )  # fmt: skip
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
            Gradients at the final states; None: zeros. That of m of an mLSTM block is
            not looked at: nothing that is not scaled by it depends on it.
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
        x, dy = tape.x, None
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
        form = in_form_of(tape.form, x.with_values(dx))
        return form, before, self.unpacked(gradient)

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
        stream : BlockStream
            ``stream.step(x)`` takes x (batch_size, input_size) and returns the outputs
            (batch_size, hidden_size). Memory does not grow with the steps.

        Raises
        ------
        ValueError
            A number is too small.

        Examples
        --------
        >>> import numpy as np
        >>> from lstmc.layers import XLSTMBlock
        >>> stream = XLSTMBlock(8, random_state=0).stream()
        >>> stream.step(np.ones(8, np.float32)).shape
        (8,)
        """
        return BlockStream(self, batch_size, threads=threads)

    def _sequences(self, X):
        return as_sequences(X, dtype=self.dtype, n_features=self.input_size)

    def _checked(self, state, n, name):
        """The states as clean arrays of the right shape, or None."""
        if state is None:
            return None
        empty = self._empty_state(n)
        if len(state) != len(empty):
            raise ValueError(
                f"{name}: expected {len(empty)} arrays {self.state_names}, "
                f"got {len(state)}"
            )
        clean = []
        for label, array, like in zip(self.state_names, state, empty, strict=True):
            array = np.ascontiguousarray(array, dtype=self.dtype)
            if array.shape != like.shape:
                raise ValueError(
                    f"{name} {label}: expected {like.shape}, got {array.shape}"
                )
            clean.append(array)
        return tuple(clean)


def make_embedding(input_size, width, dtype, rng):
    """The map from the input, or None without an input_size."""
    if input_size is None:
        return None
    seed = int(rng.integers(2**31))
    return Dense(input_size, width, dtype=dtype, random_state=seed)
