"""ConvLSTM against NumPy: every cell that fits, all axes, kernels, states, lengths."""

import pickle

import numpy as np
import pytest
import reference_conv
from conftest import FACTS
from test_const import snapshot
from test_interrupt import interrupt

from lstmc import Sequences, _core
from lstmc.layers import ConvLSTM

# Cells with their peepholes, from the registry.
CELLS = [
    (cell, peepholes)
    for cell, facts in FACTS.items()
    if ConvLSTM.takes(cell)
    for peepholes in (
        (None, "channel", "pixel") if cell == "lstm"
        else ("channel", "pixel") if facts["vectors"] else (None,)
    )
]  # fmt: skip

# Image size, kernel, dilation: one to three axes, odd and even, apart and not, taps
# that all lie outside, lines of several strips; tiles, whole and not, in one strip and
# in several.
SHAPES = [
    ((7,), 4, 2),
    ((200,), 5, 1),
    ((4, 5), 3, 1),
    ((3, 4, 5), (3, 2, 3), 1),
    ((3, 4, 5), (2, 3, 2), (2, 1, 2)),
    ((1, 1), 4, 3),
    ((6, 130), (5, 3), (2, 1)),
    ((8, 12), 3, 1),
    ((7, 10), 4, 1),
    ((11, 9), 5, 1),
    ((5, 203), 3, 1),
]


class Problem:
    """A layer with weights of all kinds, ragged frames, states and their gradients."""

    def __init__(self, lengths, *, image_size=(4, 5), seed=0, **options):
        rng = np.random.default_rng(seed)
        sizes = {"input_channels": 2, "hidden_channels": 17} | options
        self.layer = layer = ConvLSTM(
            image_size=image_size, padding="same_upper", **sizes, random_state=seed
        )
        drawn = {
            k: v + 0.3 * rng.standard_normal(v.shape)
            for k, v in layer.parameters.items()
        }
        layer.load_parameters(drawn)
        frame = (*layer.image_size, layer.input_channels)
        self.X = [rng.standard_normal((t, *frame)) for t in lengths]
        hidden = (*layer.image_size, layer.hidden_channels)
        shape = (layer.num_layers, len(lengths), *hidden)
        self.state = tuple(rng.standard_normal(shape) for _ in layer.state_names)
        if layer.cell == "slstm":  # whose n is a sum of positive numbers
            h, c, n, m = self.state
            self.state = (h, c, np.abs(n) + 1, m)
        self.dY = [rng.standard_normal((t, *hidden)) for t in lengths]
        self.dstate = tuple(rng.standard_normal(shape) for _ in layer.state_names)

    def reference(self, j):
        """Outputs and final states of sequence j."""
        layer, y, final = self.layer, self.X[j], []
        cell = layer.cell
        if cell == "lstm" and layer.peepholes:
            cell = "peephole"
        for k in range(layer.num_layers):
            own = {n.removesuffix(f"_l{k}"): v.astype("f8") for n, v in
                   layer.parameters.items() if n.endswith(f"_l{k}")}  # fmt: skip
            own["peephole"] = list(own.pop("vector", ()))
            states = [s[k, j] for s in self.state]
            y, states = reference_conv.run(cell, own, layer.dilation, y, states)
            final.append(states)
        return y, final

    def train(self, threads=1):
        Y, state, tape = self.layer.forward(self.X, self.state, threads=threads)
        back = self.layer.backward(tape, self.dY, self.dstate, threads=threads)
        return Y, state, back

    def bits(self, threads=1):
        Y, state, (dX, dstate, grads) = self.train(threads)
        arrays = [*Y, *state, *dX, *dstate, *grads.values()]
        return [array.tobytes() for array in arrays]

    def loss(self, X, state):
        Y, after = self.layer(X, state)
        pairs = [*zip(Y, self.dY, strict=True), *zip(after, self.dstate, strict=True)]
        return sum(float((a * b).sum()) for a, b in pairs)


def agrees(problem, atol):
    Y, after = problem.layer(problem.X, problem.state)
    for j, x in enumerate(problem.X):
        y, final = problem.reference(j)
        if len(x):
            assert np.abs(Y[j] - y).max() <= atol
        for k, states in enumerate(final):
            for found, wanted in zip(after, states, strict=True):
                assert np.abs(found[k, j] - wanted).max() <= atol


# Sums of some hundred products of numbers near 1, through up to 6 steps: a thousand
# roundings.
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("cell", "peepholes"), CELLS)
def test_every_cell_that_fits(cell, peepholes, dtype):
    options = {"cell": cell, "peepholes": peepholes, "dtype": dtype, "num_layers": 2}
    agrees(Problem([3, 0, 1], kernel_size=(3, 2), **options), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape(shape, dtype, target):
    image_size, kernel_size, dilation = shape
    problem = Problem(
        [2, 3], image_size=image_size, kernel_size=kernel_size, dilation=dilation,
        peepholes="pixel", dtype=dtype, hidden_channels=5,
    )  # fmt: skip
    agrees(problem, TOLERANCE[dtype])
    Y, state, _ = problem.layer.forward(problem.X, problem.state)
    same, after = problem.layer(problem.X, problem.state)
    for a, b in zip([*Y, *state], [*same, *after], strict=True):
        assert a.tobytes() == b.tobytes()


def check_gradients(problem, points=4):
    """Central differences at random places of every array."""
    layer, rng = problem.layer, np.random.default_rng(7)
    _, _, (dX, dstate, grads) = problem.train()
    parameters = {k: v.copy() for k, v in layer.parameters.items()}
    pairs = [
        *zip(problem.X, dX, strict=True), *zip(problem.state, dstate, strict=True),
        *((parameters[k], grads[k]) for k in grads),
    ]  # fmt: skip
    for array, gradient in pairs:
        flat, found = array.reshape(-1), gradient.reshape(-1)
        for k in rng.choice(flat.size, min(points, flat.size), replace=False):
            kept, values = flat[k], []
            for step in (1e-6, -1e-6):
                flat[k] = kept + step
                layer.load_parameters(parameters)
                values.append(problem.loss(problem.X, problem.state))
            flat[k] = kept
            layer.load_parameters(parameters)
            numeric = (values[0] - values[1]) / 2e-6
            assert abs(numeric - found[k]) < 1e-6 * max(1, abs(numeric))


@pytest.mark.parametrize(("cell", "peepholes"), CELLS)
def test_gradients_of_every_cell(cell, peepholes):
    options = {"cell": cell, "peepholes": peepholes, "num_layers": 2}
    check_gradients(
        Problem([3, 0, 1], dtype="float64", hidden_channels=9, **options), 2
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_of_every_shape(shape):
    image_size, kernel_size, dilation = shape
    check_gradients(
        Problem(
            [2, 3], image_size=image_size, kernel_size=kernel_size, dilation=dilation,
            peepholes="pixel", dtype="float64", hidden_channels=3,
        )
    )  # fmt: skip


# --- promises -------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[4], [2, 5], [3, 1, 2], [2] * 9])
@pytest.mark.parametrize("peepholes", [None, "channel", "pixel"])
def test_bits_do_not_depend_on_threads(lengths, peepholes):
    # Enough work for a team: samples of their own, and crews that share a sample.
    problem = Problem(
        lengths, image_size=(9, 14), peepholes=peepholes, num_layers=2, kernel_size=4
    )
    one = problem.bits()
    for threads in (2, 3, 5):
        assert problem.bits(threads) == one


def test_bits_do_not_depend_on_company():
    problem = Problem([3, 0, 5, 1], peepholes="pixel")
    layer, X, state = problem.layer, problem.X, problem.state
    Y, after = layer(X, state)
    for j, x in enumerate(X):
        y, own = layer([x], tuple(s[:, j : j + 1] for s in state))
        assert y[0].tobytes() == Y[j].tobytes()
        for a, b in zip(own, after, strict=True):
            assert a.tobytes() == b[:, j : j + 1].tobytes()


def test_a_call_writes_nothing():
    problem = Problem([2, 3], peepholes="channel")
    before = snapshot(problem.layer), pickle.dumps((problem.X, problem.state))
    problem.layer(problem.X, problem.state)
    after = snapshot(problem.layer), pickle.dumps((problem.X, problem.state))
    assert after == before


def test_nan_spreads_by_the_reach_of_the_taps():
    layer = ConvLSTM(1, 2, 3, image_size=(5, 9), random_state=0)
    values = np.zeros((2, 45), "f4")
    values[0, 2 * 9 + 1] = np.nan
    y, _ = layer.apply(Sequences(values, np.array([0, 2])))
    seen = np.isnan(y.reshape(2, 5, 9, 2)[..., 0])
    wanted = np.zeros((2, 5, 9), bool)
    wanted[0, 1:4, 0:3] = wanted[1, 0:5, 0:4] = True
    assert (seen == wanted).all()


@pytest.mark.parametrize(("taps", "side"), [(3, 4), (4, 3), (5, 2)])
def test_nan_spreads_by_tiles_where_they_take_fewer_products(taps, side):
    layer = ConvLSTM(
        1, 2, taps, image_size=(24, 24), padding="same_upper", random_state=0
    )
    values = np.zeros((1, 576), "f4")
    values[0, 9 * 24 + 13] = np.nan
    y, _ = layer.apply(Sequences(values, np.array([0, 1])))
    seen = np.isnan(y.reshape(24, 24, 2)).any(2)
    before = (taps - 1) // 2
    after = taps - 1 - before
    near = np.zeros((24, 24), bool)  # the pixels whose taps reach it
    near[9 - after : 10 + before, 13 - after : 14 + before] = True
    tiles = near.reshape(24 // side, side, 24 // side, side).any((1, 3))
    wanted = tiles.repeat(side, 0).repeat(side, 1)
    assert seen[near].all() and not seen[~wanted].any()


@pytest.mark.parametrize("phase", ["inference", "forward", "backward"])
@pytest.mark.parametrize(("samples", "threads"), [(8, 1), (8, 2), (1, 2)])
def test_a_long_call_hears_an_interrupt(phase, samples, threads):
    layer = ConvLSTM(16, 64, 5, image_size=(48, 48), random_state=0)
    X = np.zeros((samples, 24 // samples, 48, 48, 16), np.float32)  # seconds of work
    calls = {
        "inference": lambda: [layer(X, threads=threads) for _ in range(20)],
        "forward": lambda: [layer.forward(X, threads=threads) for _ in range(20)],
    }
    if phase == "backward":
        Y, _, tape = layer.forward(X)
        calls[phase] = lambda: layer.backward(tape, Y, threads=threads)
    interrupt(calls[phase])


@pytest.mark.parametrize("sizes", [(2**40, 2**40, (3, 3)), (1, 1, (2**40, 2**40))])
def test_sizes_beyond_any_address(sizes):
    channels, hidden, image_size = sizes
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        ConvLSTM(channels, hidden, 3, image_size=image_size)


def test_a_tape_beyond_any_address():
    film = _core.Film(0, False, 8, 8, (64, 64), (3, 3), (1, 1), False)
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        film.tape_size(2**46)


# --- the layer ------------------------------------------------------------------------


def test_forms_and_copies():
    layer = ConvLSTM(2, 3, image_size=(4, 5), peepholes="pixel", random_state=0)
    X = np.random.default_rng(0).standard_normal((3, 2, 4, 5, 2)).astype("f4")
    Y, state = layer(X)
    flat = Sequences.from_padded(X.reshape(3, 2, -1))
    for form, kind in ((X, np.ndarray), (list(X), list), (flat, Sequences)):
        found, _, tape = layer.forward(form)
        dX, _, _ = layer.backward(tape, found)
        assert type(found) is type(dX) is kind
        assert np.concatenate(list(found)).tobytes() == Y.tobytes()
    assert Y.shape == (3, 2, 4, 5, 3) and state[1].shape == (1, 3, 4, 5, 3)
    twin = pickle.loads(pickle.dumps(layer))
    assert twin(X)[0].tobytes() == Y.tobytes()
    with pytest.raises(ValueError, match="got one that backward used up"):
        layer.backward(tape, Y)


def test_states_go_on():
    problem = Problem([6], peepholes="channel", num_layers=2)
    layer, x = problem.layer, problem.X[0]
    Y, state = layer([x])
    first, middle = layer([x[:2]])
    second, last = layer([x[2:]], middle)
    assert np.concatenate([*first, *second]).tobytes() == Y[0].tobytes()
    assert [s.tobytes() for s in last] == [s.tobytes() for s in state]


def test_parameters():
    layer = ConvLSTM(2, 3, (3, 5), image_size=(4, 6), peepholes="pixel", num_layers=2)
    shapes = {k: v.shape for k, v in layer.parameters.items()}
    assert shapes == {
        "weight_ih_l0": (12, 3, 5, 2), "weight_hh_l0": (12, 3, 5, 3), "bias_l0": (12,),
        "vector_l0": (3, 4, 6, 3), "weight_ih_l1": (12, 3, 5, 3),
        "weight_hh_l1": (12, 3, 5, 3), "bias_l1": (12,), "vector_l1": (3, 4, 6, 3),
    }  # fmt: skip
    assert layer.parameters["bias_l0"].tolist() == [0] * 3 + [1] * 3 + [0] * 6
    layer.weights[:] = 0
    for part in layer.penalised:
        layer.weights[part] = 1
    for name, array in layer.parameters.items():
        assert (array == name.startswith("weight")).all(), name


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image_size": None}, "image_size: expected an int or a tuple of ints"),
        ({"image_size": (4, 5, 6, 7)}, "image_size: expected 1 to 3 integers, .*got 4"),
        ({"image_size": (4, 0)}, "image_size: expected ints of at least 1, got 0"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size: expected 2 integers, .* got 3"),
        ({"kernel_size": (5, 4)}, "zeros before as after .* got 1 and 2 for 4 taps"),
        ({"padding": "full"}, "padding: expected one of .*, got 'full'"),
        ({"dilation": 0}, "dilation: expected ints of at least 1, got 0"),
        ({"hidden_channels": 0}, "hidden_channels: expected an int .* got 0"),
        ({"cell": "tlstm"}, r"cell: expected one of \['lstm'.*\], got 'tlstm'"),
        ({"cell": "gru", "peepholes": "pixel"}, "the cell 'gru' has none, got 'pixel'"),
        ({"peepholes": "all"}, "peepholes: expected one of .*, got 'all'"),
    ],
)
def test_wrong_arguments(wrong, said):
    good = {"input_channels": 2, "hidden_channels": 3, "image_size": (4, 5)}
    with pytest.raises(ValueError, match=said):
        ConvLSTM(**good | wrong)


def test_wrong_calls():
    layer = ConvLSTM(2, 3, image_size=(4, 5), peepholes="pixel")
    with pytest.raises(ValueError, match=r"frames of \(4, 5\) pixels, got \(4, 6\)"):
        layer([np.zeros((3, 4, 6, 2))])
    with pytest.raises(ValueError, match="sequence 1: expected 2 channels, got 1"):
        layer([np.zeros((3, 4, 5, 2)), np.zeros((3, 4, 5, 1))])
    with pytest.raises(ValueError, match=r"\(samples, steps, height, width, channels"):
        layer(np.zeros((3, 4, 5, 2)))
    x = np.zeros((2, 4, 5, 2))
    x[1, 0, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"sequence 0, step 1, feature 3: .* got NaN"):
        layer([x])
    state = (np.zeros((1, 1, 4, 5, 3)), np.zeros((1, 1, 4, 6, 3)))
    with pytest.raises(ValueError, match=r"state c: expected \(1, 1, 4, 5, 3\), got"):
        layer([np.zeros((3, 4, 5, 2))], state)
    tape = layer.forward([np.zeros((3, 4, 5, 2))])[2]
    with pytest.raises(ValueError, match="dY: expected the lengths of X"):
        layer.backward(tape, [np.zeros((2, 4, 5, 3))])
