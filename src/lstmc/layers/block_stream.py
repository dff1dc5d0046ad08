"""BlockStream: a stack of xLSTM blocks that takes one step a call, state kept."""

from __future__ import annotations

import numpy as np

from .. import _core
from .._array_door import clean, real_array
from .layer import aligned
from .rowwise import EPSILON
from .stream import _at_least


class BlockStream(_core.BlockStream):
    """Sequences that grow step by step; see ``XLSTM.stream``, which opens one.

    ``stream.step(x)`` advances every sequence by one step, in some 10 microseconds a
    block of 128 features: the state stays inside and does not grow, nothing is
    allocated. The results are those of the layer called with the whole sequences up to
    rounding, since that one computes many steps of an mLSTM together; their bits do not
    depend on the other sequences.

    Parameters
    ----------
    layer : XLSTM or XLSTMBlock
        Read at the opening: the stream keeps the weights that the layer had then.
    batch_size : int, default=1
        Independent sequences, one a row.
    threads : int, default=0
        Threads at most; 0: see ``lstmc.set_num_threads``. Small steps take one.

    Attributes
    ----------
    layer, batch_size, threads
        As given.

    Raises
    ------
    ValueError
        A number is too small.

    Notes
    -----
    ``step`` takes x (batch_size, input_size), or (input_size,) if batch_size is 1, and
    returns y (batch_size, hidden_size), or (hidden_size,): the stream's own array, the
    same at each call and valid until the next. Arrays of the layer's dtype that are
    C-contiguous are read without a copy, others are converted. Values are not checked:
    NaN goes in, comes out as NaN and stays in the state until `reset`.

    A stream is for one thread at a time; any number of streams may share a layer. It
    can be copied and pickled, and goes on from where it was.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import XLSTM
    >>> layer = XLSTM(3, 8, "xlstm[1:1]", random_state=0)
    >>> stream = layer.stream()
    >>> X = np.ones((5, 3), np.float32)
    >>> for x in X:
    ...     y = stream.step(x)
    >>> Y, state = layer(X[None])
    >>> bool(np.allclose(y, Y[0, -1], atol=1e-5))
    True
    """

    def __init__(self, layer, batch_size=1, *, threads=0):
        self.layer = layer
        self.batch_size = _at_least(1, "batch_size", batch_size)
        self.threads = _at_least(0, "threads", threads)
        n, d, dtype = self.batch_size, layer.hidden_size, layer.dtype
        self._weights = aligned(layer.n_weights, dtype)
        self._weights[:] = layer.weights
        self._open(layer, n, d, dtype)

    def _open(self, layer, n, d, dtype):
        code = int(dtype == np.float64)
        offsets = np.arange(n + 1, dtype=np.intp)
        self._parts, steps = [], []
        for block, weights in zip(layer._blocks, self._block_weights()):
            part, views = _Part(block, n, weights, self.threads), block.views(weights)
            maps = ("feed_up", "feed_down") if part.cells else ("up", "down")
            up, down = (_packed(views[name]) for name in maps)
            step = _core.BlockStep(
                code, n, d, block.inner, block.heads, EPSILON, views, up, down,
                offsets, part.past, part.memory, part.state, part.cells, self.threads,
            )  # fmt: skip
            step.use(aligned(step.scratch_size(), dtype))
            self._parts.append(part)
            steps.append(step)
        embed, norm = layer._embed, layer._norm
        if embed is not None:
            weight, bias = embed._parts(self._weights[layer._parts["embed"]])
            embed = _packed(weight), bias
        if norm is not None:
            norm = self._weights[layer._parts["norm"]]
        # No cache line is shared with what another thread writes.
        y = aligned(-(-n * d // 16) * 16, dtype)[: n * d].reshape(n, d)
        between, saved = (aligned(2 * n * k, dtype) for k in (d, 1))
        y[:] = between[:] = saved[:] = 0
        self.open_blocks(
            code, n, layer.input_size, d, EPSILON, steps, embed, norm,
            between.reshape(2, n, d), saved, y, y[0] if n == 1 else None,
            2.0 * layer.n_weights, self.threads,
        )  # fmt: skip
        self._h = y
        self.set_state(None)

    def _block_weights(self):
        return [self._weights[self.layer._parts[name]] for name in self.layer._names]

    def reset(self, rows=None):
        """Set states to zeros: the next step is the first of new sequences.

        Parameters
        ----------
        rows : int or array-like of int, default=None
            Which sequences, 0 to batch_size - 1; None: all.

        Raises
        ------
        IndexError
            There is no such row.
        TypeError
            rows holds other things than integers.
        """
        if rows is None:
            self.set_state(None)
            return
        chosen = np.atleast_1d(np.asarray(rows))
        if chosen.size and (chosen.dtype.kind not in "iu" or chosen.ndim != 1):
            raise TypeError(f"rows: expected None, an int or ints, got {rows!r}")
        wrong = [int(k) for k in chosen if not 0 <= k < self.batch_size]
        if wrong:
            raise IndexError(
                f"rows: expected 0 to {self.batch_size - 1}, got {wrong[0]}"
            )
        chosen = chosen.astype(int)
        self._h[chosen] = 0
        for part in self._parts:
            part.clear(chosen)

    def get_state(self):
        """Return a copy of the state, as the layer takes and returns it.

        Returns
        -------
        state : tuple of ndarrays
            One for each of ``layer.state_names``.
        """
        inner = [array for part in self._parts for array in part.get_state()]
        return (self._h[None].copy(), *inner)

    def set_state(self, state):
        """Go on from a state: that of `get_state`, or of a call of the layer.

        Parameters
        ----------
        state : tuple of arrays, or None
            One for each of ``layer.state_names``, copied; None: zeros.

        Raises
        ------
        ValueError
            Their number or a shape is another. The state is as it was.
        """
        given = self.layer._checked(state, self.batch_size, "state")
        self._h[:] = 0 if given is None else given[0][0]
        for k, part in enumerate(self._parts):
            part.set_state(self.layer._own_state(given, k))

    def copy(self):
        """Return an independent stream of the same layer, in the same state."""
        return _restored(*self.__reduce__()[1])

    __copy__ = copy

    def __reduce__(self):
        weights = self._weights.copy()
        own = self.layer, self.batch_size, self.threads, weights, self.get_state()
        return _restored, own

    def __repr__(self):
        layer = self.layer
        return (
            f"BlockStream({len(layer.kinds)} blocks, batch_size={self.batch_size}, "
            f"{layer.input_size} inputs, {layer.hidden_size} features, {layer.dtype})"
        )

    def converted(self, x):
        """Return x as `step` reads it without a copy, or raise what is wrong with it.

        Private: `step` asks for it where x is not such an array.
        """
        m = self.layer.input_size
        shapes = [(self.batch_size, m)] + [(m,)] * (self.batch_size == 1)
        array = real_array(x, "x")
        if array.shape not in shapes:
            wanted = " or ".join(map(str, shapes))
            raise ValueError(f"x: expected shape {wanted}, got {array.shape}")
        return clean(array, self.layer.dtype)


class _Part:
    """The states of one block, and what holds them: a memory, or a stream a head."""

    def __init__(self, block, n, weights, threads):
        channels = block.inner if block.kind == "mlstm" else block.width
        self.block, self.n = block, n
        self.past = np.zeros((n, 3, channels), block.dtype)
        self.memory = self.state = None
        self.cells = []
        if block.kind == "mlstm":
            self._memory = block._memory.stream(n)
            self.memory, self.state = block._memory._kernel, self._memory._state
            return
        kernel, time = block._kernel, np.zeros(n, block.dtype)
        for packed in block.packed(block.views(weights)):
            memory = aligned(_core.stream_bytes((kernel,), n), np.uint8)
            y = aligned(n * block.units, block.dtype).reshape(n, block.units)
            cell = _core.Stream()
            own = packed[: kernel.packed_size]
            cell.open((kernel,), (own,), memory, y, None, time, (0,) * 6, threads)
            self.cells.append(cell)

    def get_state(self):
        if not self.cells:
            return (self.past.copy(), *self._memory.get_state())
        found = self.block.empty_state(self.n)
        found[0][:] = self.past
        for k, cell in enumerate(self.cells):
            own = self._head_state()
            cell.read(0, own)
            for whole, part in zip(found[1:], own):
                whole[:, self._columns(k)] = part[0]
        return found

    def set_state(self, state):
        self.past[:] = 0 if state is None else state[0]
        if not self.cells:
            self._memory.set_state(None if state is None else tuple(state[1:]))
            return
        for k, cell in enumerate(self.cells):
            if state is None:
                cell.clear(0, self.n)
                continue
            own = (np.ascontiguousarray(s[:, self._columns(k)]) for s in state[1:])
            cell.write(0, tuple(s[None] for s in own))

    def clear(self, rows):
        self.past[rows] = 0
        if not self.cells:
            self._memory.reset(rows)
        for cell in self.cells:
            for row in rows:
                cell.clear(int(row), 1)

    def _columns(self, k):
        return slice(k * self.block.units, (k + 1) * self.block.units)

    def _head_state(self):
        shape = 1, self.n, self.block.units
        return tuple(np.empty(shape, self.block.dtype) for _ in range(4))


def _packed(weight):
    size = _core.dense_size(weight.dtype == np.float64, weight.shape[1], len(weight))
    packed = aligned(size, weight.dtype)
    _core.dense_pack(weight, packed)
    return packed


def _restored(layer, batch_size, threads, weights, state):
    stream = BlockStream(layer, batch_size, threads=threads)
    stream._weights[:] = weights
    stream._open(layer, batch_size, layer.hidden_size, layer.dtype)
    stream.set_state(state)
    return stream
