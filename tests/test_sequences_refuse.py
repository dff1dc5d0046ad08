"""What the door for data refuses, and the words in which it says why."""

import datetime
import re

import numpy as np
import pytest
from scipy import sparse

from lstmc import Sequences
from lstmc.sequences import as_sequences

RAGGED = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.full((1, 2), 9.0)]
RESHAPE = "Reshape your data either using array.reshape(1, -1)"


def masked(shape, *where):
    array = np.ma.zeros(shape)
    array[where] = np.ma.masked
    return array


def with_value(value, shape, where):
    array = np.zeros(shape, object)
    array[where] = value
    return array


def refused(X, error, *parts, **options):
    return pytest.param(X, options, error, parts, id=parts[0][:40])


REFUSED = [
    refused(np.zeros(5), ValueError, "got shape (5,). " + RESHAPE),
    refused(np.float64(5), ValueError, "got shape (). " + RESHAPE),
    refused(5, ValueError, "X: expected a list", RESHAPE),
    refused([1.0, 2.0], ValueError, "X: sequence 0: expected shape", RESHAPE),
    refused(np.zeros((2, 3, 4, 5)), ValueError, "got shape (2, 3, 4, 5)."),
    refused(
        [np.zeros((3, 2)), np.zeros((1, 3, 2))],
        ValueError,
        "X: sequence 1: expected shape (steps, features) or (steps,), got (1, 3, 2)",
    ),
    refused(
        [np.zeros((3, 2)), np.zeros(3)],
        ValueError,
        "X: sequence 1: expected 2 dimensions as sequence 0 has, got 1, shape (3,)",
    ),
    refused(
        [np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((1, 4))],
        ValueError,
        "X: sequence 2 has 4 features, expected 2 as sequence 0 has",
    ),
    refused(
        [np.zeros((3, 2)), np.zeros((1, 4))],
        ValueError,
        "X: sequence 0 has 2 features, expected 4",
        n_features=4,
    ),
    refused(
        np.zeros((3, 2, 5)),
        ValueError,
        "X: sequence 0 has 5 features, expected 4",
        n_features=4,
    ),
    refused(
        as_sequences(RAGGED),
        ValueError,
        "X: sequence 0 has 2 features, expected 3",
        n_features=3,
    ),
    refused(
        np.zeros((7, 3)),
        ValueError,
        "X: sequence 0 has 1 features, expected 3 (a 2-D array is univariate: give",
        n_features=3,
    ),
    refused(
        [[[1, 2], [3]]],
        ValueError,
        "X: sequence 0: expected an array of numbers in rows of one length, got list",
    ),
    refused(
        [],
        ValueError,
        "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required.",
    ),
    refused(
        np.zeros((0, 3)),
        ValueError,
        "Found array with 0 sample(s) (shape=(0, 3)) while a minimum of 1 is required.",
    ),
    refused(as_sequences(RAGGED)[:0], ValueError, "Found array with 0 sample(s)"),
    refused(
        np.zeros((12, 0)),
        ValueError,
        "0 feature(s) (shape=(12, 0)) while a minimum of 1 is required.",
    ),
    refused(np.zeros((2, 3, 0)), ValueError, "0 feature(s) (shape=(2, 3, 0))"),
    refused(
        [np.zeros((2, 0))],
        ValueError,
        "X: sequence 0: Found array with 0 feature(s) (shape=(2, 0))",
    ),
    refused(np.zeros((2, 3), complex), ValueError, "Complex data not supported"),
    refused(
        [np.zeros(3), np.zeros(3, complex)],
        ValueError,
        "X: sequence 1: Complex data not supported",
        "complex128",
    ),
    refused(
        with_value(1j, (2, 3), (1, 2)),
        ValueError,
        "X: sequence 1, step 2: Complex data not supported, got 1j",
    ),
    refused(
        with_value({"foo": "bar"}, (2, 3, 2), (1, 2, 0)),
        TypeError,
        "X: sequence 1, step 2, feature 0: argument must be neither string nor other "
        "object but a real number, got dict",
    ),
    refused(
        [np.zeros((2, 2)), with_value("1.5", (2, 2), (0, 1))],
        TypeError,
        "X: sequence 1, step 0, feature 1: argument must be neither string",
        "got str",
    ),
    refused(with_value(None, (2, 2), (0, 0)), TypeError, "number, got NoneType"),
    refused(
        with_value(np.timedelta64(1, "s"), (2, 2), (0, 0)),
        TypeError,
        "number, got timedelta64",
    ),
    refused(
        with_value(datetime.date(2020, 1, 1), (2, 2), (0, 0)),
        TypeError,
        "number, got date",
    ),
    refused(
        with_value(10**400, (2, 2), (0, 0)),
        ValueError,
        "X: expected numbers within float64",
    ),
    refused(np.array([["a", "b"]]), TypeError, "real numbers, got dtype <U1"),
    refused("abc", TypeError, "X: expected arrays of real numbers, got dtype <U3"),
    refused(np.array([[b"a"]]), TypeError, "real numbers, got dtype |S1"),
    refused(
        [np.zeros(2), np.zeros(2, "M8[ns]")],
        TypeError,
        "X: sequence 1: expected arrays of real numbers, got dtype datetime64[ns]",
    ),
    refused(np.zeros((2, 2), "m8[s]"), TypeError, "got dtype timedelta64[s]"),
    refused(np.zeros((2, 2), "f4,f4"), TypeError, "got dtype [('f0', '<f4')"),
    refused(None, TypeError, "expected arrays of real numbers, got NoneType"),
    refused({1: 2}, TypeError, "expected arrays of real numbers, got dict"),
    refused(
        (x for x in RAGGED), TypeError, "expected arrays of real numbers, got generator"
    ),
    refused([RAGGED[0], None], TypeError, "X: sequence 1: expected arrays of real"),
    refused([as_sequences(RAGGED)], TypeError, "Sequences do not become an array"),
    refused(
        sparse.csr_array(np.eye(3)),
        TypeError,
        "X: Sparse data was passed",
        ".toarray()",
    ),
    refused([sparse.coo_matrix(np.eye(3))], TypeError, "X: sequence 0: Sparse data"),
    refused(
        masked((3, 4, 2), 1, 2, 0),
        ValueError,
        "X: sequence 1, step 2, feature 0: expected no masked entry",
    ),
    refused(
        [RAGGED[0], masked((4, 2), 3, 1)],
        ValueError,
        "X: sequence 1, step 3, feature 1: expected no masked entry",
    ),
]


@pytest.mark.parametrize(("X", "options", "error", "parts"), REFUSED)
def test_refused_with_its_reason(X, options, error, parts):
    with pytest.raises(error) as caught:
        as_sequences(X, **options)
    for part in parts:
        assert part in str(caught.value)


def test_scikit_learn_words():
    """The patterns of check_dtype_object, check_estimators_empty_data_messages ..."""
    strange = np.zeros((4, 3), object)
    strange[0, 0] = {"foo": "bar"}
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        as_sequences(strange)
    none = r"0 feature\(s\) \(shape=\(\d*, 0\)\) while a minimum of \d* is required."
    with pytest.raises(ValueError, match=none):
        as_sequences(np.zeros((12, 0)))
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        as_sequences(sparse.csr_matrix(np.eye(3)))


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.nan, "NaN"),
        (np.inf, "infinity or a value too large for float32"),
        (-np.inf, "infinity or a value too large for float32"),
        (1e39, "infinity or a value too large for float32"),
    ],
)
@pytest.mark.parametrize("dtype", [float, object])
def test_not_finite_names_sequence_and_step(value, got, dtype):
    block = np.zeros((4, 5, 2), dtype)
    block[2, 3, 1] = value
    message = f"X: sequence 2, step 3, feature 1: expected a finite number, got {got}"
    for X in (block, list(block), Sequences.from_padded(block)):
        with pytest.raises(ValueError, match=re.escape(message)):
            as_sequences(X)
    ends = [np.zeros((0, 1)), np.zeros((2, 1)), np.zeros((0, 1)), [[value]]]
    with pytest.raises(ValueError, match="data: sequence 3, step 0, feature 0"):
        as_sequences(ends, name="data")


def test_largest_finite_values_pass():
    for dtype in ("float32", "float64"):
        largest = np.full((3, 4), np.finfo(dtype).max, dtype)
        assert as_sequences(largest, dtype=dtype).values.max() == largest[0, 0]


@pytest.mark.parametrize("dtype", ["float16", "int32", ">f4", "complex64"])
def test_dtype_the_kernels_lack(dtype):
    with pytest.raises(ValueError, match="dtype: expected float32 or float64, got"):
        as_sequences([[1.0]], dtype=dtype)


BLOCK = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequences.from_padded(BLOCK[0, 0]), "X: expected a list of sequences"),
        (
            lambda: Sequences.from_padded(BLOCK, [1, 2], np.ones((2, 3), bool)),
            "expected lengths or mask, got both",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, [1, 2, 3]),
            "lengths: expected integers of shape (2,), got",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, [1.0, 2.0]),
            "lengths: expected integers of shape (2,), got float64 of shape (2,)",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, [1, 4]),
            "lengths: sequence 1: expected 0 to 3 steps, got 4",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, [-1, 1]),
            "lengths: sequence 0: expected 0 to 3 steps, got -1",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, mask=np.ones((2, 3))),
            "mask: expected bool of shape (2, 3), got float64 of shape (2, 3)",
        ),
        (
            lambda: Sequences.from_padded(BLOCK, mask=np.ones((2, 2), bool)),
            "mask: expected bool of shape (2, 3), got bool of shape (2, 2)",
        ),
        (
            lambda: Sequences.from_flat(BLOCK, [3, 3]),
            "X: expected shape (sum of lengths, features >= 1) or (sum of lengths,), "
            "got (2, 3, 1)",
        ),
        (
            lambda: Sequences.from_flat(BLOCK[0], [1, 1]),
            "lengths: expected the sum 3, the rows of X, got 2",
        ),
        (
            lambda: Sequences.from_flat(BLOCK[0], [[3]]),
            "lengths: expected integers of shape (n,), got",
        ),
        (
            lambda: Sequences.from_flat(BLOCK[0], [2**62, 2**62]),
            "lengths: sequence 0: expected 0 to 3 steps",
        ),
        (
            lambda: Sequences.from_aeon(BLOCK[0]),
            "X: expected shape (samples, channels, steps) or a list of (channels, "
            "steps), got (3, 1)",
        ),
        (
            lambda: Sequences.from_aeon([BLOCK[0], BLOCK[0, 0]]),
            "X: sequence 1: expected shape (channels, steps), got (1,)",
        ),
        (
            lambda: Sequences.from_aeon([masked((2, 3), 0, 2)]),
            "X: sequence 0, step 2, feature 0: expected no masked entry",
        ),
    ],
)
def test_other_layouts_refuse(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


VALUES, OFFSETS = np.zeros((3, 2), np.float32), np.array([0, 1, 3], np.intp)


@pytest.mark.parametrize(
    ("values", "offsets", "error", "message"),
    [
        ([[1.0]], OFFSETS, TypeError, "float32 or float64 array, got list"),
        (VALUES.astype(int), OFFSETS, TypeError, "float32 or float64 array, got int"),
        (VALUES.astype(">f4"), OFFSETS, TypeError, "float64 array, got >f4"),
        (VALUES[0], OFFSETS, ValueError, "(sum T, F >= 1), got (2,)"),
        (VALUES[:, :0], OFFSETS, ValueError, "(sum T, F >= 1), got (3, 0)"),
        (VALUES[:, :1], OFFSETS, ValueError, "C-contiguous aligned memory"),
        (VALUES, [0, 3], TypeError, "offsets: expected an intp array, got list"),
        (VALUES, OFFSETS.astype("i2"), TypeError, "an intp array, got int16"),
        (VALUES, OFFSETS[:0], ValueError, "offsets: expected shape (n + 1,), got (0,)"),
        (
            VALUES,
            OFFSETS[:2],
            ValueError,
            "rise from 0 to 3, the rows of values, got 0",
        ),
        (
            VALUES,
            OFFSETS[1:],
            ValueError,
            "rise from 0 to 3, the rows of values, got 1",
        ),
        (
            VALUES,
            np.array([0, 2, 1, 3], np.intp),
            ValueError,
            "offsets: expected to rise from 0",
        ),
    ],
)
def test_constructor_checks_the_layout(values, offsets, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Sequences(values, offsets)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ((0, 1), TypeError, "expected an integer, a slice, a 1-D array of integers"),
        (1.5, TypeError, "got 1.5"),
        ("a", TypeError, "got 'a'"),
        (np.array([0.0]), TypeError, "1-D array of integers"),
        (np.zeros((1, 1), int), TypeError, "1-D array of integers"),
        ([True, False], IndexError, "mask: expected 3 booleans, got 2"),
        ([0, 3], IndexError, "expected one of 3 sequences, got 3"),
        ([-4], IndexError, "expected one of 3 sequences, got -4"),
    ],
)
def test_wrong_index(key, error, message):
    with pytest.raises(error, match=message):
        as_sequences(RAGGED)[key]
