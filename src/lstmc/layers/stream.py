"""Stream: a recurrent layer that takes one time step a call and keeps its state."""

from __future__ import annotations

import numpy as np

from .. import _core
from .._array_door import clean, real_array
from .extras import checked_static
from .layer import ALIGNMENT, aligned


class Stream(_core.Stream):
    """Sequences that grow step by step; see ``Recurrent.stream``, which opens one.

    ``stream.step(x)`` advances every sequence by one step, in a fraction of a
    microsecond for small layers: the state stays inside, nothing is allocated. The bits
    are those of the layer called with the whole sequences, for any number of threads.

    Parameters
    ----------
    layer : Recurrent
        Not bidirectional: the other direction would need the future.
    batch_size : int, default=1
        Independent sequences, one a row.
    threads : int, default=0
        Threads at most; 0: see ``lstmc.set_num_threads``. Small steps take one.

    Attributes
    ----------
    layer : Recurrent
        Its weights are read where they are, by all of its streams. What
        ``layer.load_parameters`` changed counts from the next `reset` of all rows on.
    batch_size, threads : int
        As given.

    Raises
    ------
    ValueError
        The layer is bidirectional, or a number is too small.

    Notes
    -----
    ``step`` takes x (batch_size, input_size), or (input_size,) if batch_size is 1, and
    returns y (batch_size, output_size), or (output_size,): the stream's own array, the
    same at each call and valid until the next. Arrays of the layer's dtype that are
    C-contiguous are read without a copy, others are converted, which takes longer than
    a step. Values are not checked: NaN goes in, comes out as NaN and stays in the state
    until `reset`.

    A stream is for one thread at a time; any number of streams may share a layer. It
    can be copied and pickled, with its layer, and goes on from where it was.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Recurrent
    >>> layer = Recurrent(3, 8, random_state=0)
    >>> stream = layer.stream()
    >>> X = np.ones((5, 3), np.float32)
    >>> for x in X:
    ...     y = stream.step(x)
    >>> Y, state = layer(X[None])
    >>> bool((y == Y[0, -1]).all())
    True
    """

    def __new__(cls, layer, *arguments, **options):
        if any(layer._shortcuts):
            cls = ShortcutStream
        return super().__new__(cls)

    def __init__(self, layer, batch_size=1, *, threads=0):
        if layer.bidirectional:
            raise ValueError(
                "stream: expected a layer of one direction, got a bidirectional one, "
                "whose reverse direction starts at the end of the sequence"
            )
        self.layer = layer
        self.batch_size = _at_least(1, "batch_size", batch_size)
        self.threads = _at_least(0, "threads", threads)
        # Raises, before any memory is taken, if it could never be had.
        _core.stream_bytes(tuple(layer._kernels), self.batch_size)
        self._time = aligned(self.batch_size, layer.dtype)
        self._time[:] = 0
        self._static = None
        self._open(self, slice(None))

    def _open(self, stream, chosen):
        """Open a stream of the chosen layers."""
        layer, size = self.layer, self.batch_size * self.layer.output_size
        kernels = tuple(layer._kernels[chosen])
        weights = tuple(layer.weights[part] for part in layer._parts[chosen])
        memory = aligned(_core.stream_bytes(kernels, self.batch_size), np.uint8)
        # No cache line is shared with what another thread writes.
        line = ALIGNMENT // layer.dtype.itemsize
        y = aligned(-(-size // line) * line, layer.dtype)[:size]
        y = y.reshape(self.batch_size, layer.output_size)
        y[:] = 0
        row = y[0] if self.batch_size == 1 else None
        noise = (*layer.zoneout, 0.0, 0, 0, 0)
        stream.open(kernels, weights, memory, y, row, self._time, noise, self.threads)

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
            self.refresh()
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
        if self._static is None:
            for k in chosen:
                self.clear(int(k), 1)
            return
        state = self.get_state()
        for array in state:
            array[:, chosen.astype(int)] = 0
        self.set_state(state)

    def get_state(self):
        """Return a copy of the state, as the layer takes and returns it.

        Returns
        -------
        state : tuple of ndarrays of shape (num_layers, batch_size, hidden_size)
            One for each of ``layer.state_names``.
        """
        layer, state = self.layer, self.layer._empty_state(self.batch_size)
        for k in range(layer.num_layers):
            own = layer._kernel_state(state, k, None)
            self.read(k, own)
            layer._store_state(own, state, k)
        return state

    def set_state(self, state):
        """Go on from a state: that of `get_state`, or of a call of the layer.

        Parameters
        ----------
        state : tuple of arrays of shape (num_layers, batch_size, hidden_size) or None
            One for each of ``layer.state_names``, copied; None: zeros.

        Raises
        ------
        ValueError
            Their number or a shape is another. The state is as it was.
        """
        layer = self.layer
        if state is None and self._static is None:
            self.clear(0, self.batch_size)
            return
        given = layer._checked(state, self.batch_size, "state")
        for k in range(layer.num_layers):
            self.write(k, layer._kernel_state(given, k, self._static, self.batch_size))

    def set_static(self, static):
        """Set the static features of all sequences; states stay as they are.

        Parameters
        ----------
        static : array of shape (batch_size, static_size)
            For a layer whose cell reads them.

        Raises
        ------
        ValueError
            The cell reads none, or the shape is another.
        """
        state = self.get_state()
        batch = range(self.batch_size)
        self._static = checked_static(self.layer, batch, static)
        self.set_state(state)

    def set_time(self, time):
        """Set the time elapsed before the next steps, until it is set again.

        Parameters
        ----------
        time : float or array of shape (batch_size,)
            At least 0; for a layer whose cell is timed.

        Raises
        ------
        ValueError
            The cell is not timed, or a time is below 0 or not finite.
        """
        array = np.broadcast_to(real_array(time, "time"), (self.batch_size,))
        if not self.layer.timed or not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError(
                f"time: expected at least 0, of a cell that is timed, got {time!r} for "
                f"{self.layer.cell!r}"
            )
        self._time[:] = array

    def copy(self):
        """Return an independent stream of the same layer, in the same state."""
        return _restored(*self.__reduce__()[1])

    __copy__ = copy

    def __reduce__(self):
        sizes = self.layer, self.batch_size, self.threads
        return _restored, (*sizes, self.get_state(), self._static, self._time.copy())

    def __repr__(self):
        layer = self.layer
        return (
            f"Stream({layer.cell}, batch_size={self.batch_size}, "
            f"{layer.input_size} inputs, {layer.num_layers} x {layer.hidden_size} units"
            f", {layer.dtype})"
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


class ShortcutStream(Stream):
    """A stream of layers with something past them: a stream each, and that between.

    It takes some microseconds a layer more.
    """

    def _open(self, stream, chosen):
        self._each = [_core.Stream() for _ in range(self.layer.num_layers)]
        for k, own in enumerate(self._each):
            super()._open(own, slice(k, k + 1))

    def step(self, x, /):
        """Advance all sequences by one time step; see `Stream`."""
        x, layer = self.converted(x), self.layer
        single, x = x.ndim == 1, np.atleast_2d(x)
        for own, shortcut in zip(self._each, layer._shortcuts, strict=True):
            y = own.step(x)
            if shortcut:
                y = shortcut.apply(x, y, layer.weights, self.threads)
            x = y
        return x[0] if single else x

    def refresh(self):
        """Look at the weights again."""
        for own in self._each:
            own.refresh()

    def clear(self, first, count):
        """Zero the states of some rows, in all layers."""
        for own in self._each:
            own.clear(first, count)

    def read(self, layer, states):
        """Copy a layer's states into arrays."""
        self._each[layer].read(0, states)

    def write(self, layer, states):
        """Set a layer's states from arrays."""
        self._each[layer].write(0, states)


def _restored(layer, batch_size, threads, state, static, time):
    stream = Stream(layer, batch_size, threads=threads)
    stream._static, stream._time[:] = static, time
    stream.set_state(state)
    return stream


def _at_least(least, name, value):
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(
            f"{name}: expected an integer of at least {least}, got {value!r}"
        )
    return int(value)
