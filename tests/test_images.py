"""Images of unequal sizes, blocks of them, and what is left of them as sequences."""

import pickle

import numpy as np
import pytest

from lstmc import Images, Sequences
from lstmc.images import as_images
from lstmc.layers import Blocks, Collapse

STEP, LIMIT = 1e-6, 1e-6  # as in test_gradients


def draw(sizes, channels, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((*size, channels)) for size in sizes]


def test_images_are_a_list():
    X = draw([(2, 3), (4, 1), (2, 2)], 2)
    images = as_images(X, dtype="float64")
    assert len(images) == 3 and images.n_features == 2
    assert images.lengths.tolist() == [6, 4, 4]
    assert all((a == b).all() for a, b in zip(images, X, strict=True))
    assert (images[-1] == X[2]).all()
    for chosen in (
        slice(1, 3),
        slice(None, None, 2),
        [2, 0],
        np.array([True, False] * 2)[:3],
    ):
        index = np.arange(3)[chosen]
        for got, k in zip(images[chosen], index, strict=True):
            assert (got == X[k]).all()
    assert len(images[[]]) == 0 and len(images[3:]) == 0
    with pytest.raises(IndexError, match="expected one of 3 images, got 3"):
        images[3]
    with pytest.raises(TypeError, match="to_list"):
        np.asarray(images)
    with pytest.raises(ValueError, match="read-only"):
        images.values[0] = 1
    twin = pickle.loads(pickle.dumps(images))
    assert (twin.values == images.values).all()
    assert (twin.shapes == images.shapes).all()


def test_arrays_are_not_copied():
    X = np.zeros((3, 4, 5, 2), np.float32)
    assert np.shares_memory(as_images(X).values, X)
    images = as_images(X)
    assert as_images(images) is images
    assert as_images(images, dtype="float64").dtype == np.float64
    assert as_images(X[..., 0]).n_features == 1  # (n, H, W) has one channel
    assert as_images(np.zeros((3, 4, 5)), ndim=1).shapes.tolist() == [[4]] * 3


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "0 sample"),
        (np.zeros((0, 2, 2)), ValueError, "0 sample"),
        (np.zeros((3, 4)), ValueError, r"got shape \(3, 4\)"),
        (np.zeros((3, 4, 0)), ValueError, r"got shape \(3, 4, 0\)"),
        ([np.zeros((2, 2)), np.zeros((2, 2, 1))], ValueError, "image 1: .*got"),
        ([np.zeros((2, 2, 3)), np.zeros((2, 2, 1))], ValueError, "image 1 has 1"),
        ([np.zeros((2, 0))], ValueError, r"image 0: .*got \(2, 0\)"),
        ([np.array([["a"]])], TypeError, "real numbers"),
        ([np.array([[1j]])], ValueError, "Complex"),
        ([[[np.inf]]], ValueError, r"image 0, cell \(0, 0\), channel 0: .*infinity"),
    ],
)
def test_what_is_no_image(X, error, message):
    with pytest.raises(error, match=message):
        as_images(X)


def test_parts_that_do_not_fit():
    values = np.zeros((4, 1))
    with pytest.raises(ValueError, match="values: expected 6 cells, got 4"):
        Images(values, np.array([[2, 3]]))
    with pytest.raises(ValueError, match="sizes of at least 1"):
        Images(values, np.array([[4, 0]]))
    with pytest.raises(ValueError, match="expected 3 dimensions, got 2"):
        as_images(Images(values, np.array([[2, 2]])), ndim=3, dtype="float64")


@pytest.mark.parametrize(
    ("block", "sizes"),
    [
        ((2, 3), [(4, 6), (5, 7), (1, 1)]),
        ((1, 1), [(2, 3)]),
        ((5, 5), [(2, 3)]),
        ((2,), [(4,), (5,)]),
        ((2, 1, 2), [(2, 3, 4), (3, 1, 1)]),
    ],
)
def test_blocks(block, sizes):
    layer = Blocks(2, 3, block, dtype="float64", random_state=0)
    rng = np.random.default_rng(1)
    weight = rng.standard_normal(layer.parameters["weight"].shape)
    layer.load_parameters({"weight": weight, "bias": rng.standard_normal(3)})
    X = draw(sizes, 2)
    Y, tape = layer.forward(X)
    for x, y in zip(X, Y, strict=True):
        for place in np.ndindex(y.shape[:-1]):
            seen = np.zeros((*block, 2))
            for inside in np.ndindex(block):
                cell = tuple(p * b + k for p, b, k in zip(place, block, inside))
                if all(c < n for c, n in zip(cell, x.shape)):
                    seen[inside] = x[cell]
            wanted = np.tanh(weight @ seen.ravel() + layer.bias)
            np.testing.assert_allclose(y[place], wanted, rtol=1e-12, atol=1e-14)
    for called, y in zip(layer(X), Y, strict=True):
        assert (called == y).all()

    dY = [rng.standard_normal(y.shape) for y in Y]
    dX, grads = layer.backward(tape, dY)
    own = {name: array.copy() for name, array in layer.parameters.items()}
    pairs = [*zip(X, dX, strict=True), *((own[name], grads[name]) for name in own)]
    for array, gradient in pairs:
        direction, losses = rng.standard_normal(array.shape), []
        saved = array.copy()
        for sign in (1, -1):
            array[...] = saved + sign * STEP * direction
            layer.load_parameters(own)
            losses.append(sum(np.vdot(y, dy) for y, dy in zip(layer(X), dY)))
        array[...] = saved
        wanted = (losses[0] - losses[1]) / (2 * STEP)
        assert abs(np.vdot(gradient, direction) - wanted) < LIMIT * max(1, abs(wanted))


def test_blocks_that_do_not_exist():
    for wrong in ((), (0, 2), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="block_size: expected 1 to 3 sizes"):
            Blocks(2, 3, wrong)
    with pytest.raises(ValueError, match="expected at least 1, got 0, 3"):
        Blocks(0, 3, (2, 2))
    with pytest.raises(ValueError, match="X has 3 channels, expected 2"):
        Blocks(2, 3, (2, 2))(np.zeros((1, 4, 4, 3)))


def test_collapse():
    X = draw([(4, 9), (2, 3)], 2)
    for axis, others in ((-1, 0), (0, 1)):
        layer = Collapse(axis)
        Y, tape = layer.forward(X)
        for x, y in zip(X, Y, strict=True):
            np.testing.assert_allclose(y, x.sum(others), rtol=1e-5, atol=1e-5)
        for dx, dy, x in zip(layer.backward(tape, Y), Y, X, strict=True):
            assert (dx == np.broadcast_to(np.expand_dims(dy, others), x.shape)).all()
        with pytest.raises(ValueError, match="dY: expected the lengths"):
            layer.backward(tape, Y[::-1])
    volumes = as_images(np.ones((2, 3, 4, 5)), ndim=3)
    y = Collapse(1, ndim=3)(volumes)
    assert isinstance(y, Sequences) and (y.values == 15).all()
    with pytest.raises(ValueError, match="axis: expected one of 2 dimensions, got 2"):
        Collapse(2)
