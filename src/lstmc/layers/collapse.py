"""Collapse: an image becomes a sequence, as all its dimensions but one are summed."""

from __future__ import annotations

import numpy as np

from ..images import as_images
from ..sequences import Sequences, as_sequences
from .mdlstm import in_form_of


class Collapse:
    """Sums over all dimensions of images but one, along which sequences run.

    Parameters
    ----------
    axis : int, default=-1
        The dimension that stays; the last one of a line of text is its width.
    ndim : {1, 2, 3}, default=2
        Dimensions of an image.

    Raises
    ------
    ValueError
        There is no such dimension.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Collapse
    >>> [y.shape for y in Collapse()([np.ones((4, 9, 2)), np.ones((4, 7, 2))])]
    [(9, 2), (7, 2)]
    """

    def __init__(self, axis=-1, ndim=2):
        if ndim not in (1, 2, 3):
            raise ValueError(f"ndim: expected 1, 2 or 3, got {ndim!r}")
        if not -ndim <= axis < ndim:
            raise ValueError(f"axis: expected one of {ndim} dimensions, got {axis}")
        self.axis, self.ndim = axis % ndim, ndim

    def apply(self, x):
        """Return the sums of the `Images` ``x`` as `Sequences`."""
        others = tuple(d for d in range(self.ndim) if d != self.axis)
        sums = [image.sum(axis=others) for image in x]
        offsets = np.zeros(len(x) + 1, np.intp)
        np.cumsum(x.shapes[:, self.axis], out=offsets[1:])
        values = np.concatenate([np.empty((0, x.n_features), x.dtype), *sums])
        return Sequences(values, offsets)

    def pull(self, x, dy):
        """Return the gradient (cells, channels) at ``x``, given that at the steps."""
        dx = np.empty((len(x.values), dy.shape[1]), dy.dtype)
        ends = np.cumsum(x.shapes[:, self.axis])
        for k, (shape, part) in enumerate(zip(x.shapes, np.split(dy, ends[:-1]))):
            own = dx[x.offsets[k] : x.offsets[k + 1]].reshape(*shape, -1)
            seen = [1] * self.ndim + [dy.shape[1]]
            seen[self.axis] = len(part)
            own[:] = part.reshape(seen)
        return dx

    def __call__(self, X):
        """Return the sequences of images: a list of (T_i, C) arrays, or Sequences.

        Parameters
        ----------
        X : list of (*size, C) arrays, (n, *size, C) array or Images
        """
        return _in_form_of(X, self.apply(self._images(X)))

    def forward(self, X):
        """As a call, and a tape for `backward` as second result."""
        x = self._images(X)
        return _in_form_of(X, self.apply(x)), (X, x)

    def backward(self, tape, dY):
        """Return the gradient at X, like X, given that at the sequences."""
        X, x = tape
        dy = as_sequences(dY, dtype=x.dtype, n_features=x.n_features, name="dY")
        if not np.array_equal(dy.lengths, x.shapes[:, self.axis]):
            raise ValueError(
                f"dY: expected the lengths {x.shapes[:, self.axis].tolist()}, got "
                f"{dy.lengths.tolist()}"
            )
        return in_form_of(X, x.with_values(self.pull(x, dy.values)))

    def _images(self, X):
        wide = getattr(X, "dtype", None) == np.float64
        return as_images(X, ndim=self.ndim, dtype="float64" if wide else "float32")


def _in_form_of(X, y):
    """Sequences as they are for Images, else a list."""
    return y if hasattr(X, "offsets") else y.to_list()
