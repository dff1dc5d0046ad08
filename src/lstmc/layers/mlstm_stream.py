"""MLSTMStream: a layer of matrix memories that takes one time step a call."""

from __future__ import annotations

import numpy as np

from .. import _core
from .._array_door import clean, real_array
from .layer import aligned
from .options import check_integer


class MLSTMStream:
    """Sequences that grow step by step; see ``MLSTM.stream``, which opens one.

    ``stream.step(x)`` advances every sequence by one step. The states stay inside, and
    take the same memory however many steps there are.

    Parameters
    ----------
    layer : MLSTM
        Its weights are packed when the stream is opened, which does not see what
        becomes of them later.
    batch_size : int, default=1
        Independent sequences, one a row.

    Raises
    ------
    ValueError
        batch_size is below 1.

    Notes
    -----
    The results are those of a layer of the recurrent form called with the whole
    sequences, to the bit; of the other forms, up to rounding. NaN goes in, comes out as
    NaN and stays in the state until `reset`. A stream is for one thread at a time; any
    number of streams may share a layer.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import MLSTM
    >>> layer = MLSTM(3, 8, form="recurrent", random_state=0)
    >>> stream = layer.stream()
    >>> X = np.ones((5, 3), np.float32)
    >>> for x in X:
    ...     y = stream.step(x)
    >>> Y, state = layer(X[None])
    >>> bool((y == Y[0, -1]).all())
    True
    """

    def __init__(self, layer, batch_size=1):
        check_integer("batch_size", batch_size, 1)
        self.layer, self.batch_size = layer, int(batch_size)
        self._memory = layer.memory.stream(self.batch_size)
        self._a = np.empty((self.batch_size, layer.width), layer.dtype)
        parts = layer._split(self._a)
        self._parts = tuple(parts[k] for k in "qkvifo")
        m, n = layer.input_size, layer.width
        size = _core.dense_size(layer.dtype == np.float64, m, n)
        self._packed, self._bias = aligned(size, layer.dtype), layer.bias.copy()
        _core.dense_pack(layer.weight, self._packed)

    def step(self, x):
        """Advance all sequences by one time step.

        Parameters
        ----------
        x : ndarray of shape (batch_size, input_size)
            Their inputs at this step. For a batch_size of 1 also (input_size,). Of the
            layer's dtype and C-contiguous it is read where it is; anything else is
            converted first.

        Returns
        -------
        y : ndarray of shape (batch_size, hidden_size), or (hidden_size,) if x was 1-D
            Outputs, in the same array at each call: copy what must outlive the next
            step.

        Raises
        ------
        TypeError, ValueError
            x holds no real numbers, or has another shape. The state is as it was.
        """
        try:
            flat = x.ndim == 1
            rows = x[None] if flat else x
            _core.dense_packed(rows, self._packed, self._bias, self._a)
            if flat and self.batch_size > 1:
                raise ValueError
        except (AttributeError, TypeError, ValueError, BufferError):
            rows, flat = self._converted(x)
            _core.dense_packed(rows, self._packed, self._bias, self._a)
        y = self._memory.step(*self._parts)
        return y[0] if flat else y

    def _converted(self, x):
        """x as rows that `step` reads, and whether it was one; or what is wrong."""
        m = self.layer.input_size
        shapes = [(self.batch_size, m)] + [(m,)] * (self.batch_size == 1)
        array = real_array(x, "x")
        if array.shape not in shapes:
            wanted = " or ".join(map(str, shapes))
            raise ValueError(f"x: expected shape {wanted}, got {array.shape}")
        rows = clean(array, self.layer.dtype).reshape(self.batch_size, m)
        return rows, array.ndim == 1

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
            self._memory.reset()
            return
        chosen = np.atleast_1d(np.asarray(rows))
        if chosen.size and (chosen.dtype.kind not in "iu" or chosen.ndim != 1):
            raise TypeError(f"rows: expected None, an int or ints, got {rows!r}")
        wrong = [int(k) for k in chosen if not 0 <= k < self.batch_size]
        if wrong:
            raise IndexError(
                f"rows: expected 0 to {self.batch_size - 1}, got {wrong[0]}"
            )
        self._memory.reset(chosen.astype(int))

    def get_state(self):
        """Return a copy of the state (C, n, m), as the layer takes and returns it."""
        return self._memory.get_state()

    def set_state(self, state):
        """Go on from a state: that of `get_state`, or of a call of the layer.

        Parameters
        ----------
        state : tuple of arrays C, n and m, or None
            Copied; None: zeros.

        Raises
        ------
        ValueError
            Their number or a shape is another. The state is as it was.
        """
        self._memory.set_state(self.layer._checked(state, self.batch_size, "state"))

    def copy(self):
        """Return an independent stream of the same layer, in the same state."""
        other = _restored(*self.__reduce__()[1])
        other._packed, other._bias = self._packed, self._bias
        return other

    __copy__ = copy

    def __reduce__(self):
        return _restored, (self.layer, self.batch_size, self.get_state())

    def __repr__(self):
        layer = self.layer
        return (
            f"MLSTMStream(batch_size={self.batch_size}, {layer.input_size} inputs, "
            f"{layer.num_heads} heads, {layer.hidden_size} features, {layer.dtype})"
        )


def _restored(layer, batch_size, state):
    stream = MLSTMStream(layer, batch_size)
    stream.set_state(state)
    return stream
