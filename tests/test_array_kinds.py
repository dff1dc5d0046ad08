"""Every kind of array gives the bits of a clean copy, and is never written to."""

import hashlib
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from lstmc.sequences import as_sequences

DTYPES = [
    order + code
    for code in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")
    for order in "<>"
] + ["?", "i1", "u1", "g"]


class Frame:
    """All that a DataFrame or a tensor shows to NumPy."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def sliced(array):
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
    wide[..., 1::2] = array
    return wide[..., 1::2]


def backwards(array):
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def broadcast(array):
    return np.broadcast_to(array[:1], array.shape)


def bytes_apart(array, offset, gap):
    """The same array at an odd address, its items `gap` bytes further apart."""
    stride = array.dtype.itemsize + gap
    memory = np.zeros(offset + stride * array.size, np.uint8)
    flat = np.ndarray((array.size,), array.dtype, memory, offset, (stride,))
    flat[:] = array.ravel()
    strides = stride * np.array(array.strides) // array.dtype.itemsize
    return as_strided(flat, array.shape, strides)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def memory_mapped(array):
    memory = mmap.mmap(-1, array.nbytes)
    memory.write(array.tobytes())
    return np.ndarray(array.shape, array.dtype, memory).view(np.memmap)


KINDS = {
    "clean": lambda array: array,
    "fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "sliced": sliced,
    "backwards": backwards,
    "broadcast": broadcast,
    "misaligned": lambda array: bytes_apart(array, 1, 0),
    "struct field": lambda array: bytes_apart(array, 0, 9 - array.itemsize % 8),
    "read-only": read_only,
    "memory-mapped": memory_mapped,
    "masked, nothing hidden": np.ma.masked_array,
    "frame": Frame,
    "object": lambda array: array.astype(object),
    "lists": lambda array: array.tolist(),
}


@st.composite
def arrays(draw, rank):
    """Numbers within -100 and 100, which every dtype holds; unsigned have no sign."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=rank, max_size=rank)))
    seed = draw(st.integers(0, 2**32 - 1))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    low = 0 if dtype.kind in "u" else -100
    return np.random.default_rng(seed).uniform(low, 100, shape).astype(dtype)


def bits(array, dtype):
    """The bytes of the clean copy."""
    return np.ascontiguousarray(array, dtype).tobytes()


def digest(array):
    """The logical content, which is what must not change."""
    plain = np.asarray(array)
    return hashlib.sha256(repr(plain.tolist()).encode()).hexdigest()


def assert_kernel_may_read(sequences, dtype):
    values, offsets = sequences.values, sequences.offsets
    assert type(values) is np.ndarray and values.ndim == 2
    assert values.dtype == np.dtype(dtype) and values.dtype.isnative
    assert values.flags.c_contiguous and values.flags.aligned
    assert not values.flags.writeable and not offsets.flags.writeable
    assert offsets.dtype == np.intp and offsets[0] == 0 and offsets[-1] == len(values)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(array=st.one_of(arrays(2), arrays(3)), dtype=st.sampled_from(["f4", "f8"]))
def test_block_of_any_kind(kind, array, dtype):
    X = KINDS[kind](array)
    plain = np.array(X.array if kind == "frame" else X)
    before = digest(plain)
    got = as_sequences(X, dtype=dtype)
    assert_kernel_may_read(got, dtype)
    assert got.values.tobytes() == bits(plain, dtype)
    # Nested lists are lists of sequences, whose rank tells the features as well.
    assert got.n_features == (array.shape[2] if array.ndim == 3 else 1)
    assert digest(X.array if kind == "frame" else X) == before


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@settings(max_examples=75, deadline=None)
@given(data=st.data())
def test_list_of_mixed_kinds(dtype, data):
    rank, features = data.draw(st.sampled_from([(1, 1), (2, 1), (2, 3)]))
    items, plain = [], []
    for _ in range(data.draw(st.integers(1, 6))):
        item = data.draw(arrays(rank))
        if rank == 2:
            item = np.resize(item, (len(item), features))
        item = KINDS[data.draw(st.sampled_from(sorted(KINDS)))](item)
        items.append(item)
        plain.append(np.array(item.array if isinstance(item, Frame) else item))
    before = [digest(item) for item in plain]
    got = as_sequences(items, dtype=dtype)
    assert_kernel_may_read(got, dtype)
    wanted = b"".join(bits(item, dtype) for item in plain)
    assert got.values.tobytes() == wanted
    assert got.lengths.tolist() == [len(item) for item in plain]
    now = [item.array if isinstance(item, Frame) else item for item in items]
    assert [digest(item) for item in now] == before
