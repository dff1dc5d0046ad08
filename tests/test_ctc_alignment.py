"""Forced alignment: the best path of given labels, frame by frame."""

import numpy as np
import pytest
import reference_ctc as reference
from test_ctc_loss import SMALL, draw, draw_batch

from lstmc import ctc


@pytest.mark.parametrize(("C", "T", "labels", "blank"), SMALL)
def test_the_best_of_all_paths(target, C, T, labels, blank):
    logits = draw(T, C, scale=3.0)
    paths, p = reference.enumerate_paths(logits, labels, blank)
    (found,) = ctc.align([logits], [labels], blank=blank)
    assert found.path.tolist() == paths[p.argmax()].tolist()
    assert found.labels.tolist() == labels
    # A few roundings a frame.
    np.testing.assert_allclose(found.score, np.log(p.max()), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 3])
def test_what_an_alignment_says(dtype, threads):
    logits, labels = draw_batch(9, 4, 300, dtype)
    labels = [np.repeat(y[: len(y) // 3], 2) for y in labels]  # and so equal neighbours
    found = ctc.align(logits, labels, threads=threads)
    for x, y, out in zip(logits, labels, found):
        y_t = np.exp(reference.log_softmax(x))[np.arange(len(x)), out.path]
        np.testing.assert_allclose(out.score, np.log(y_t).sum(), rtol=1e-6)
        assert reference.collapse(out.path.tolist(), 0) == tuple(y)
        assert (out.path[out.starts] == y).all() and (out.ends > out.starts).all()
        assert (out.starts[1:] >= out.ends[:-1]).all()
        held = np.zeros(len(x), bool)
        for k, start, end, sure in zip(y, out.starts, out.ends, out.confidences):
            held[start:end] = True
            assert (out.path[start:end] == k).all()
            np.testing.assert_allclose(sure, y_t[start:end].mean(), rtol=1e-6)
        assert (out.path[~held] == 0).all()
        alone = ctc.align([x], [y])[0]
        assert alone.score == out.score and (alone.path == out.path).all()
        # The best path is one of those that the loss sums.
        assert ctc.loss([x], [y]).loss <= -out.score


def test_a_known_path_of_a_hundred_thousand_frames():
    T, U = 100_000, 1000
    labels = np.random.default_rng(0).integers(1, 30, U)
    path = np.zeros(T, np.int32)
    path[50 :: T // U] = path[51 :: T // U] = labels
    logits = np.zeros((T, 30), np.float32)
    logits[np.arange(T), path] = 20
    (found,) = ctc.align([logits], [labels])
    assert (found.path == path).all()
    assert (found.starts == np.arange(50, T, T // U)).all()
    assert (found.confidences > 0.99).all()


def test_padded_logits_and_other_blanks():
    logits = np.full((2, 6, 3), np.nan)
    logits[0], logits[1, :4] = draw(6, 3), draw(4, 3)
    found = ctc.align(logits, [[0, 1], [1]], blank=2, lengths=[6, 4])
    assert [len(out.path) for out in found] == [6, 4]
    (alone,) = ctc.align([logits[1, :4]], [[1]], blank=2)
    assert alone.score == found[1].score


def test_no_frames_and_no_labels():
    none, blanks = ctc.align([np.zeros((0, 3)), np.zeros((2, 3))], [[], []])
    assert none.score == 0 and none.path.shape == none.starts.shape == (0,)
    assert blanks.path.tolist() == [0, 0] and blanks.confidences.shape == (0,)


def test_labels_that_cannot_be():
    logits = [np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 3))]
    with pytest.raises(
        ValueError, match=r"got 2 .*sample 1: 2 frames, 3 needed; sample"
    ):
        ctc.align(logits, [[1, 2], [1, 1], [1, 2, 1, 2]])
    logits[0][:, 2] = -np.inf
    with pytest.raises(
        ValueError, match="sample 0: 2 frames, 2 needed, but -inf rules"
    ):
        ctc.align(logits[:1], [[1, 2]])


def test_wrong_logits_are_named():
    logits = [np.zeros((2, 3)), np.zeros((2, 3))]
    logits[1][1, 2] = np.nan
    with pytest.raises(ValueError, match=r"sample 1, frame 1, class 2: .*got nan"):
        ctc.align(logits, [[], [1]])
