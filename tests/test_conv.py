"""Convolutions against NumPy, tap by tap: all axes, kernels, dilations and lengths."""

import math
import pickle

import numpy as np
import pytest
from reference_conv import correlate

from lstmc import Sequences, _core
from lstmc.layers import Conv1D

# Sizes of images, kernel, dilation, channels in and out.
CASES = [
    ([(7,), (1,), (0,), (200,)], (8,), (1,), 3, 5),
    ([(7,), (1,), (3,)], (5,), (3,), 3, 17),
    ([(6, 7), (1, 9), (130, 3), (2, 97)], (3, 3), (1, 1), 3, 33),
    ([(6, 7), (9, 12)], (3, 4), (2, 3), 17, 20),
    ([(3, 4, 5)], (3, 2, 3), (1, 2, 1), 2, 9),
    ([(1, 1, 1), (2, 3, 1)], (4, 4, 4), (3, 3, 3), 2, 3),
]
DTYPES = ["float32", "float64"]


class Problem:
    """Images, weights and a gradient at the outputs."""

    def __init__(self, case, dtype, seed=0):
        self.sizes, self.kernel, self.dilation, inputs, outputs = case
        rng = np.random.default_rng(seed)
        self.size = np.ones((len(self.sizes), 3), np.intp)
        self.size[:, 3 - len(self.kernel) :] = self.sizes
        pixels = int(self.size.prod(axis=1).sum())
        shape = (outputs, *self.kernel, inputs)
        self.x = rng.standard_normal((pixels, inputs)).astype(dtype)
        self.weight = rng.standard_normal(shape).astype(dtype)
        self.bias = rng.standard_normal(outputs).astype(dtype)
        self.dy = rng.standard_normal((pixels, outputs)).astype(dtype)

    def run(self, threads=1):
        y, dx = np.empty_like(self.dy), np.empty_like(self.x)
        d_weight, d_bias = np.empty_like(self.weight), np.empty_like(self.bias)
        options = (self.kernel, self.dilation, threads)
        flat = self.weight.ravel()
        _core.conv_forward(self.size, self.x, flat, self.bias, y, *options)
        _core.conv_backward(
            self.size, self.x, flat, self.dy, dx, d_weight.ravel(), d_bias, *options
        )
        return y, dx, d_weight, d_bias

    def linear(self, weight, x):
        """The convolution without biases, by the reference."""
        out = []
        pieces = np.split(x, np.cumsum(self.size.prod(axis=1))[:-1])
        for size, pixels in zip(self.sizes, pieces, strict=True):
            image = np.moveaxis(pixels.reshape(*size, x.shape[1]).astype("f8"), -1, 0)
            y = correlate(weight.astype("f8"), image, self.dilation)
            out.append(np.moveaxis(y, 0, -1).reshape(len(pixels), len(weight)))
        return np.concatenate(out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case, dtype, target):
    problem = Problem(case, dtype)
    y, dx, d_weight, d_bias = problem.run()
    # Sums of so many products: the error grows like the root of their number.
    terms = problem.weight[0].size, len(problem.x) * len(problem.bias)
    near = [16 * np.finfo(dtype).eps * math.sqrt(n) for n in terms]
    wanted = problem.linear(problem.weight, problem.x) + problem.bias
    assert np.abs(y - wanted).max() <= near[0] * math.sqrt(terms[0])
    # y is linear in x and in the weights, so that inner products tell the gradients.
    rng = np.random.default_rng(1)
    for d, argument in ((dx, "x"), (d_weight, "weight")):
        v = rng.standard_normal(d.shape)
        given = {"weight": problem.weight, "x": problem.x} | {argument: v}
        change = (problem.dy * problem.linear(**given)).sum()
        scale = np.abs(problem.dy).sum() * math.sqrt(terms[0])
        assert abs((d * v).sum() - change) <= near[1] * scale
    assert np.abs(d_bias - problem.dy.sum(axis=0)).max() <= near[1] * len(problem.x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_do_not_depend_on_threads(case, dtype):
    problem = Problem(case, dtype)
    one = [array.tobytes() for array in problem.run()]
    for threads in (2, 3, 8):
        assert [array.tobytes() for array in problem.run(threads)] == one


def test_bits_do_not_depend_on_threads_of_large_work():
    problem = Problem(([(150, 40), (33, 33)], (3, 3), (1, 1), 8, 40), "float32")
    one = [array.tobytes() for array in problem.run()]
    assert [array.tobytes() for array in problem.run(2)] == one


def test_bits_do_not_depend_on_company():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((t, 3)) for t in (50, 1, 0, 300, 97)]
    conv = Conv1D(3, 20, 8, padding="same_upper", random_state=0)
    alone = [conv([x])[0].tobytes() for x in X]
    assert [y.tobytes() for y in conv(X)] == alone
    assert [y.tobytes() for y in conv(X[::-1])] == alone[::-1]


def test_nan_goes_where_it_is_seen_and_nowhere_else():
    x = Sequences(np.zeros((9, 1), "f4"), np.array([0, 4, 9]))
    values = x.values.copy()
    values[2] = np.nan
    y = Conv1D(1, 2, 3, random_state=0).apply(x.with_values(values))
    assert np.isnan(y[:, 0]).tolist() == [False] + [True] * 3 + [False] * 5


# --- the layer ------------------------------------------------------------------------


def test_even_kernels_have_the_smaller_half_before():
    conv = Conv1D(1, 1, 8, padding="same_upper", dtype="float64")
    weight = np.arange(1.0, 9.0).reshape(1, 8, 1)
    conv.load_parameters({"weight": weight, "bias": np.zeros(1)})
    x = np.zeros((1, 9, 1))
    x[0, 4] = 1
    assert conv(x)[0, :, 0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 2), (8, 1), (4, 3)])
def test_central_differences(kernel_size, dilation):
    rng = np.random.default_rng(0)
    conv = Conv1D(
        2, 3, kernel_size, dilation=dilation, padding="same_upper", dtype="float64",
        random_state=0,
    )  # fmt: skip
    X = [rng.standard_normal((t, 2)) for t in (5, 1, 8)]
    dY = [rng.standard_normal((len(x), 3)) for x in X]

    def loss():
        return sum((y * dy).sum() for y, dy in zip(conv(X), dY, strict=True))

    _, tape = conv.forward(X)
    dX, grads = conv.backward(tape, dY)
    parameters = {k: v.copy() for k, v in conv.parameters.items()}
    pairs = [(x, dx, None) for x, dx in zip(X, dX, strict=True)]
    pairs += [(parameters[k], grads[k], k) for k in grads]
    for array, gradient, name in pairs:
        flat, found = array.reshape(-1), gradient.reshape(-1)
        for k in rng.choice(flat.size, min(5, flat.size), replace=False):
            kept, values = flat[k], []
            for step in (1e-6, -1e-6):
                flat[k] = kept + step
                if name:
                    conv.load_parameters(parameters)
                values.append(loss())
            flat[k] = kept
            if name:
                conv.load_parameters(parameters)
            assert abs((values[0] - values[1]) / 2e-6 - found[k]) < 1e-6


def test_forms_and_copies():
    conv = Conv1D(3, 4, 5, random_state=0)
    X = np.random.default_rng(0).standard_normal((4, 6, 3)).astype("f4")
    Y = conv(X)
    for form, kind in ((list(X), list), (Sequences.from_padded(X), Sequences)):
        found, tape = conv.forward(form)
        dX, _ = conv.backward(tape, found)
        assert type(found) is type(dX) is kind
        assert np.array(list(found)).tobytes() == Y.tobytes()
    twin = pickle.loads(pickle.dumps(conv))
    assert twin(X).tobytes() == Y.tobytes()
    dX, grads = conv.backward(conv.forward(X)[1], Y)
    assert dX.shape == X.shape
    assert {k: v.shape for k, v in grads.items()} == conv.shapes
    assert conv([]) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"input_size": 0}, "input_size: expected an int of at least 1, got 0"),
        ({"kernel_size": 2.0}, "kernel_size: expected an int of at least 1, got 2.0"),
        ({"dilation": True}, "dilation: expected an int of at least 1, got True"),
        ({"kernel_size": 8}, "zeros before as after .* got 3 and 4 for 8 taps"),
        ({"padding": "valid"}, "padding: expected one of .*, got 'valid'"),
        ({"initializer": "he"}, "initializer: expected .*, got 'he'"),
    ],
)
def test_wrong_arguments(wrong, said):
    good = {"input_size": 2, "output_size": 3, "kernel_size": 3}
    with pytest.raises(ValueError, match=said):
        Conv1D(**good | wrong)


def test_wrong_calls():
    conv = Conv1D(2, 3, 3)
    with pytest.raises(ValueError, match="has 5 features, expected 2"):
        conv([np.zeros((4, 5))])
    tape = conv.forward([np.zeros((4, 2))])[1]
    with pytest.raises(ValueError, match="dY: expected the lengths of X"):
        conv.backward(tape, [np.zeros((3, 3))])
    with pytest.raises(ValueError, match=r"has 2 features, expected 3"):
        conv.backward(tape, [np.zeros((4, 2))])


def test_too_large_is_a_memory_error():
    conv = Conv1D(1, 1, 3)
    conv.kernel_size, conv.dilation = 3, 2**61
    with pytest.raises(MemoryError):
        conv([np.zeros((4, 1))])
