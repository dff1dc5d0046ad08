"""The public face of Recurrent: forms, errors, parameters, pickles, dropout, tapes."""

import copy
import pickle
import weakref

import numpy as np
import pytest
from conftest import FACTS, STATIC_SIZE, needed_by

from lstmc import Sequences, _core
from lstmc.layers import Recurrent, stack
from lstmc.layers.layer import aligned, fresh


def bits(arrays):
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


# --- arguments ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"cell": "lsmt"}, ValueError, r"cell: expected one of \[.*\], got 'lsmt'"),
        ({"input_size": 0}, ValueError, "input_size: expected .* at least 1, got 0"),
        ({"hidden_size": -3}, ValueError, "hidden_size: expected .*, got -3"),
        ({"hidden_size": 2.5}, ValueError, "hidden_size: expected .*, got 2.5"),
        ({"num_layers": 0}, ValueError, "num_layers: expected .* at least 1, got 0"),
        ({"num_layers": True}, ValueError, "num_layers: expected .*, got True"),
        ({"output_activation": "relu"}, ValueError, "expected one of .*, got 'relu'"),
        ({"dropout": 1.0}, ValueError, "dropout: expected 0 <= dropout < 1, got 1.0"),
        ({"dropout": -0.1}, ValueError, "dropout: expected 0 <= dropout < 1, got -0.1"),
        ({"dropout": float("nan")}, ValueError, "dropout: expected .*, got nan"),
        ({"dtype": "float16"}, TypeError, "expected .* or float64, got float16"),
        ({"dtype": "int64"}, TypeError, "expected .* or float64, got int64"),
    ],
)
def test_wrong_arguments(wrong, error, said):
    with pytest.raises(error, match=said):
        Recurrent(**{"input_size": 3, "hidden_size": 4} | wrong)


@pytest.mark.parametrize("cell", FACTS)
def test_a_squash_where_there_is_none(cell):
    arguments = {"output_activation": "identity", **needed_by(cell)}
    if FACTS[cell]["squashes"]:
        assert Recurrent(3, 4, cell, **arguments).output_activation == "identity"
        return
    with pytest.raises(ValueError, match=r"the cell .* has none to choose"):
        Recurrent(3, 4, cell, **arguments)


def test_numpy_integers_are_integers(make_layer):
    layer = make_layer(np.int64(3), np.int32(4), num_layers=np.int8(2))
    assert layer([np.zeros((2, 3))])[0][0].shape == (2, 4)


def test_wrong_calls(make_layer, make_batch):
    layer = make_layer(3, 4, num_layers=2)
    X, state, dY, dstate = make_batch(layer, [2, 3])
    with pytest.raises(ValueError, match="X: sequence 0 has 5 features, expected 3"):
        layer([np.zeros((2, 5))])
    with pytest.raises(ValueError, match=rf"state: expected {len(state)} arrays"):
        layer(X, (*state, state[0]))
    with pytest.raises(ValueError, match=r"state h: expected \(2, 2, 4\), got"):
        layer(X, (state[0][:, :1], *state[1:]))
    tape = layer.forward(X, state)[2]
    with pytest.raises(ValueError, match="dY: expected the lengths of X, got others"):
        layer.backward(tape, dY[::-1], dstate)
    with pytest.raises(ValueError, match=r"dstate h: expected \(2, 2, 4\)"):
        layer.backward(tape, dY, (dstate[0][:1], *dstate[1:]))
    layer.backward(tape, dY, dstate)  # what was refused has not used up the tape


@pytest.mark.parametrize("threads", [-1, -100])
def test_a_negative_number_of_threads(make_layer, threads):
    with pytest.raises(ValueError):
        make_layer(3, 4)([np.zeros((2, 3))], threads=threads)


# --- forms ----------------------------------------------------------------------------


def test_outputs_have_the_form_of_the_inputs(make_layer):
    layer = make_layer(3, 4, bidirectional=True)
    X = np.random.default_rng(0).standard_normal((5, 6, 3)).astype("f4")
    forms = [X, list(X), tuple(X), Sequences.from_padded(X)]
    kinds = [np.ndarray, list, list, Sequences]
    results = []
    for form, kind in zip(forms, kinds, strict=True):
        Y, _, tape = layer.forward(form)
        dX, _, _ = layer.backward(tape, Y)
        assert type(Y) is type(dX) is type(layer(form)[0]) is kind
        results.append(bits([*Y, *dX]))
    assert results[1:] == results[:-1]
    assert layer(X)[0].shape == (5, 6, 8)


def test_shapes(make_layer):
    layer = make_layer(3, 4, num_layers=3, bidirectional=True)
    Y, state = layer([np.zeros((5, 3)), np.zeros((2, 3))])
    assert [y.shape for y in Y] == [(5, 8), (2, 8)]
    assert len(state) == len(layer.state_names)
    assert [s.shape for s in state] == [(6, 2, 4)] * len(state)
    assert (layer.output_size, layer.directions) == (8, 2)


def test_a_batch_without_sequences(make_layer):
    layer = make_layer(3, 4, num_layers=2, bidirectional=True)
    X = Sequences(np.zeros((0, 3), "f4"), np.zeros(1, np.intp))
    y, state = layer.apply(X)
    assert y.shape == (0, 8) and all(s.shape == (4, 0, 4) for s in state)
    y, _, tape = layer.record(X)
    gradient = aligned(layer.n_weights, "f4")
    dx, _ = layer.pull(tape, y, None, gradient)
    assert dx.shape == (0, 3) and not gradient.any()


def test_other_kinds_of_arrays(make_layer, make_batch):
    layer = make_layer(3, 4)
    X, state, dY, dstate = make_batch(layer, [4, 4])
    tape = layer.forward(X, state)[2]
    dX, dbefore, grads = layer.backward(tape, dY, dstate)
    wanted = bits([*layer(X, state)[0], *dX, *dbefore, *grads.values()])

    def strange(array):
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        wide = np.asfortranarray(wide)[..., ::2]
        wide.flags.writeable = False
        return wide

    X, dY = [strange(x) for x in X], [strange(dy) for dy in dY]
    state, dstate = (tuple(map(strange, part)) for part in (state, dstate))
    tape = layer.forward(X, state)[2]
    dX, dbefore, grads = layer.backward(tape, dY, dstate)
    assert bits([*layer(X, state)[0], *dX, *dbefore, *grads.values()]) == wanted


# --- parameters -----------------------------------------------------------------------


def test_parameters_are_read_only_copies(make_layer):
    layer = make_layer(3, 4, bidirectional=True)
    first = layer.parameters
    for array in first.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        array.flags.writeable = True
        array[...] = 77
    assert all((array != 77).all() for array in layer.parameters.values())


def test_names_and_shapes_are_pytorchs(make_layer, option):
    row = FACTS[option[0]]
    layer = make_layer(3, 4, num_layers=2, bidirectional=True)
    wanted = {}
    for k, inputs in enumerate((3, 8)):
        for end in (f"_l{k}", f"_l{k}_reverse"):
            wanted["weight_ih" + end] = (row["w_blocks"] * 4, inputs)
            wanted["weight_hh" + end] = (row["r_blocks"] * 4, 4)
            wanted["bias" + end] = (row["b_blocks"] * 4,)
            wanted["vector" + end] = (len(row["vectors"]) * 4,)
            wanted["weight_static" + end] = (row["statics"] * 4, STATIC_SIZE)
            wanted["bias_static" + end] = (row["statics"] * 4,)
    shapes = {name: shape for name, shape in wanted.items() if shape[0]}
    assert {k: v.shape for k, v in layer.parameters.items()} == shapes
    assert layer.n_parameters == sum(map(np.prod, shapes.values()))


def test_load_parameters(make_layer):
    layer, other = make_layer(3, 9, dtype="f8"), make_layer(3, 9, dtype="f8")
    rng = np.random.default_rng(3)
    new = {k: rng.standard_normal(v.shape) for k, v in layer.parameters.items()}
    layer.load_parameters(new)
    assert bits(layer.parameters.values()) == bits(new.values())
    other.load_parameters(layer.parameters)
    x = [rng.standard_normal((5, 3))]
    assert bits(layer(x)[0]) == bits(other(x)[0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p, k: p.pop(k), "parameters: expected .*{}.*, got"),
        (lambda p, k: p.update({k + "1": p[k]}), "parameters: .*got .*{}1"),
        (lambda p, k: p.update({k: p[k][1:]}), "{}: expected shape"),
        (lambda p, k: p[k].fill(np.nan), "{}: expected finite"),
        (lambda p, k: p[k].fill(np.inf), "{}: expected finite"),
    ],
)
def test_refused_parameters_change_nothing(make_layer, spoil, said):
    layer = make_layer(3, 4)
    before = layer.weights.tobytes()
    parameters = {k: v.copy() for k, v in layer.parameters.items()}
    for name in parameters:
        spoilt = {k: v.copy() for k, v in parameters.items()}
        spoil(spoilt, name)
        with pytest.raises(ValueError, match=said.format(name)):
            layer.load_parameters(spoilt)
        assert layer.weights.tobytes() == before


def test_the_seed_decides(option):
    def weights(seed):
        layer = Recurrent(3, 9, option[0], random_state=seed, **needed_by(option[0]))
        return layer.weights.tobytes()

    assert weights(1) == weights(1) != weights(2)
    assert weights(np.random.default_rng(1)) == weights(1)
    assert weights(None) != weights(None)


def test_bind_moves_the_weights(make_layer):
    layer = make_layer(3, 9)
    x = [np.ones((4, 3))]
    before = bits(layer(x)[0])
    room = np.zeros(layer.n_weights + 32, np.float32)
    start = -room.__array_interface__["data"][0] % 64 // 4
    room = room[start : start + layer.n_weights]
    layer.bind(room)
    assert bits(layer(x)[0]) == before
    room[:] = 0
    assert not np.array_equal(layer.parameters["weight_ih_l0"], before)
    assert not any(array.any() for array in layer.parameters.values())


def test_penalised_is_everything_but_biases(make_layer):
    layer = make_layer(3, 9, num_layers=2, bidirectional=True)
    layer.weights[:] = 0
    for part in layer.penalised:
        layer.weights[part] = 1
    for name, array in layer.parameters.items():
        assert (array == name.startswith("weight")).all(), name


# --- copies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clone",
    [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_have_the_same_bits(make_layer, make_batch, clone, dtype):
    layer = make_layer(3, 9, num_layers=2, bidirectional=True, dropout=0.3, dtype=dtype)
    X, state, _, _ = make_batch(layer, [4, 0, 2])
    twin = clone(layer)
    assert layer.weights.tobytes() == twin.weights.tobytes()
    for one, two in [
        (layer(X, state), twin(X, state)),
        (layer.forward(X, state)[:2], twin.forward(X, state)[:2]),
    ]:
        assert bits([*one[0], *one[1]]) == bits([*two[0], *two[1]])
    twin.load_parameters({k: v + 1 for k, v in twin.parameters.items()})
    assert layer.weights.tobytes() != twin.weights.tobytes()


def test_a_pickle_holds_parameters_alone(make_layer):
    layer = make_layer(3, 5)
    size = sum(array.nbytes for array in layer.parameters.values())
    held = layer.__getstate__()
    assert "weights" not in held
    assert held["parameters"].keys() == layer.parameters.keys()
    assert len(pickle.dumps(layer)) < size + 4000


# --- dropout --------------------------------------------------------------------------


def masked(rate, size=100_000, key=(1, 2), dtype="f4"):
    x = np.ones(size, dtype)
    _core.dropout(x, rate, *key)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_rate_of_dropout(rate, dtype):
    x = masked(rate, dtype=dtype)
    kept = x != 0
    # Five standard deviations of a count of independent draws.
    assert abs(kept.mean() - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / x.size)
    assert np.allclose(x[kept], 1 / (1 - rate), rtol=1e-6)


def test_masks_depend_on_the_key_and_the_place_alone():
    assert (masked(0.5, 1000) == masked(0.5)[:1000]).all()
    keys = [(1, 2), (1, 3), (2, 2), (2**40, 2), (1, 2**40)]
    masks = {masked(0.5, 1000, key).tobytes() for key in keys}
    assert len(masks) == len(keys)
    assert ((masked(0.5, dtype="f4") > 0) == (masked(0.5, dtype="f8") > 0)).all()
    # What a higher rate keeps, a lower one keeps.
    assert not ((masked(0.9) > 0) & (masked(0.5) == 0)).any()


def test_dropout_is_between_layers_and_for_training(make_layer, make_batch):
    plain = make_layer(3, 9, num_layers=2)
    layer = make_layer(3, 9, num_layers=2, dropout=0.5)
    X, state, _, _ = make_batch(layer, [6, 4])

    def trained(layer, key):
        return bits(layer.forward(X, state, dropout_key=key)[0])

    called = bits(layer(X, state)[0])
    assert called == bits(plain(X, state)[0]) == trained(plain, (1, 1))
    assert trained(layer, (1, 1)) == trained(layer, (1, 1))
    keys = [(1, 1), (1, 2), (2, 1)]
    assert len({str(trained(layer, key)) for key in keys}) == 3
    single = make_layer(3, 9, dropout=0.5)
    Y, _, _ = single.forward(X, dropout_key=(1, 1))
    assert bits(Y) == bits(single(X)[0])


def test_dropout_has_the_same_bits_for_any_threads(make_layer, make_batch):
    layer = make_layer(6, 40, num_layers=3, bidirectional=True, dropout=0.5)
    X, state, dY, dstate = make_batch(layer, [20] * 20)

    def train(threads):
        Y, after, tape = layer.forward(X, state, dropout_key=(7, 9), threads=threads)
        dX, dbefore, grads = layer.backward(tape, dY, dstate, threads=threads)
        return bits([*Y, *after, *dX, *dbefore, *grads.values()])

    one = train(1)
    assert all(train(threads) == one for threads in (2, 3, 8))


# --- tapes ----------------------------------------------------------------------------


def test_a_tape_serves_once(make_layer, make_batch):
    layer = make_layer(3, 4)
    X, state, dY, dstate = make_batch(layer, [2, 3])
    tape = layer.forward(X, state)[2]
    layer.backward(tape, dY, dstate)
    with pytest.raises(ValueError, match="expected a fresh one, got one that backward"):
        layer.backward(tape, dY, dstate)


def test_the_memory_of_a_tape_is_used_again_and_given_back(make_layer, make_batch):
    layer = make_layer(3, 5)
    X, state, dY, _ = make_batch(layer, (4, 2))
    _, _, tape = layer.forward(X, state)
    memory = tape.saved[0]
    first = layer.backward(tape, dY)[2]
    _, _, tape = layer.forward(X, state)
    assert tape.saved[0] is memory
    again = layer.backward(tape, dY)[2]
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    layer.release()
    _, _, tape = layer.forward(X, state)
    assert tape.saved[0] is not memory


def test_outputs_between_layers_are_freed_on_the_way(monkeypatch):
    alive, most = [], []

    def counted(shape, dtype):
        array = fresh(shape, dtype)
        alive.append(True)
        most.append(len(alive))
        weakref.finalize(array, alive.pop)
        return array

    monkeypatch.setattr(stack, "fresh", counted)
    layer = Recurrent(3, 5, num_layers=6, random_state=0)
    layer(np.zeros((6, 4, 3), np.float32))  # as many samples as layers
    assert max(most) == 2
    layer(np.zeros((5, 4, 3), np.float32))  # fewer: all layers in one call
    assert max(most) == 6
