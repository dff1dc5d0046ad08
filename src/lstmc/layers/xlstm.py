"""XLSTM: stacks of mLSTM and sLSTM blocks in a ratio, and a single block."""

from __future__ import annotations

import math
import re

import numpy as np

from .block_stack import BlockStack, Norm, make_embedding
from .layer import checked_dtype
from .matrix_block import MatrixBlock
from .options import MOST_HEADS, check_integer, check_share
from .scalar_block import ScalarBlock
from .xlstm_weights import read_package

KINDS = ("mlstm", "slstm")
MOST_BLOCKS = 999

SOURCE = (
    "Beck, Poeppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter, "
    "Hochreiter: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024"
)


def parse_cell(cell):
    """The kinds of the blocks that a word stands for, or None.

    Examples
    --------
    >>> parse_cell("mlstm"), parse_cell("xlstm[1:2]"), parse_cell("lstm")
    (('mlstm',), ('mlstm', 'slstm', 'slstm'), None)
    """
    if cell == "mlstm":
        return ("mlstm",)
    found = re.fullmatch(r"xlstm\[([0-9]{1,3}):([0-9]{1,3})\]", str(cell))
    if not found or not any(map(int, found.groups())):
        return None
    a, b = map(int, found.groups())
    return ("mlstm",) * a + ("slstm",) * b


def inner_size(width, factor, multiple):
    """So many times the width, rounded up to a multiple.

    Examples
    --------
    >>> inner_size(128, 1.3, 64)
    192
    """
    # What a quotient of two integers loses is no reason for another multiple.
    return math.ceil(factor * width / multiple - 1e-9) * multiple


def fewest_of_blocks(kinds, width, heads):
    """Parameters that blocks have at least, and a small multiple at most.

    Examples
    --------
    >>> fewest_of_blocks(("mlstm",), 8, 1) <= XLSTM(None, 8, "mlstm").n_parameters
    True
    """
    up, feed = -(-2 * width // 64) * 64, -(-width // 64) * 64
    each = {
        "mlstm": up * (3 * width + 19 + 6 * heads),
        "slstm": 8 * width * width // heads + 3 * feed * width,
    }
    return sum(each[kind] for kind in kinds)


def check_blocks(
    kinds, repeats, width, heads, *, up_factor=2.0, feed_factor=1.3, multiple_of=64,
    dropout=0.0,
):  # fmt: skip
    """Raise ValueError for a number that no block can have."""
    check_integer("hidden_size", width, 1)
    check_integer("num_heads", heads, 1)
    check_integer("multiple_of", multiple_of, 1)
    check_share("dropout", dropout)
    for name, factor in (("up_factor", up_factor), ("feed_factor", feed_factor)):
        if not 0 < factor < np.inf:
            raise ValueError(f"{name}: expected a number above 0, got {factor!r}")
    if heads > MOST_HEADS:
        raise ValueError(f"num_heads: expected at most {MOST_HEADS}, got {heads}")
    if len(kinds) * repeats > MOST_BLOCKS:
        raise ValueError(
            f"num_layers: expected at most {MOST_BLOCKS} blocks, got "
            f"{len(kinds) * repeats}"
        )
    up = inner_size(width, up_factor, multiple_of)
    if "mlstm" in kinds and (up % 4 or up % heads):
        raise ValueError(
            f"up_factor, multiple_of, num_heads: expected inner features that are a "
            f"multiple of 4 and of num_heads {heads}, got {up}"
        )
    if "slstm" in kinds and width % heads:
        raise ValueError(
            f"num_heads: expected a divisor of hidden_size {width}, got {heads}"
        )


def make_blocks(kinds, width, heads, *, up_factor, feed_factor, multiple_of, dropout,
                dtype, rng):  # fmt: skip
    """The blocks of a stack."""
    up = inner_size(width, up_factor, multiple_of)
    feed = inner_size(width, feed_factor, multiple_of)
    more = {"blocks": len(kinds), "dropout": float(dropout), "dtype": dtype, "rng": rng}
    return [
        MatrixBlock(width, up, heads, **more)
        if kind == "mlstm"
        else ScalarBlock(width, feed, heads, place=k, **more)
        for k, kind in enumerate(kinds)
    ]


class XLSTM(BlockStack):
    """Stack of xLSTM blocks over ragged batches [1]_.

    mLSTM blocks have a matrix memory and no memory mixing, so that all steps of a
    sequence are computed together; sLSTM blocks mix memories from step to step. An
    affine map brings the input to the width of the blocks, each block adds to what
    comes from the one below, and a norm ends the stack.

    Parameters
    ----------
    input_size : int or None
        Features of a step. None: they are ``hidden_size``, and there is no map before
        the first block.
    hidden_size : int
        Features between the blocks, and of the output.
    cell : str or sequence of str, default="xlstm[7:1]"
        "xlstm[a:b]": a mLSTM blocks, then b sLSTM blocks; "mlstm": one mLSTM block; or
        the kinds of all blocks, "mlstm" and "slstm", one by one.
    num_layers : int, default=1
        How often the blocks of ``cell`` are repeated.
    num_heads : int, default=4
        Memories that run side by side in a block.
    up_factor, feed_factor : float, default=2.0, 1.3
        Inner features of an mLSTM block, and of an sLSTM block's feed-forward part, for
        each of ``hidden_size``.
    multiple_of : int, default=64
        Inner features are rounded up to a multiple of it.
    final_norm : bool, default=True
        Whether the output goes through a layer norm.
    dropout : float, default=0.0
        Share dropped of what each block adds, in training (`forward`) alone.
    dtype : {"float32", "float64"}, default="float32"
        Type of weights and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.

    Attributes
    ----------
    kinds : tuple of str
        The kinds of the blocks, from the lowest.
    output_size, n_parameters : int
        Features of an output step, and numbers that training may choose.
    state_names : tuple of str
        ``"h"``, the last output, and those of the blocks: ``"0.conv"``, the inputs of
        the convolution at the last three steps; of an mLSTM block ``"0.C"``, ``"0.n"``,
        ``"0.m"``; of an sLSTM block ``"0.h"``, ``"0.c"``, ``"0.n"``, ``"0.m"``.
    parameters : dict of str to ndarray
        Read-only copies: ``embed.weight``, ``embed.bias``, ``blocks.0.up`` ...,
        ``norm.weight``. Gates of an sLSTM block stand in the order i, f, z, o.

    Raises
    ------
    ValueError
        A number or a word is none of the above.

    Notes
    -----
    A state is a tuple of arrays, one for each of ``state_names``, of shapes (1, n,
    hidden_size) for h and (n, ...) for the others. The bits of a sequence's outputs
    depend neither on the other sequences of the batch nor on the number of threads.

    References
    ----------
    .. [1] Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import XLSTM
    >>> layer = XLSTM(3, 16, "xlstm[1:1]", random_state=0)
    >>> Y, state = layer([np.zeros((5, 3)), np.zeros((2, 3))])
    >>> [y.shape for y in Y], layer.kinds
    ([(5, 16), (2, 16)], ('mlstm', 'slstm'))
    """

    about = {
        "name": "xlstm",
        "title": "xLSTM[a:b]: residual stacks of mLSTM and sLSTM blocks",
        "equations": (
            "mLSTM block: u, z = W_up LN(x)\na = SiLU(conv4(u))\n"
            "q, k, v = W_q a, W_k a, W_v u\nh = GN(mLSTM(q, k, v, w [q, k, v] + b))\n"
            "y = x + W_down ((h + skip a) SiLU(z))\n"
            "sLSTM block: u = LN(x)\na = SiLU(conv4(u))\n"
            "i, f = W_i a, W_f a\nz, o = W_z u, W_o u\n"
            "v = x + GN(sLSTM(i, f, z, o))\np, r = W_up LN(v)\n"
            "y = v + W_down (GELU(p) r)"
        ),
        "source": SOURCE,
    }

    def __init__(
        self, input_size, hidden_size, cell="xlstm[7:1]", num_layers=1, *, num_heads=4,
        up_factor=2.0, feed_factor=1.3, multiple_of=64, final_norm=True, dropout=0.0,
        dtype="float32", random_state=None,
    ):  # fmt: skip
        if input_size is not None:
            check_integer("input_size", input_size, 1)
        sizes = {"up_factor": up_factor, "feed_factor": feed_factor,
                 "multiple_of": multiple_of, "dropout": dropout}  # fmt: skip
        self.check(cell, hidden_size, num_layers, num_heads, **sizes)
        dtype = checked_dtype(dtype)
        rng = np.random.default_rng(random_state)
        self.kinds = _kinds(cell) * int(num_layers)
        blocks = make_blocks(
            self.kinds, int(hidden_size), int(num_heads), **sizes, dtype=dtype, rng=rng
        )
        self.input_size = int(hidden_size if input_size is None else input_size)
        self.hidden_size = int(hidden_size)
        self.cell, self.num_layers = cell, int(num_layers)
        self.num_heads, self.dropout = int(num_heads), float(dropout)
        super().__init__(
            make_embedding(input_size, hidden_size, dtype, rng),
            {f"blocks.{k}": block for k, block in enumerate(blocks)},
            Norm(hidden_size, dtype) if final_norm else None,
            dtype,
        )

    @classmethod
    def from_xlstm(cls, state, *, dtype="float32"):
        """The layer of a model's weights that the package xlstm has saved.

        Parameters
        ----------
        state : dict of str to array
            The ``state_dict()`` of its ``xLSTMBlockStack`` or ``xLSTMLMModel`` as
            arrays. Of the latter the token embedding becomes the map of the input,
            which then is one-hot; its head is left out.
        dtype : {"float32", "float64"}, default="float32"
            Type of the layer.

        Returns
        -------
        layer : XLSTM
            Gives the outputs of the model up to rounding. The swapped names of its
            sLSTM's gates are seen to.

        Raises
        ------
        ValueError
            A name is missing or unknown, such as the biases of ``bias=True``, or blocks
            differ in their heads or sizes.
        """
        options, parameters = read_package(state)
        layer = cls(**options, dtype=dtype, random_state=0)
        layer.load_parameters(parameters)
        return layer

    @staticmethod
    def check(cell, hidden_size, num_layers=1, num_heads=4, **sizes):
        """Raise ValueError for what no stack can have; see the class."""
        check_integer("num_layers", num_layers, 1)
        check_blocks(_kinds(cell), int(num_layers), hidden_size, num_heads, **sizes)


class XLSTMBlock(BlockStack):
    """One block of an xLSTM [1]_: an mLSTM or an sLSTM on a residual way.

    An mLSTM block projects up before the memory: a causal convolution, queries, keys
    and values in blocks of four channels, a norm of each head, a learnable skip, a
    gate, and the projection down. An sLSTM block has a causal convolution before the
    input and forget gates, a norm of each head, and a gated feed-forward part behind.

    Parameters
    ----------
    hidden_size : int
        Features of a step, in and out.
    kind : {"mlstm", "slstm"}, default="mlstm"
        Which of the two.
    num_heads, up_factor, feed_factor, multiple_of, dropout, dtype, random_state
        As `XLSTM` takes them.

    Attributes
    ----------
    output_size, n_parameters, state_names, parameters
        As of `XLSTM`; names of parameters without ``blocks.0.``.

    Raises
    ------
    ValueError
        A number or a word is none of the above.

    References
    ----------
    .. [1] Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.layers import XLSTMBlock
    >>> block = XLSTMBlock(16, "slstm", random_state=0)
    >>> Y, state = block(np.zeros((2, 5, 16)))
    >>> Y.shape, block.state_names
    ((2, 5, 16), ('h', '0.conv', '0.h', '0.c', '0.n', '0.m'))
    """

    num_layers = 1

    def __init__(
        self, hidden_size, kind="mlstm", *, num_heads=4, up_factor=2.0, feed_factor=1.3,
        multiple_of=64, dropout=0.0, dtype="float32", random_state=None,
    ):  # fmt: skip
        if kind not in KINDS:
            raise ValueError(f"kind: expected one of {KINDS}, got {kind!r}")
        dtype = checked_dtype(dtype)
        sizes = {"up_factor": up_factor, "feed_factor": feed_factor,
                 "multiple_of": multiple_of, "dropout": dropout}  # fmt: skip
        check_blocks((kind,), 1, hidden_size, num_heads, **sizes)
        (block,) = make_blocks(
            (kind,), int(hidden_size), int(num_heads), **sizes, dtype=dtype,
            rng=np.random.default_rng(random_state),
        )  # fmt: skip
        self.kind, self.kinds = kind, (kind,)
        self.input_size = self.hidden_size = int(hidden_size)
        self.num_heads, self.dropout = int(num_heads), float(dropout)
        super().__init__(None, {"": block}, None, dtype)


def _kinds(cell):
    """The kinds of blocks of a word, or of a sequence of kinds."""
    if isinstance(cell, str):
        found = parse_cell(cell)
        if found is None:
            raise ValueError(
                'cell: expected "mlstm" or "xlstm[a:b]" with numbers a and b below '
                f"1000, not both 0, got {cell!r}"
            )
        return found
    found = tuple(cell)
    if not found or not set(found) <= set(KINDS):
        raise ValueError(f"cell: expected kinds among {KINDS}, got {cell!r}")
    return found
