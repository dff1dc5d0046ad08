"""Sequences and its door: forms of data, layout, indexing, pickles."""

import decimal
import fractions
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lstmc import Sequences
from lstmc.sequences import as_sequences

RAGGED = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.full((1, 2), 9.0)]


def same(got, wanted):
    """The same bits, dtype and lengths."""
    assert isinstance(got, Sequences)
    assert got.dtype == wanted.dtype
    assert got.values.shape == wanted.values.shape
    assert got.values.tobytes() == wanted.values.tobytes()
    assert got.offsets.tolist() == wanted.offsets.tolist()


def ragged(seed, lengths, features=3):
    values = np.random.default_rng(seed).normal(size=(sum(lengths), features))
    return Sequences.from_flat(values.astype("f4"), lengths)


lengths_lists = st.lists(st.integers(0, 5), max_size=8)


# --- what goes in ---------------------------------------------------------------------


def test_list_of_unequal_sequences():
    X = as_sequences(RAGGED)
    assert (len(X), X.n_features, X.dtype) == (3, 2, np.float32)
    assert X.lengths.tolist() == [3, 0, 1]
    assert X.offsets.tolist() == [0, 3, 3, 4]
    assert X.offsets.dtype == X.lengths.dtype == np.intp
    for got, wanted in zip(X, RAGGED, strict=True):
        np.testing.assert_array_equal(got, wanted)
    same(as_sequences(tuple(RAGGED)), X)
    same(as_sequences([x.tolist() for x in RAGGED[::2]]), X[::2])


def test_one_dimensional_items_are_univariate():
    X = as_sequences([np.array([1, 2, 3]), [], (4.5,)])
    assert X.n_features == 1
    assert [x.ravel().tolist() for x in X] == [[1, 2, 3], [], [4.5]]


def test_arrays_of_two_and_three_dimensions():
    block = np.arange(24.0).reshape(2, 3, 4)
    X = as_sequences(block)
    assert X.values.tolist() == block.reshape(6, 4).tolist()
    assert X.offsets.tolist() == [0, 3, 6]
    univariate = as_sequences(block[0])
    assert univariate.values.tolist() == block[0].reshape(12, 1).tolist()
    assert univariate.offsets.tolist() == [0, 4, 8, 12]
    assert as_sequences(np.zeros((2, 0, 4))).lengths.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3)])
def test_clean_array_is_not_copied(dtype, shape):
    block = np.ones(shape, dtype)
    X = as_sequences(block, dtype=dtype)
    assert np.shares_memory(X.values, block)
    assert block.flags.writeable  # the array itself stays as it was
    with pytest.raises(ValueError, match="read-only"):
        X.values[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        X[0][0] = 0


def test_sequences_pass_as_they_are():
    X = as_sequences(RAGGED)
    assert as_sequences(X) is X
    assert as_sequences(X, dtype=np.float64, n_features=2).dtype == np.float64
    same(as_sequences(as_sequences(X, dtype="float64")), X)


def test_object_arrays_of_numbers_and_of_sequences():
    numbers = [3, 2.5, np.float32(0.1), np.int8(-3), True, np.bool_(1)]
    numbers += [decimal.Decimal("0.1"), fractions.Fraction(1, 3), np.float16(2)]
    X = as_sequences(np.array([numbers], object), dtype="float64")
    assert X.values.ravel().tolist() == [float(value) for value in numbers]
    column = np.empty(3, object)
    column[:] = RAGGED
    same(as_sequences(column), as_sequences(RAGGED))


def test_nothing_where_nothing_is_allowed():
    for X in ([], (), np.zeros((0, 4, 2)), np.zeros((0, 4)), as_sequences(RAGGED)[:0]):
        assert len(as_sequences(X, allow_empty=True)) == 0
    assert as_sequences([], allow_empty=True).n_features == 1
    assert as_sequences([], allow_empty=True, n_features=7).values.shape == (0, 7)


# --- other layouts --------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(lengths=lengths_lists, seed=st.integers(0, 2**32 - 1))
def test_round_trips(lengths, seed):
    X = ragged(seed, lengths)
    padded = X.to_padded()
    assert padded.shape == (len(lengths), max(lengths, default=0), 3)
    assert np.isnan(padded).sum() == 3 * (padded[..., 0].size - sum(lengths))
    same(Sequences.from_padded(padded, lengths=lengths), X)
    same(Sequences.from_padded(padded, mask=~np.isnan(padded[..., 0])), X)
    same(Sequences.from_flat(X.values, lengths), X)
    same(pickle.loads(pickle.dumps(X)), X)
    if lengths:
        same(Sequences.from_aeon(X.to_aeon()), X)
        same(as_sequences(X.to_list()), X)


def test_padding_never_matters():
    X = ragged(0, [3, 0, 5, 1])
    for value in (np.nan, np.inf, 0, -1e30):
        same(Sequences.from_padded(X.to_padded(value), lengths=X.lengths), X)


def test_mask_leaves_steps_out_wherever_they_are():
    X = np.arange(8.0).reshape(2, 4)
    mask = np.array([[True, False, True, False], [False, False, False, True]])
    got = Sequences.from_padded(X, mask=mask)
    assert [x.ravel().tolist() for x in got] == [[0, 2], [7]]
    same(Sequences.from_padded(X[..., None], mask=mask), got)


def test_flat_and_padded_without_a_copy():
    block = np.ones((2, 3), "f4")
    assert np.shares_memory(Sequences.from_padded(block).values, block)
    same(Sequences.from_padded(block), Sequences.from_padded(block[..., None]))
    flat = np.ones((6, 2), "f4")
    assert np.shares_memory(Sequences.from_flat(flat, [2, 4]).values, flat)
    assert Sequences.from_flat(flat, [2, 4]).lengths.tolist() == [2, 4]


def test_aeon_puts_channels_first():
    block = np.arange(24.0).reshape(2, 3, 4)
    X = Sequences.from_aeon(block)
    assert (X.n_features, X.lengths.tolist()) == (3, [4, 4])
    np.testing.assert_array_equal(X[1], block[1].T)
    np.testing.assert_array_equal(X.to_aeon(), block)
    unequal = Sequences.from_aeon([block[0], block[1][:, :2]])
    assert unequal.lengths.tolist() == [4, 2]
    assert [x.shape for x in unequal.to_aeon()] == [(3, 4), (3, 2)]


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("?", "f4"),
        ("i2", "f4"),
        ("f2", "f4"),
        (">f4", "f4"),
        ("i4", "f8"),
        ("u8", "f8"),
        (">f8", "f8"),
        ("g", "f8"),
    ],
)
def test_other_layouts_keep_every_value(dtype, wanted):
    X = np.ones((2, 3, 1), dtype)
    assert Sequences.from_padded(X).dtype == wanted
    assert Sequences.from_padded(X, lengths=[1, 2]).dtype == wanted
    assert Sequences.from_flat(X[0], [1, 2]).dtype == wanted
    assert Sequences.from_aeon(X).dtype == wanted
    assert Sequences.from_aeon([X[0], X[1]]).dtype == wanted


# --- the class ------------------------------------------------------------------------


def chosen_one_by_one(X, chosen):
    items = [X[int(k)] for k in chosen]
    return as_sequences(items, n_features=X.n_features, allow_empty=True)


@settings(max_examples=100, deadline=None)
@given(lengths=lengths_lists, data=st.data())
def test_indexing_agrees_with_a_list(lengths, data):
    X, n = ragged(1, lengths), len(lengths)
    ends = st.none() | st.integers(-10, 10)
    strides = st.sampled_from([None, 1, 2, 3, -1, -2])
    key = slice(data.draw(ends), data.draw(ends), data.draw(strides))
    same(X[key], chosen_one_by_one(X, range(n)[key]))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    chosen = np.flatnonzero(mask)
    same(X[np.array(mask, bool)], chosen_one_by_one(X, chosen))
    same(X[mask], chosen_one_by_one(X, chosen))
    if n:
        chosen = data.draw(st.lists(st.integers(-n, n - 1), max_size=10))
        same(X[chosen], chosen_one_by_one(X, chosen))
        same(X[np.array(chosen, np.int32)], chosen_one_by_one(X, chosen))


def test_integer_indices():
    X = as_sequences(RAGGED)
    for k in (0, 2, -1, -3, np.int8(1), np.uint64(2)):
        np.testing.assert_array_equal(X[k], RAGGED[int(k)])
        assert np.shares_memory(X[k], X.values) or not len(X[k])
    for k in (3, -4, np.int64(99)):
        with pytest.raises(IndexError, match=f"expected one of 3 sequences, got {k}"):
            X[k]


def test_contiguous_slice_is_a_view():
    X = ragged(0, [3, 2, 4])
    assert np.shares_memory(X[1:].values, X.values)


def test_never_an_array_by_itself():
    X = as_sequences(RAGGED)
    assert not hasattr(X, "shape")
    for convert in (np.asarray, np.array, np.mean):
        with pytest.raises(TypeError, match="to_padded"):
            convert(X)


def test_repr():
    assert repr(ragged(0, [3, 1, 7])) == (
        "Sequences(3 sequences, 1 to 7 steps, 3 features, float32)"
    )
    assert repr(ragged(0, [])).startswith("Sequences(0 sequences, 0 to 0 steps")


def test_parts_cannot_be_replaced_or_moved():
    values, offsets = np.zeros((3, 1)), np.array([0, 1, 3], np.intp)
    X = Sequences(values, offsets)
    with pytest.raises(AttributeError):
        X.values = values
    with pytest.raises(AttributeError):
        X.anything = 1
    offsets[1] = 10**6
    assert X.offsets.tolist() == [0, 1, 3]
    assert np.shares_memory(X.values, values)


def test_with_values():
    X = ragged(0, [2, 0, 1])
    wider = X.with_values(np.ones((3, 5)))
    assert wider.lengths.tolist() == [2, 0, 1]
    assert (wider.n_features, wider.dtype) == (5, np.float64)
    with pytest.raises(ValueError, match="values: expected 3 rows, got 2"):
        X.with_values(np.ones((2, 5)))
    with pytest.raises(TypeError, match="values: expected a float32 or float64 array"):
        X.with_values(np.ones((3, 5), int))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_every_bit(protocol):
    X = ragged(0, [3, 0, 5])
    odd = X.values.copy()
    odd.view(np.uint32)[0] = [0x7FC12345, 0x80000000, 0x00000001]  # NaN, -0, denormal
    for source in (X, X[1:], X[::-1], X[:0], X.with_values(odd)):
        got = pickle.loads(pickle.dumps(source, protocol))
        same(got, source)
        assert not got.values.flags.writeable


def test_joblib_memory_map(tmp_path):
    X = ragged(0, [3, 0, 5])
    joblib.dump(X, tmp_path / "X.joblib")
    got = joblib.load(tmp_path / "X.joblib", mmap_mode="r")
    same(got, X)
    assert as_sequences(got) is got


# --- through scikit-learn -------------------------------------------------------------


def step_means(X):
    return np.array([x.mean(axis=0) for x in as_sequences(X)])


@pytest.mark.parametrize("form", [Sequences.to_list, lambda X: X, Sequences.to_padded])
def test_train_test_split(form):
    lengths = [6] * 20 if form is Sequences.to_padded else list(range(1, 21))
    X, y = ragged(0, lengths), np.arange(20) % 2
    split = train_test_split(form(X), np.arange(20), stratify=y, random_state=0)
    train, test, train_index, test_index = split
    assert (len(train), len(test)) == (15, 5)
    same(as_sequences(train), X[train_index])
    same(as_sequences(test), X[test_index])


@pytest.mark.parametrize("form", [Sequences.to_list, lambda X: X])
def test_cross_validation(form):
    X, y = ragged(0, list(range(1, 31))), np.arange(30) % 3
    model = make_pipeline(FunctionTransformer(step_means), KNeighborsClassifier(1))
    got = cross_val_predict(model, form(X), y, cv=KFold(5))
    wanted = cross_val_predict(model[1], step_means(X), y, cv=KFold(5))
    np.testing.assert_array_equal(got, wanted)
