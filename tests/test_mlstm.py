"""layers.MLSTM: the plain layer of matrix memories, and its stream."""

import copy
import pickle

import numpy as np
import pytest
import reference_mlstm as reference

from lstmc import Sequences
from lstmc.layers import MLSTM
from lstmc.layers.matrix_memory import FORMS

LENGTHS = [5, 0, 1, 70]


def make(form="auto", dtype="float64", **more):
    """A layer none of whose parameters is zero."""
    layer = MLSTM(3, 8, 2, form=form, dtype=dtype, random_state=0, **more)
    rng = np.random.default_rng(1)
    layer.load_parameters(
        {
            name: array + 0.3 * rng.standard_normal(array.shape)
            for name, array in layer.parameters.items()
        }
    )
    return layer


def batch(layer, lengths=LENGTHS, seed=2):
    """X, state, dY, dstate."""
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.standard_normal(shape).astype(layer.dtype)

    def states():
        return tuple(numbers(*s.shape) for s in layer.memory.empty_state(len(lengths)))

    X = [numbers(n, layer.input_size) for n in lengths]
    dY = [numbers(n, layer.output_size) for n in lengths]
    return X, states(), dY, states()


def train(layer, X, state, dY, dstate, **more):
    Y, after, tape = layer.forward(X, state, **more)
    dX, before, gradients = layer.backward(tape, dY, dstate, **more)
    return [*Y, *after, *dX, *before, *gradients.values()]


def bits(arrays):
    return [np.ascontiguousarray(a).tobytes() for a in arrays]


@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_the_layer_is_the_reference(form):
    layer = make(form)
    X, state, _, _ = batch(layer)
    p, x = layer.parameters, np.concatenate(X)
    a = {k: x @ p[f"weight_{k}"].T + p[f"bias_{k}"] for k in "qkvoif"}
    o = 1 / (1 + np.exp(-a.pop("o")))
    offsets = np.cumsum([0, *LENGTHS])
    h, after = reference.every_head(**a, offsets=offsets, state=state, heads=2)
    Y, got = layer(X, state)
    np.testing.assert_allclose(np.concatenate(Y), o * h, rtol=1e-9, atol=1e-12)
    for one, other in zip(got, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options", [{}, {"input_gate": "sigmoid"}, {"forget_gate": "exponential"}]
)
def test_gradients_are_differences(form, options):
    layer = make(form, **options)
    X, state, dY, dstate = batch(layer)
    if "input_gate" in options:
        state[2][:] = dstate[2][:] = 0
    _, _, tape = layer.forward(X, state)
    dX, before, gradients = layer.backward(tape, dY, dstate)
    parameters = {name: a.copy() for name, a in layer.parameters.items()}
    assert gradients.keys() == parameters.keys()
    found = [*zip(X, dX, strict=True), *zip(state, before, strict=True)]
    found += [(parameters[name], gradients[name]) for name in parameters]
    rng = np.random.default_rng(3)
    for array, gradient in found:
        if "input_gate" in options and array is state[2]:
            continue
        direction = rng.standard_normal(array.shape) / max(1, array.size) ** 0.5
        losses = []
        for sign in (1, -1):
            array += sign * 1e-6 * direction
            layer.load_parameters(parameters)
            Y, after = layer(X, state)
            array -= sign * 1e-6 * direction
            losses.append(sum(map(np.vdot, Y, dY)) + sum(map(np.vdot, after, dstate)))
        layer.load_parameters(parameters)
        difference = (losses[0] - losses[1]) / 2e-6
        scale = max(1, np.abs(gradient).max(initial=0))
        assert abs(np.vdot(gradient, direction) - difference) < 1e-6 * scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_depend_on_neither_threads_nor_company(dtype):
    layer = make(dtype=dtype)
    given = batch(layer, [200, 3, 0, 150])
    alone = bits(train(layer, *given, threads=1))
    assert bits(train(layer, *given, threads=3)) == alone
    X, state, _, _ = given
    single, _ = layer(X[3:], tuple(s[3:] for s in state))
    assert bits(single) == bits(layer(X, state)[0][3:])


def test_outputs_come_in_the_form_of_x():
    layer = make(dtype="float32")
    X = np.random.default_rng(0).standard_normal((2, 6, 3))
    Y, state = layer(X)
    assert Y.shape == (2, 6, 8) and Y.dtype == np.float32
    as_list, _ = layer(list(X))
    flat, _ = layer(Sequences.from_padded(X))
    assert bits(as_list) == bits(Y) and flat.values.tobytes() == Y.tobytes()
    _, state = layer(X[:, :3])
    rest, _ = layer(X[:, 3:], state)
    np.testing.assert_allclose(rest, Y[:, 3:], rtol=1e-4, atol=1e-6)


def test_a_call_writes_nothing():
    layer = make()
    given = batch(layer)
    before, held = pickle.dumps((layer, given)), dict(vars(layer))
    layer(*given[:2])
    assert pickle.dumps((layer, given)) == before and vars(layer) == held
    train(layer, *given)
    assert pickle.dumps((layer, given)) == before


def test_a_layer_comes_back_from_a_pickle():
    layer = make()
    again = pickle.loads(pickle.dumps(layer))
    given = batch(layer)
    assert bits(train(again, *given)) == bits(train(copy.deepcopy(layer), *given))
    layer.release()


def test_weights_move_into_a_larger_buffer():
    layer = make()
    X = batch(layer)[0]
    before = bits(layer(X)[0])
    layer.bind(np.zeros(layer.n_weights))
    assert bits(layer(X)[0]) == before
    [part] = layer.penalised
    assert part == slice(0, layer.n_weights - layer.width)


def test_initial_gates_are_the_papers():
    layer = MLSTM(3, 64, 4, random_state=0)
    p = layer.parameters
    assert not p["weight_i"].any() and not p["weight_f"].any()
    np.testing.assert_allclose(p["bias_f"], [3, 4, 5, 6])
    assert 0 < np.abs(p["bias_i"]).max() < 0.5
    assert layer.n_parameters == sum(a.size for a in p.values())
    same = MLSTM(3, 64, 4, random_state=0).parameters
    assert all((p[name] == same[name]).all() for name in p)


def test_what_the_layer_is_about():
    assert set(MLSTM.about) == {"name", "title", "equations", "source"}
    assert all(isinstance(text, str) for text in MLSTM.about.values())


def test_a_tape_serves_once():
    layer = make()
    X, state, dY, _ = batch(layer)
    tape = layer.forward(X, state)[2]
    layer.backward(tape, dY)
    with pytest.raises(ValueError, match="fresh one"):
        layer.backward(tape, dY)
    tape = layer.forward(X, state)[2]
    dX, _, gradients = layer.backward(tape, None)
    assert not any(a.any() for a in [*dX, *gradients.values()])


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((3, 8, 3), {}, "num_heads: expected a divisor of hidden_size 8, got 3"),
        ((0, 8), {}, "input_size: expected an integer of at least 1, got 0"),
        ((3, 8.5), {}, "hidden_size: expected an integer of at least 1, got 8.5"),
        ((3, 8), {"chunk_size": 0}, "chunk_size: expected an integer of at least 1"),
        ((3, 8), {"form": "fast"}, r"form: expected one of \('auto', .*got 'fast'"),
        ((3, 8), {"input_gate": "relu"}, "input_gate: expected one of"),
        ((3, 8), {"normalise": False}, "normalise: expected True with input_gate"),
        (
            (3, 8),
            {"input_gate": "sigmoid", "forget_gate": "exponential"},
            "forget_gate: expected 'sigmoid' with input_gate 'sigmoid'",
        ),
    ],
)
def test_what_cannot_be_is_refused(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        MLSTM(*sizes, **options)


def test_sizes_beyond_any_address():
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        MLSTM(3, 2**40)


def test_wrong_states_and_gradients_are_refused():
    layer = make()
    X, state, dY, dstate = batch(layer)
    with pytest.raises(ValueError, match=r"state: expected 3 arrays .*got 2"):
        layer(X, state[:2])
    with pytest.raises(ValueError, match=r"state C: expected \(3, 2, 4, 4\)"):
        layer(X[:3], state)
    with pytest.raises(ValueError, match="has 5 features, expected 3"):
        layer([np.zeros((4, 5))])
    tape = layer.forward(X, state)[2]
    with pytest.raises(ValueError, match="dY: expected the lengths of X"):
        layer.backward(tape, dY[::-1])
    with pytest.raises(ValueError, match="dstate n: expected"):
        layer.backward(tape, dY, (dstate[0], dstate[2], dstate[1]))


# Streams


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["recurrent", "chunkwise"])
def test_a_stream_is_the_whole(dtype, form):
    layer = make(form, dtype)
    X, state, _, _ = batch(layer, [60, 60, 60])
    Y, after = layer(X, state)
    stream = layer.stream(3)
    stream.set_state(state)
    answers = [stream.step(np.stack([x[t] for x in X])).copy() for t in range(60)]
    got, wanted = np.stack(answers, axis=1), np.stack(Y)
    if form == "recurrent":
        assert got.tobytes() == wanted.tobytes()
        assert bits(stream.get_state()) == bits(after)
    # Roundings, and what divides may be near zero.
    limit = 1e-4 if dtype == "float32" else 1e-11
    assert np.abs(got - wanted).max() < limit


def test_a_stream_takes_one_row_or_rows_and_converts():
    layer = make(dtype="float32")
    x = np.random.default_rng(0).standard_normal(3).astype("f4")
    answers = []
    for given in (x, x[None], x.astype(float), x.tolist(), np.stack([x, x]).T[:, 0]):
        stream = layer.stream()
        y = stream.step(given)
        assert y.shape == (8,) if np.ndim(given) == 1 else (1, 8)
        answers.append(y.tobytes())
    assert len(set(answers)) == 1
    stream = layer.stream(2)
    for wrong in (x, np.stack([x] * 3), np.zeros((2, 4), "f4")):
        with pytest.raises(ValueError, match=r"x: expected shape \(2, 3\), got"):
            stream.step(wrong)
    assert not any(s.any() for s in stream.get_state())
    with pytest.raises(TypeError):
        stream.step([["a", "b", "c"]] * 2)
    with pytest.raises(ValueError, match="batch_size: expected an integer"):
        layer.stream(0)


def test_a_stream_goes_on_from_copies_and_pickles():
    layer = make(dtype="float32")
    X = np.random.default_rng(0).standard_normal((10, 2, 3)).astype("f4")
    stream = layer.stream(2)
    for x in X[:5]:
        stream.step(x)
    others = [stream.copy(), copy.copy(stream), pickle.loads(pickle.dumps(stream))]
    wanted = [stream.step(x).tobytes() for x in X[5:]]
    for other in others:
        assert [other.step(x).tobytes() for x in X[5:]] == wanted
    assert "batch_size=2" in repr(stream)


def test_a_stream_resets_rows():
    layer = make(dtype="float32")
    x = np.ones((3, 3), "f4")
    stream = layer.stream(3)
    first = stream.step(x).copy()
    stream.step(x)
    stream.reset(1)
    y = stream.step(x)
    assert y[1].tobytes() == first[1].tobytes() and (y[0] != first[0]).any()
    stream.reset()
    assert stream.step(x).tobytes() == first.tobytes()
    with pytest.raises(IndexError, match="rows: expected 0 to 2, got 3"):
        stream.reset([0, 3])
    with pytest.raises(TypeError, match="rows"):
        stream.reset([0.5])
    with pytest.raises(ValueError, match="state n: expected"):
        stream.set_state((stream.get_state()[0], np.zeros((3, 1)), np.zeros((3, 2))))


def test_nan_stays_in_its_row_until_reset():
    stream = make(dtype="float32").stream(2)
    x = np.ones((2, 3), "f4")
    x[0, 1] = np.nan
    assert np.isnan(stream.step(x)).all(axis=1).tolist() == [True, False]
    assert np.isnan(stream.step(np.ones((2, 3), "f4"))[0]).all()
    stream.reset([0])
    assert np.isfinite(stream.step(np.ones((2, 3), "f4"))).all()


def test_a_stream_keeps_the_weights_of_its_opening():
    layer = make(dtype="float32")
    stream = layer.stream()
    x = np.ones(3, "f4")
    before = stream.copy().step(x).tobytes()
    layer.load_parameters({k: 2 * v for k, v in layer.parameters.items()})
    assert stream.copy().step(x).tobytes() == before == stream.step(x).tobytes()
    assert layer.stream().step(x).tobytes() != before
