"""Blocks and stacks of an xLSTM: equal to the equations, and to their own promises."""

import math
import pickle

import numpy as np
import pytest
import reference_xlstm

from lstmc.layers import XLSTM, XLSTMBlock, rowwise

KINDS = {"m": ["mlstm"], "s": ["slstm"], "msm": ["mlstm", "slstm", "mlstm"]}
LENGTHS = [5, 1, 0, 9, 3]


def make_layer(kinds, width=8, input_size=3, heads=2, dtype="float64", **more):
    """A stack none of whose parameters is at its start."""
    layer = XLSTM(
        input_size, width, kinds, num_heads=heads, multiple_of=8, dtype=dtype,
        random_state=0, **more,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    layer.load_parameters(
        {
            name: array + 0.3 * rng.standard_normal(array.shape)
            for name, array in layer.parameters.items()
        }
    )
    return layer


def make_batch(layer, lengths=LENGTHS, seed=2):
    """Ragged sequences, initial states, and gradients for both ends."""
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.standard_normal(shape).astype(layer.dtype)

    def states():
        return tuple(numbers(*s.shape) for s in layer._empty_state(len(lengths)))

    X = [numbers(length, layer.input_size) for length in lengths]
    dY = [numbers(length, layer.hidden_size) for length in lengths]
    state, dstate = states(), states()
    for k in named(layer, "n"):  # a sum of exponentials
        state[k][:] = 0.5 + np.abs(state[k])
    for k in stabilisers(layer):
        dstate[k][:] = 0
    return X, state, dY, dstate


def named(layer, name):
    return [k for k, n in enumerate(layer.state_names) if n.endswith(f".{name}")]


def stabilisers(layer):
    """The places of m of mLSTM blocks, of which C and n are multiples."""
    names = layer.state_names
    return [k for k in named(layer, "m") if f"{names[k][:-1]}C" in names]


def by_block(layer, state, j):
    """The states of sample j as the reference takes them."""
    blocks = [{} for _ in layer.kinds]
    for name, array in zip(layer.state_names[1:], state[1:], strict=True):
        k, own = name.split(".")
        blocks[int(k)][own] = array[j].astype(float)
    return blocks


def flat(layer, blocks):
    pairs = [name.split(".") for name in layer.state_names[1:]]
    return [blocks[int(k)][own] for k, own in pairs]


def bits(*groups):
    return [np.ascontiguousarray(a).tobytes() for group in groups for a in group]


def train(layer, batch, **more):
    X, state, dY, dstate = batch
    Y, after, tape = layer.forward(X, state, **more)
    threads = {k: v for k, v in more.items() if k == "threads"}
    dX, before, grads = layer.backward(tape, dY, dstate, **threads)
    return Y, after, dX, before, grads


# The depth of the sums and of the blocks; float64: some hundred roundings.
TOLERANCE = {"float64": 1e-13, "float32": 2e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_a_stack_is_the_equations(target, kinds, dtype):
    layer = make_layer(kinds, dtype=dtype)
    X, state, _, _ = make_batch(layer)
    Y, after = layer(X, state)
    for j, (x, y) in enumerate(zip(X, Y, strict=True)):
        blocks = by_block(layer, state, j)
        wanted = reference_xlstm.run(layer, x, blocks)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=TOLERANCE[dtype])
        for found, true in zip(after[1:], flat(layer, blocks), strict=True):
            np.testing.assert_allclose(found[j], true, rtol=0, atol=TOLERANCE[dtype])
        last = wanted[-1] if len(x) else state[0][0, j]
        np.testing.assert_allclose(after[0][0, j], last, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("width", [4, 20, 36])  # less and more than a cache line
def test_widths_of_any_kind(target, width):
    layer = make_layer(["mlstm", "slstm"], width, None, final_norm=False)
    X, state, _, _ = make_batch(layer, [4, 70])
    for j, (x, y) in enumerate(zip(X, layer(X, state)[0], strict=True)):
        wanted = reference_xlstm.run(layer, x, by_block(layer, state, j))
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12)


STEP = 1e-6  # truncation about STEP^2, rounding about 1e-16 |loss| / STEP


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_are_those_of_differences(kinds, dropout):
    layer = make_layer(kinds, dropout=dropout)
    batch = make_batch(layer)
    X, state, dY, dstate = batch
    _, _, dX, before, grads = train(layer, batch)
    parameters = {name: array.copy() for name, array in layer.parameters.items()}

    def loss():
        layer.load_parameters(parameters)
        Y, after, _ = layer.forward(X, state)
        return sum(map(np.vdot, [*Y, *after], [*dY, *dstate]))

    pairs = [(f"x{j}", x, dx) for j, (x, dx) in enumerate(zip(X, dX, strict=True))]
    pairs += [(name, array, grads[name]) for name, array in parameters.items()]
    pairs += [
        (name, state[k], before[k])
        for k, name in enumerate(layer.state_names)
        if k not in stabilisers(layer)
    ]
    rng = np.random.default_rng(6)
    for name, array, gradient in pairs:
        assert gradient.shape == array.shape, name
        along = rng.standard_normal(array.shape) / max(1, array.size) ** 0.5
        saved, losses = array.copy(), []
        for sign in (1, -1):
            array[...] = saved + sign * STEP * along
            losses.append(loss())
        array[...] = saved
        change = (losses[0] - losses[1]) / (2 * STEP)
        assert abs(change - np.vdot(gradient, along)) < 1e-6, name


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_bits_depend_on_no_thread_and_no_company(kinds):
    layer = make_layer(kinds, 64, dtype="float32")
    lengths = [*range(40), 130]
    batch = X, state, dY, dstate = make_batch(layer, lengths)
    first = train(layer, batch, threads=1)
    wanted = bits(*first[:4], first[4].values())
    for threads in (2, 3, 8):
        found = train(layer, batch, threads=threads)
        assert bits(*found[:4], found[4].values()) == wanted
    for j in (0, 1, 7, 40):
        own = tuple(s[:, [j]] if s.shape[0] == 1 else s[[j]] for s in state)
        ds = tuple(s[:, [j]] if s.shape[0] == 1 else s[[j]] for s in dstate)
        alone = train(layer, ([X[j]], own, [dY[j]], ds))
        assert bits(alone[0], alone[2]) == bits([first[0][j]], [first[2][j]])
    again = train(layer, batch, checkpoint=True)
    assert bits(*again[:4], again[4].values()) == wanted


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_a_state_goes_on_where_it_was(kinds):
    layer = make_layer(kinds)
    (x,), state, _, _ = make_batch(layer, [11])
    whole, end = layer([x], state)
    parts = []
    for part in (x[:1], x[1:3], x[3:3], x[3:]):
        (y,), state = layer([part], state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), whole[0], atol=1e-12)
    for a, b in zip(state, end, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_a_call_writes_nothing_and_a_copy_is_equal():
    layer = make_layer(KINDS["msm"], dropout=0.5)
    batch = make_batch(layer)
    before = pickle.dumps((layer, batch))
    first = layer(*batch[:2])
    assert bits(*layer(*batch[:2])) == bits(*first)
    assert pickle.dumps((layer, batch)) == before
    twin = pickle.loads(before)[0]
    assert bits(*twin(*batch[:2])) == bits(*first)
    assert bits(*train(twin, batch)[:4]) == bits(*train(layer, batch)[:4])
    layer.release()


def test_dropout_is_drawn_by_its_key():
    layer = make_layer(KINDS["msm"], 32, dropout=0.3)
    X = make_batch(layer)[0]
    first = bits(layer.forward(X, dropout_key=(3, 4))[0])
    assert first == bits(layer.forward(X, dropout_key=(3, 4), threads=3)[0])
    others = [bits(layer.forward(X, dropout_key=key)[0]) for key in ((3, 5), (4, 4))]
    assert first not in others and first != bits(layer(X)[0])


def test_nan_goes_through_and_no_further():
    layer = make_layer(KINDS["msm"])
    (x,), _, _, _ = make_batch(layer, [6])
    clean = layer.apply(layer._sequences([x, x]))[0].reshape(2, 6, -1)
    sequences = layer._sequences([x, x])
    sequences.values.flags.writeable = True
    sequences.values[3] = np.nan
    y = layer.apply(sequences)[0].reshape(2, 6, -1)
    assert np.isnan(y[0, 3:]).all()
    assert y[0, :3].tobytes() == clean[0, :3].tobytes()
    assert y[1].tobytes() == clean[1].tobytes()


def test_the_normal_distribution_is_accurate():
    x = np.concatenate([np.linspace(-9, 9, 2001), [-40.0, 40.0]])
    true = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    for dtype, rtol in (("float32", 2e-6), ("float64", 2e-14)):
        rows = np.stack([x, np.ones_like(x)], axis=1).astype(dtype)
        y = rowwise.geglu(rows, 1)[:, 0]
        # An exponential has the relative error of its argument's rounding.
        scale = 1 + x * x / 2
        normal = np.abs(true) > 1e-30
        error = np.abs(y / np.where(normal, true, 1) - 1)[normal]
        assert (error / scale[normal]).max() < rtol
        assert np.abs(y[~normal]).max() < 1e-30


def test_what_no_stack_can_be():
    for options, words in (
        ({"cell": "xlstm[0:0]"}, "xlstm\\[0:0\\]"),
        ({"cell": "xlstm[7]"}, "xlstm\\[7\\]"),
        ({"cell": ["mlstm", "lstm"]}, "kinds among"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"num_layers": 200}, "at most 999 blocks, got 1600"),
        ({"num_heads": 3}, "multiple of 4 and of num_heads 3, got 64"),
        ({"num_heads": 17}, "num_heads: expected at most 16, got 17"),
        ({"cell": ["slstm"], "num_heads": 3}, "divisor of hidden_size 8, got 3"),
        ({"dropout": 1.0}, "dropout"),
        ({"up_factor": 0}, "up_factor: expected a number above 0, got 0"),
        ({"multiple_of": 0}, "multiple_of"),
    ):
        with pytest.raises(ValueError, match=words):
            XLSTM(**{"input_size": 3, "hidden_size": 8} | options)
    with pytest.raises(ValueError, match="kind: expected one of"):
        XLSTMBlock(8, "lstm")
    with pytest.raises(TypeError, match="float16"):
        XLSTM(3, 8, "mlstm", dtype="float16")
    with pytest.raises(MemoryError, match="do not fit an address"):
        XLSTM(3, 2**40, "mlstm")


def test_what_does_not_fit_is_named():
    layer = make_layer(KINDS["msm"])
    X, state, dY, _ = make_batch(layer)
    with pytest.raises(ValueError, match="has 2 features, expected 3"):
        layer([x[:, :2] for x in X])
    with pytest.raises(ValueError, match=r"state: expected 14 arrays .*, got 2"):
        layer(X, state[:2])
    wrong = (*state[:2], state[2][:1], *state[3:])
    with pytest.raises(ValueError, match=r"state 0.C: expected \(5, 2, 8, 8\)"):
        layer(X, wrong)
    tape = layer.forward(X, state)[2]
    with pytest.raises(ValueError, match="dY: expected the lengths of X"):
        layer.backward(tape, dY[::-1])
    layer.backward(tape, dY)
    with pytest.raises(ValueError, match="used up"):
        layer.backward(tape, dY)


def test_penalties_touch_weights_and_no_bias_or_norm():
    layer = make_layer(KINDS["msm"])
    marks = np.zeros(layer.n_weights)
    for part in layer.penalised:
        marks[part] += 1
    free = ("bias", "norm", "norm.weight", "skip")
    for name, array in layer.unpacked(marks).items():
        assert (array == (0 if name.endswith(free) else 1)).all(), name
