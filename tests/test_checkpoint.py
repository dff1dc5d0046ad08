"""Training with checkpoints: the bits of the plain run, a tape like sqrt(T)."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import FACTS

from lstmc import _core

# Windows of the weight gradient hold some 1024 rows, and segments are whole windows:
# these lengths give several segments each. One and three rows look ahead for W x.
SHAPES = {
    "1 row": (9, 1, 2500),
    "3 rows": (9, 3, 1000),
    "a crew": (200, 3, 700),  # units enough that 2 and 3 threads share them
    "70 rows": (9, 70, 300),
    "two windows": (9, 300, 200),  # a segment, and many slabs
}


def lengths_of(rows, longest):
    """Ragged lengths, with 0 and 1 among them if they are many."""
    lengths = np.random.default_rng(rows).integers(0, longest + 1, rows)
    lengths[:-1][:2] = [0, 1][: rows - 1]
    lengths[-1] = longest
    return lengths


def train(layer, batch, checkpoint, threads):
    """Bytes of all results, and the reals of the tape."""
    X, state, dY, dstate = batch
    layer.release()  # else the tape would lie in what the last one left
    Y, after, tape = layer.forward(X, state, checkpoint=checkpoint, threads=threads)
    size = sum(len(saved) for saved in tape.saved)
    dX, dbefore, grads = layer.backward(tape, dY, dstate, threads=threads)
    groups = (Y, after, dX, dbefore, grads.values())
    return [np.asarray(a).tobytes() for group in groups for a in group], size


@pytest.mark.parametrize(("units", "rows", "longest"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits(make_layer, make_batch, dtype, bidirectional, units, rows, longest):
    layer = make_layer(5, units, dtype=dtype, bidirectional=bidirectional)
    batch = make_batch(layer, lengths_of(rows, longest))
    plain, whole = train(layer, batch, False, 1)
    for threads in (1, 3):
        sparse, size = train(layer, batch, True, threads)
        assert sparse == plain
        assert size < 0.6 * whole


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_on_every_target(target, make_layer, make_batch, threads):
    layer = make_layer(3, 20, bidirectional=True, num_layers=2, dropout=0.3)
    batch = make_batch(layer, lengths_of(70, 60))
    assert train(layer, batch, True, threads)[0] == train(layer, batch, False, 1)[0]


def test_what_is_not_given(make_layer, make_batch):
    layer = make_layer(3, 7)
    X, _, dY, _ = make_batch(layer, lengths_of(70, 60))
    batch = X, None, dY, None
    assert train(layer, batch, True, 2)[0] == train(layer, batch, False, 2)[0]


@pytest.mark.parametrize("lengths", [[0, 0], [1], [3, 0, 5]])
def test_short_sequences_have_a_plain_tape(make_layer, make_batch, lengths):
    layer = make_layer(3, 7, bidirectional=True)
    batch = make_batch(layer, lengths)
    assert train(layer, batch, True, 1) == train(layer, batch, False, 1)


def size_of(option, rows, steps, lengths=None):
    """Reals of a tape with checkpoints, and of a plain one."""
    row = next(k for k, r in enumerate(_core.cells()) if r["name"] == option[0])
    layer = _core.Layer(row, False, 4, 16, 1, False)
    lengths = [steps] * rows if lengths is None else lengths
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
    return layer.checkpoint_size(offsets), layer.tape_size(int(offsets[-1]))


def test_the_tape_grows_like_the_square_root(option):
    sizes = [size_of(option, 1024, steps)[0] for steps in (2500, 10_000, 40_000)]
    more = [b / a for a, b in pairwise(sizes)]
    if len(FACTS[option[0]]["states"]) == 1:
        assert more == [1, 1]  # h is all there is, and y keeps it
    else:
        assert more == pytest.approx([2, 2], rel=0.05)  # segments are whole windows


def test_the_tape_is_never_larger(option):
    rng = np.random.default_rng(0)
    for _ in range(200):
        lengths = rng.integers(0, rng.integers(1, 200), rng.integers(1, 300))
        sparse, plain = size_of(option, 0, 0, lengths)
        assert sparse <= plain


def test_few_long_sequences_among_many_short_ones(option):
    # The mean length counts: the tape of a segment holds rows that run alone.
    sparse, plain = size_of(option, 0, 0, [20_000] + [10] * 1000)
    assert sparse < 0.5 * plain


def test_sizes_beyond_any_address():
    layer = _core.Layer(0, False, 8, 8, 1, False)
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        layer.checkpoint_size(np.array([0, 2**58]))
    for wrong in ([1, 2], [0, 3, 2]):
        with pytest.raises(ValueError, match="start at 0 and never decrease"):
            layer.checkpoint_size(np.array(wrong))
    with pytest.raises(ValueError, match="offsets: expected at least 1"):
        layer.checkpoint_size(np.array([], np.intp))


def test_a_tape_that_is_too_short():
    layer = _core.Layer(0, False, 3, 5, 1, False)
    offsets, steps = np.arange(71) * 300, 70 * 300
    x, y = np.zeros((steps, 3), "f4"), np.zeros((steps, 5), "f4")
    weights = np.zeros(layer.packed_size, "f4")
    tape = np.zeros(layer.checkpoint_size(offsets) - 1, "f4")
    with pytest.raises(ValueError, match="tape: expected at least"):
        _core.forward(
            layer, offsets, x, weights, y, None, None, tape, 1, checkpoint=True
        )
