"""Streams: step by step the bits of the whole sequence; what a step takes and gives."""

import numpy as np
import pytest

from lstmc.layers import Recurrent

DTYPES = ["float32", "float64"]
STEPS = 7


def bits(arrays):
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


def numbers(layer, *shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(layer.dtype)


def random_state(layer, n):
    shape = (layer.num_layers, n, layer.hidden_size)
    return tuple(
        numbers(layer, *shape, seed=k) for k, _ in enumerate(layer.state_names)
    )


def stepped(stream, X):
    """Outputs (n, T, output_size) of a stream for X (n, T, input_size)."""
    return np.stack(
        [stream.step(np.ascontiguousarray(x)).copy() for x in X.swapaxes(0, 1)], axis=1
    )


# --- bits -----------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 5, 70, 200])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_of_the_whole(target, make_layer, dtype, num_layers, batch_size):
    # Units enough that the larger batches are work for two threads.
    layer = make_layer(3, 75, dtype=dtype, num_layers=num_layers)
    X, state = numbers(layer, batch_size, STEPS, 3), random_state(layer, batch_size)
    Y, after = layer(X, state)
    for threads in (1, 2):
        stream = layer.stream(batch_size, threads=threads)
        stream.set_state(state)
        assert stepped(stream, X).tobytes() == Y.tobytes()
        assert bits(stream.get_state()) == bits(after)


def test_a_new_stream_starts_at_zero(make_layer):
    layer = make_layer(2, 9, num_layers=2)
    X = numbers(layer, 3, STEPS, 2)
    stream = layer.stream(3)
    assert not any(s.any() for s in stream.get_state())
    assert stepped(stream, X).tobytes() == layer(X)[0].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_share_the_units_of_one_sequence(make_layer, dtype):
    layer = make_layer(4, 900, dtype=dtype, num_layers=2)
    X = numbers(layer, 1, 4, 4)
    Y = layer(X, threads=1)[0].tobytes()
    for threads in (1, 2, 3):
        assert stepped(layer.stream(threads=threads), X).tobytes() == Y


def test_a_thousand_streams_are_a_thousand_streams(make_layer):
    layer = make_layer(1, 32)
    X = numbers(layer, 1000, 3, 1)
    Y = stepped(layer.stream(1000, threads=2), X)
    for k in (0, 1, 499, 999):
        assert stepped(layer.stream(), X[k : k + 1]).tobytes() == Y[k].tobytes()


def test_long_sequences_look_ahead_and_streams_do_not(make_layer):
    layer = make_layer(8, 20)
    X = numbers(layer, 1, 150, 8)
    assert stepped(layer.stream(), X).tobytes() == layer(X)[0].tobytes()


@pytest.mark.parametrize("size", [1e-40, 1e-38, 1e-20])
def test_denormals_are_flushed_as_in_the_whole(make_layer, size):
    layer = make_layer(6, 40, num_layers=2)
    layer.load_parameters(
        {name: np.float32(size) * a for name, a in layer.parameters.items()}
    )
    X = np.float32(size) * numbers(layer, 4, STEPS, 6)
    assert stepped(layer.stream(4), X).tobytes() == layer(X)[0].tobytes()
    assert np.float32(1e-40) * np.float32(0.5) > 0  # and the caller keeps his


def test_nan_goes_in_and_comes_out(make_layer):
    layer = make_layer(3, 5)
    stream = layer.stream(3)
    x = numbers(layer, 3, 3)
    x[1, 2] = np.nan
    assert np.isnan(stream.step(x)).any(axis=1).tolist() == [False, True, False]
    x[1, 2] = 0
    assert np.isnan(stream.step(x)).any(axis=1).tolist() == [False, True, False]
    stream.reset(1)
    assert not np.isnan(stream.step(x)).any()


# --- what a step takes and returns ----------------------------------------------------


def test_the_same_array_at_each_call(make_layer):
    layer = make_layer(3, 5)
    one, three = layer.stream(), layer.stream(3)
    x = numbers(layer, 3, 3)
    y = three.step(x)
    before = y.copy()
    assert three.step(x) is y and (y != before).any()
    assert y.shape == (3, 5) and y.dtype == layer.dtype
    row, rows = one.step(x[0]), one.step(x[:1])
    assert row.shape == (5,) and rows.shape == (1, 5)
    assert np.shares_memory(row, rows)
    assert one.step(x[0]) is row


def test_writing_into_y_leaves_the_state(make_layer):
    layer = make_layer(2, 4)
    X = numbers(layer, 1, STEPS, 2)
    stream, Y = layer.stream(), layer(X)[0]
    for t in range(STEPS):
        y = stream.step(X[0, t])
        assert y.tobytes() == Y[0, t].tobytes()
        y[:] = np.nan


class Subclass(np.ndarray):
    pass


FORMS = {
    "list": lambda x: x.tolist(),
    "nested tuple": lambda x: tuple(map(tuple, x.tolist())),
    "other float": lambda x: x.astype(np.float64),
    "half": lambda x: x.astype(np.float16),
    "integers": lambda x: x.astype(np.int64),
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "columns first": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "unaligned": lambda x: np.frombuffer(
        b"x" + x.tobytes(), np.uint8
    )[1:].view(x.dtype).reshape(x.shape),
    "subclass": lambda x: x.view(Subclass),
    "memoryview": memoryview,
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forms_of_x(dtype, form):
    layer = Recurrent(4, 6, dtype=dtype, random_state=0)
    x = np.arange(12, dtype=dtype).reshape(3, 4) - 5
    wanted = layer.stream(3).step(x)
    assert layer.stream(3).step(form(x)).tobytes() == wanted.tobytes()


WRONG = {
    "features": (
        np.zeros((2, 4)),
        ValueError,
        r"x: expected shape \(2, 3\), got \(2, 4",
    ),
    "rows": (
        np.zeros((1, 3), "f4"),
        ValueError,
        r"expected shape \(2, 3\), got \(1, 3",
    ),
    "1-D": (np.zeros(3, "f4"), ValueError, r"expected shape \(2, 3\), got \(3,\)"),
    "flat": (np.zeros(6, "f4"), ValueError, r"expected shape \(2, 3\), got \(6,\)"),
    "turned": (np.zeros((3, 2), "f4"), ValueError, r"got \(3, 2\)"),
    "3-D": (np.zeros((2, 3, 1), "f4"), ValueError, r"got \(2, 3, 1\)"),
    "number": (0.5, ValueError, r"got \(\)"),
    "nothing": (None, TypeError, "x"),
    "text": ([["a", "b", "c"]] * 2, TypeError, "x"),
    "complex": (np.zeros((2, 3), complex), ValueError, "Complex"),
    "ragged": ([[1, 2, 3], [1, 2]], ValueError, "x: expected an array of numbers"),
    "masked": (
        np.ma.masked_less(np.arange(6, dtype="f4").reshape(2, 3), 2),
        ValueError,
        "masked",
    ),
}


@pytest.mark.parametrize(("x", "error", "said"), WRONG.values(), ids=WRONG)
def test_a_refused_x_leaves_the_state(make_layer, x, error, said):
    layer = make_layer(3, 4)
    stream = layer.stream(2)
    stream.step(numbers(layer, 2, 3))
    before = bits(stream.get_state())
    with pytest.raises(error, match=said):
        stream.step(x)
    assert bits(stream.get_state()) == before
    stream.step(numbers(layer, 2, 3))


def test_wrong_rows_of_one_sequence():
    stream = Recurrent(3, 4).stream()
    with pytest.raises(
        ValueError, match=r"expected shape \(1, 3\) or \(3,\), got \(4,"
    ):
        stream.step(np.zeros(4, np.float32))


def test_what_cannot_be_streamed(make_layer):
    with pytest.raises(
        ValueError, match="one direction, got a bidirectional one, whose"
    ):
        make_layer(3, 4, bidirectional=True).stream()
    layer = make_layer(3, 4)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(
            ValueError, match="batch_size: expected an integer of at le"
        ):
            layer.stream(wrong)
    with pytest.raises(ValueError, match=r"threads: expected .* at least 0, got -1"):
        layer.stream(threads=-1)
    with pytest.raises(MemoryError):
        layer.stream(2**62)
