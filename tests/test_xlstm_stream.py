"""Streams of xLSTM blocks, and the weights of the package xlstm."""

import copy
import pickle
import tracemalloc

import make_xlstm
import numpy as np
import pytest
from test_denormals import denormals_exist, float_mode, needs_glibc
from test_interrupt import interrupt
from test_xlstm import KINDS, bits, make_batch, make_layer

from lstmc.layers import XLSTM, XLSTMBlock, rowwise

# Chunkwise and step by step sum in another order, block over block.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def run(stream, x):
    """Outputs (n, T, hidden_size) of x (n, T, input_size), step by step."""
    return np.stack([stream.step(step).copy() for step in x.swapaxes(0, 1)], axis=1)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_steps_are_the_whole(target, kinds, dtype):
    layer = make_layer(kinds, 20, dtype=dtype)
    X, state, _, _ = make_batch(layer, [40] * 3)
    Y, after = layer(np.stack(X), state)
    stream = layer.stream(3)
    stream.set_state(state)
    np.testing.assert_allclose(run(stream, np.stack(X)), Y, atol=TOLERANCE[dtype])
    for a, b in zip(stream.get_state(), after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=TOLERANCE[dtype])
    if kinds == ["slstm"]:
        stream.set_state(state)
        assert bits(run(stream, np.stack(X))) == bits(Y)


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_rows_of_a_stream_do_not_meet(kinds):
    layer = make_layer(kinds, 64, dtype="float32")
    x = np.random.default_rng(0).standard_normal((40, 6, 3)).astype("f4")
    together = run(layer.stream(40), x)
    for threads in (1, 2, 8):
        assert bits(run(layer.stream(40, threads=threads), x)) == bits(together)
    for j in (0, 17, 39):
        assert bits(run(layer.stream(), x[j : j + 1])) == bits(together[[j]])


def test_states_are_reset_kept_and_copied():
    layer = make_layer(KINDS["msm"])
    x = np.random.default_rng(0).standard_normal((3, 8, 3))
    stream = layer.stream(3)
    first = run(stream, x)
    for clone in (
        stream.copy(), copy.copy(stream), pickle.loads(pickle.dumps(stream))
    ):  # fmt: skip
        assert bits(run(clone, x)) == bits(run(stream.copy(), x))
    state = stream.get_state()
    later = run(stream, x)
    stream.set_state(state)
    assert bits(run(stream, x)) == bits(later)
    stream.reset()
    assert bits(run(stream, x)) == bits(first)
    stream.set_state(state)
    stream.reset([0, 2])
    mixed = run(stream, x)
    assert bits(mixed[[0, 2]]) == bits(first[[0, 2]])
    assert bits(mixed[1]) == bits(later[1])
    assert "3 blocks" in repr(stream)


def test_a_stream_keeps_the_weights_of_its_opening():
    layer = make_layer(KINDS["msm"])
    x = np.random.default_rng(0).standard_normal((1, 4, 3))
    stream = layer.stream()
    wanted = run(layer.stream(), x)
    layer.weights[:] = 0
    assert bits(run(stream.copy(), x)) == bits(run(stream, x)) == bits(wanted)


def test_what_a_stream_refuses():
    layer = make_layer(KINDS["msm"])
    stream = layer.stream(2)
    for wrong in (np.zeros(3), np.zeros((2, 4)), np.zeros((1, 3))):
        with pytest.raises(ValueError, match=r"x: expected shape \(2, 3\)"):
            stream.step(wrong)
    with pytest.raises(IndexError, match="rows: expected 0 to 1, got 2"):
        stream.reset(2)
    with pytest.raises(TypeError, match="rows"):
        stream.reset([0.5])
    with pytest.raises(ValueError, match="batch_size: expected an integer"):
        layer.stream(0)
    with pytest.raises(ValueError, match="state: expected 14 arrays"):
        stream.set_state(stream.get_state()[1:])
    y = stream.step(np.full((2, 3), np.nan))
    assert np.isnan(y).all()
    assert np.isnan(stream.step(np.zeros((2, 3)))).all()  # it stays in the state
    stream.reset()
    assert np.isfinite(stream.step([[1, 2, 3], [4, 5, 6]])).all()


def test_a_stream_does_not_grow():
    layer = XLSTM(3, 16, "xlstm[1:1]", random_state=0)
    stream, x = layer.stream(), np.ones(3, np.float32)
    stream.step(x)
    tracemalloc.start()
    for _ in range(2000):
        stream.step(x)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000  # bytes: nothing is kept from step to step


@needs_glibc
@pytest.mark.parametrize("threads", [1, 4])
def test_denormals_are_flushed_and_the_mode_comes_back(target, threads):
    before = float_mode()
    x = np.full((40_000, 8), 1e-39, np.float32)
    y = rowwise.gate(x, x, np.ones(8, "f4"), np.full_like(x, 0.01), threads)
    assert not y.any()
    assert float_mode() == before and denormals_exist()


def test_a_long_call_hears_an_interrupt():
    layer = XLSTM(8, 128, "xlstm[1:1]", 8, random_state=0)
    X = np.ones((64, 300, 8), np.float32)  # seconds of work, in many short calls
    interrupt(lambda: layer.forward(X, threads=1))


# The package xlstm


def test_recorded_weights_give_the_recorded_outputs():
    with np.load(make_xlstm.PLACE) as file:
        weights = {
            name.removeprefix("weights/"): file[name]
            for name in file.files
            if name.startswith("weights/")
        }
        x, y = file["x"], file["y"]
    layer = XLSTM.from_xlstm(weights)
    assert layer.kinds == ("mlstm", "slstm")
    np.testing.assert_allclose(layer(x)[0], y, atol=1e-5)
    exact = XLSTM.from_xlstm(weights, dtype="float64")
    np.testing.assert_allclose(exact(x)[0], y, atol=1e-5)
    swapped = dict(weights)
    i, f = (f"blocks.1.xlstm.{gate}.weight" for gate in ("igate", "fgate"))
    swapped[i], swapped[f] = weights[f], weights[i]
    assert np.abs(XLSTM.from_xlstm(swapped)(x)[0] - y).max() > 1e-3
    for change, words in (
        ({"blocks.0.xlstm.proj_up.bias": np.zeros(3)}, "without biases"),
        ({"blocks.0.xlstm.conv1d.conv.weight": np.zeros((64, 1, 3))}, "4 steps, got 3"),
        ({"blocks.0.xlstm.q_proj.weight": np.zeros((8, 8, 8))}, r"\(4, 4\), got \(8"),
    ):
        with pytest.raises(ValueError, match=words):
            XLSTM.from_xlstm(weights | change)
    with pytest.raises(ValueError, match=r"expected blocks\.0"):
        XLSTM.from_xlstm({})
    del weights["blocks.0.xlstm.learnable_skip"]
    with pytest.raises(ValueError, match=r"expected blocks\.0\.xlstm\.learnable_skip"):
        XLSTM.from_xlstm(weights)


@pytest.mark.parametrize(
    ("kinds", "width", "heads"),
    [(["mlstm"], 16, 1), (["slstm", "mlstm", "slstm"], 32, 4), (["slstm"], 24, 2)],
)
def test_the_package_gives_the_same_outputs(kinds, width, heads):
    pytest.importorskip("xlstm", reason="a peer, installed by `make bench`")
    stack = make_xlstm.make_stack(kinds, width, heads, 30)
    x = np.random.default_rng(0).standard_normal((2, 30, width)).astype("f4")
    whole, steps = make_xlstm.answers(stack, x)
    layer = XLSTM.from_xlstm(make_xlstm.arrays(stack))
    np.testing.assert_allclose(layer(x)[0], whole, atol=1e-5)
    np.testing.assert_allclose(run(layer.stream(2), x), steps, atol=1e-5)


def test_token_embeddings_are_maps_of_one_hot_inputs():
    block = XLSTMBlock(8, "mlstm", num_heads=2, random_state=0)
    with np.load(make_xlstm.PLACE) as file:
        weights = {n.removeprefix("weights/"): file[n] for n in file.files if "/" in n}
    table = np.random.default_rng(0).standard_normal((5, 12)).astype("f4")
    prefixed = {f"xlstm_block_stack.{name}": a for name, a in weights.items()}
    prefixed |= {"token_embedding.weight": table, "lm_head.weight": table}
    layer = XLSTM.from_xlstm(prefixed)
    tokens = np.array([[0, 3, 4, 1]])
    y = layer(np.eye(5, dtype="f4")[tokens])[0]
    np.testing.assert_allclose(
        y, XLSTM.from_xlstm(weights)(table[tokens])[0], atol=1e-6
    )
    assert block.n_parameters == sum(a.size for a in block.parameters.values())
