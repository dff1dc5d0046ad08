"""Blocks: neighbouring cells of an image become one, by a feed-forward tanh."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images import Images, as_images
from .dense import Dense
from .mdlstm import checked_gradient, in_form_of


class Blocks(Dense):
    """Sub-sampling: blocks of cells, all channels of each, feed tanh units [1]_.

    Where a size is no multiple of the block's, the image goes on with zeros.

    Parameters
    ----------
    input_size : int
        Channels of a cell.
    output_size : int
        Units, the channels of a block.
    block_size : tuple of int
        Cells of a block along each dimension; 1 to 3 of them.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    parameters : dict of str to ndarray
        ``weight`` (output_size, cells of a block * input_size), the last dimension of
        the block and then the channels fastest, and ``bias`` (output_size,).

    References
    ----------
    .. [1] Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional
       Recurrent Neural Networks. NIPS 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import Blocks
    >>> Blocks(4, 6, (2, 3), random_state=0)(np.zeros((1, 8, 10, 4))).shape
    (1, 4, 4, 6)
    """

    def __init__(
        self, input_size, output_size, block_size, *, dtype="float32", random_state=None
    ):
        self.block_size = checked_block(block_size)
        self.channels = int(input_size)
        if min(input_size, output_size) < 1:
            raise ValueError(
                "input_size, output_size: expected at least 1, got "
                f"{input_size}, {output_size}"
            )
        super().__init__(
            self.channels * math.prod(self.block_size), int(output_size), dtype=dtype,
            random_state=random_state,
        )  # fmt: skip

    def apply(self, x, *, threads=0):
        """Return the smaller `Images` of the `Images` ``x``."""
        small, _ = cut_blocks(x, self.block_size)
        y = super().apply(small.values, threads=threads)
        return small.with_values(np.tanh(y, out=y))

    def record(self, x, *, threads=0):
        """Return the smaller `Images` and the tape that `pull` needs."""
        small, source = cut_blocks(x, self.block_size)
        y = super().apply(small.values, threads=threads)
        y = small.with_values(np.tanh(y, out=y))
        return y, Tape(x, small.values, source, y)

    def pull(self, tape, dy, gradient, *, input_gradient=True, threads=0):
        """Overwrite ``gradient`` with that of the weights; return ``dx`` or None.

        As of `Dense`, with dx (cells, input_size) of the images before.
        """
        da = dy * (1 - tape.y.values**2)
        blocks = super().pull(
            tape.blocks, da, gradient, input_gradient=input_gradient, threads=threads
        )
        if blocks is None:
            return None
        return join_blocks(blocks, tape.source, tape.x)

    def __call__(self, X, *, threads=0):
        """Run for inference: images in, smaller images out, in the same form."""
        return in_form_of(X, self.apply(self._images(X), threads=threads))

    def forward(self, X, *, threads=0):
        """Run for training: as a call, and a tape for `backward` as second result."""
        y, tape = self.record(self._images(X), threads=threads)
        tape.form = X
        return in_form_of(X, y), tape

    def backward(self, tape, dY, *, threads=0):
        """Gradients of a loss whose gradients at the outputs are given.

        Returns
        -------
        dX : like X
        grads : dict of str to ndarray
            Gradients of the `parameters`.
        """
        ndim = len(self.block_size)
        dy = checked_gradient(tape.y, dY, ndim, self.dtype, self.output_size)
        gradient = np.empty(self.n_weights, self.dtype)
        dx = self.pull(tape, dy, gradient, threads=threads)
        end = self.output_size * self.input_size
        grads = {
            "weight": gradient[:end].reshape(self.shapes["weight"]),
            "bias": gradient[end:],
        }
        return in_form_of(tape.form, tape.x.with_values(dx)), grads

    def _images(self, X):
        return as_images(
            X, ndim=len(self.block_size), dtype=self.dtype, n_features=self.channels
        )


@dataclass
class Tape:
    """What a training forward of `Blocks` keeps."""

    x: Images
    blocks: np.ndarray  # (blocks, cells of a block * channels)
    source: np.ndarray
    y: Images
    form: Any = None  # what the caller gave


def checked_block(block_size):
    """The sizes of a block as a tuple of ints, or ValueError."""
    sizes = tuple(map(int, block_size))
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise ValueError(
            f"block_size: expected 1 to 3 sizes of at least 1, got {block_size!r}"
        )
    return sizes


def cut_blocks(x, block):
    """Images whose cells are blocks of the cells of x, all channels side by side.

    Returns
    -------
    small : Images
        With cells of a block * channels channels; zeros outside of the image.
    source : ndarray of intp, shape (blocks, cells of a block)
        Which cell of x it is; the number of all cells: outside.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.images import as_images
    >>> small, _ = cut_blocks(as_images(np.arange(6.0).reshape(1, 2, 3)), (2, 2))
    >>> small.values.tolist()
    [[0.0, 1.0, 3.0, 4.0], [2.0, 0.0, 5.0, 0.0]]
    """
    sizes = -(-x.shapes // np.array(block))
    outside, tables = len(x.values), []
    for shape, size, start in zip(
        x.shapes.tolist(), sizes.tolist(), x.offsets.tolist()
    ):
        cells = math.prod(shape)
        table = np.arange(start, start + cells).reshape(shape)
        padding = [(0, n * b - old) for old, n, b in zip(shape, size, block)]
        if any(pad for _, pad in padding):
            table = np.pad(table, padding, constant_values=outside)
        # (n_1, b_1, n_2, b_2, ...) to (n_1, n_2, ..., b_1, b_2, ...)
        table = table.reshape([k for pair in zip(size, block) for k in pair])
        axes = [*range(0, table.ndim, 2), *range(1, table.ndim, 2)]
        tables.append(table.transpose(axes).reshape(-1, math.prod(block)))
    source = np.concatenate([np.empty((0, math.prod(block)), np.intp), *tables])
    values = np.zeros((outside + 1, x.n_features), x.dtype)
    values[:-1] = x.values
    small = values[source].reshape(len(source), math.prod(block) * x.n_features)
    return Images(small, sizes), source


def join_blocks(blocks, source, x):
    """The cells of x out of rows like those of `cut_blocks`; its gradient."""
    values = np.empty((len(x.values) + 1, x.n_features), blocks.dtype)
    values[source.ravel()] = blocks.reshape(-1, x.n_features)
    return values[:-1]
