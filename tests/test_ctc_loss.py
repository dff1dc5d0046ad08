"""CTC's loss and gradient: the sum over all alignments, whatever the input."""

import numpy as np
import pytest
import reference_ctc as reference

from lstmc import Sequences, ctc

EPS = {np.float32: np.finfo(np.float32).eps, np.float64: np.finfo(np.float64).eps}

# Classes, frames, labels, blank: none, one, repeated, last as the blank.
SMALL = [
    (2, 1, [], 0), (2, 1, [1], 0), (2, 3, [1, 1], 0), (2, 5, [1, 1, 1], 0),
    (3, 2, [2, 1], 0), (3, 4, [1, 1], 0), (3, 5, [2, 2, 1], 0), (3, 6, [0, 1, 0], 2),
    (4, 6, [3, 3, 3], 1), (4, 6, [0, 2, 3], 1), (4, 6, [], 3), (4, 3, [2, 1, 2], 0),
]  # fmt: skip


def draw(T, C, dtype=np.float64, scale=1.0, seed=0):
    rng = np.random.default_rng((seed, T, C))
    return (scale * rng.standard_normal((T, C))).astype(dtype)


def draw_batch(n, C, longest, dtype=np.float32, seed=0):
    """Samples of many lengths, all feasible, some without labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    logits = [draw(T, C, dtype, 3.0, seed) for T in lengths]
    labels = [rng.integers(1, C, rng.integers(0, T // 2 + 1)) for T in lengths]
    return logits, labels


@pytest.mark.parametrize(("C", "T", "labels", "blank"), SMALL)
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_every_alignment_counts(target, C, T, labels, blank, scale):
    logits = draw(T, C, scale=scale)
    wanted, d = reference.enumerated_loss(logits, labels, blank)
    out = ctc.loss([logits], [labels], blank=blank)
    # A dozen roundings a frame; the issue asks for 1e-9.
    np.testing.assert_allclose(out.loss, wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(out.gradient[0], d, rtol=0, atol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_gradient_is_that_of_the_loss(smoothing):
    logits, labels = [draw(9, 5), draw(4, 5)], [[1, 1, 3, 4], [2]]
    weights = {
        "sample_weight": [2.0, 0.5],
        "label_weight": [9, 1, 2, 3, 4.5],
        "label_smoothing": smoothing,
    }
    d = ctc.loss(logits, labels, **weights).gradient
    step, numeric = 1e-5, [np.empty_like(x) for x in logits]
    for sample, x in enumerate(logits):
        for place in np.ndindex(x.shape):
            at = []
            for side in (step, -step):
                moved = [y.copy() for y in logits]
                moved[sample][place] += side
                at.append(ctc.loss(moved, labels, gradient=False, **weights).loss)
            numeric[sample][place] = (at[0] - at[1]) / (2 * step)
    for ours, theirs in zip(d, numeric):
        # Differences err by step^2 and by eps loss / step: 1e-10 both.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-9)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("C", [2, 17, 1000])
def test_rows_of_the_gradient_sum_to_zero(dtype, C):
    logits, labels = draw_batch(9, C, 80, dtype)
    for d in ctc.loss(logits, labels, reduction="sum").gradient:
        # Each entry is rounded at the size of a probability, so that errors add up to
        # a few roundings of 1; the posteriors sum to 1 but for a rounding a frame.
        sums = d.sum(axis=1, dtype=np.float64)
        assert abs(sums).max() < 8 * EPS[dtype] + 100 * len(d) * EPS[np.float64]


@pytest.mark.parametrize("kind", ["peaky", "wrong", "far"])
def test_no_input_is_too_extreme(target, kind):
    rng = np.random.default_rng(1)
    T, C, labels = 120, 6, rng.integers(1, 6, 30)
    if kind == "peaky":
        logits = 1000.0 * rng.choice([-1, 1], (T, C))
    elif kind == "wrong":  # sure of the blank at every frame
        logits = draw(T, C)
        logits[:, 0] += 1000
    else:
        logits = draw(T, C, scale=1e4)
    wanted, d = reference.ctc(logits, labels)
    out = ctc.loss([logits], [labels])
    assert wanted > 1e4
    # log p adds up 120 numbers of up to 1e5: the gradient feels their absolute error.
    np.testing.assert_allclose(out.loss, wanted, rtol=1e-14 * T)
    np.testing.assert_allclose(out.gradient[0], d, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("T", "U"), [(31, 3), (700, 7), (700, 60), (2000, 200)])
def test_blocks_are_as_one(target, T, U):
    # From 31 frames, which are one block, to 2000, whose alphas are computed twice.
    rng = np.random.default_rng(T)
    logits, labels = draw(T, 9, scale=2.0), rng.integers(1, 9, U)
    wanted, d = reference.ctc(logits, labels)
    out = ctc.loss([logits], [labels])
    # The reference rounds logarithms of up to 1e4 at each frame.
    np.testing.assert_allclose(out.loss, wanted, rtol=1e-12)
    np.testing.assert_allclose(out.gradient[0], d, rtol=0, atol=1e-12 * T)


def test_a_hundred_thousand_frames():
    T, U = 100_000, 1000
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 30, U)
    # The network is sure of a path that is known: then log p is its path's, nearly.
    path = np.zeros(T, int)
    path[50 :: T // U] = labels
    logits = draw(T, 30, np.float32)
    logits[np.arange(T), path] += 40
    out = ctc.loss([logits], [labels])
    best = -reference.log_softmax(logits)[np.arange(T), path].sum()
    assert 0 <= best - out.loss < 1e-6 * T
    d = out.gradient[0]
    assert np.isfinite(d).all() and abs(d).max() < 1e-3
    wrong = ctc.loss([logits], [labels[::-1]])
    assert wrong.loss > 1000 and np.isfinite(wrong.gradient.values).all()
    assert abs(wrong.gradient.values.sum(axis=1)).max() < 1e-5


@pytest.mark.parametrize("dtype", EPS)
def test_bits_depend_on_nothing_else(dtype):
    logits, labels = draw_batch(12, 40, 400, dtype)
    first = ctc.loss(logits, labels, reduction="none", threads=1)
    for threads in (2, 3):
        out = ctc.loss(logits, labels, reduction="none", threads=threads)
        assert out.loss.tobytes() == first.loss.tobytes()
        assert out.gradient.values.tobytes() == first.gradient.values.tobytes()
    for k in range(12):
        alone = ctc.loss(logits[k : k + 1], labels[k : k + 1], reduction="none")
        assert alone.loss[0] == first.loss[k]
        assert alone.gradient[0].tobytes() == first.gradient[k].tobytes()


def test_every_form_of_logits():
    logits, labels = draw_batch(5, 6, 20)
    n, longest = len(logits), max(map(len, logits))
    padded = np.full((n, longest + 3, 6), np.nan, np.float32)
    for k, x in enumerate(logits):
        padded[k, : len(x)] = x
    first = ctc.loss(logits, labels)
    assert isinstance(first.gradient, Sequences) and first.gradient.dtype == np.float32
    same = ctc.loss(Sequences.from_padded(padded, list(map(len, logits))), labels)
    out = ctc.loss(padded, labels, lengths=[len(x) for x in logits])
    assert first.loss == same.loss == out.loss
    assert out.gradient.shape == padded.shape and out.gradient.dtype == np.float32
    for k, d in enumerate(first.gradient):
        assert (out.gradient[k, : len(d)] == d).all()
        assert (same.gradient[k] == d).all()
        assert (out.gradient[k, len(d) :] == 0).all()
    whole = ctc.loss(padded[:2, :1] * 0 + 1, [[], [2]])
    assert whole.gradient.shape == (2, 1, 6)


def test_reductions_and_weights():
    logits, labels = draw_batch(6, 5, 30, np.float64)
    labels[0] = np.array([], int)
    each = ctc.loss(logits, labels, reduction="none")
    w, v = np.arange(6.0), np.array([7, 1, 2, 0.5, 3])
    factor = w * [v[y].mean() if len(y) else 1.0 for y in labels]
    for reduction, scale in [("none", 1), ("sum", 1), ("mean", 1 / w.sum())]:
        out = ctc.loss(
            logits, labels, reduction=reduction, sample_weight=w, label_weight=v
        )
        wanted = factor * scale * each.loss
        wanted = wanted if reduction == "none" else wanted.sum()
        np.testing.assert_allclose(out.loss, wanted, rtol=1e-14)
        for k, d in enumerate(out.gradient):
            np.testing.assert_allclose(
                d, factor[k] * scale * each.gradient[k], rtol=0, atol=1e-14
            )
    none = ctc.loss(logits, labels, sample_weight=0 * w)
    assert none.loss == 0 and (none.gradient.values == 0).all()


def test_smoothing_mixes_in_all_classes():
    logits, labels = [draw(7, 5)], [[1, 2]]
    plain, log_y = ctc.loss(logits, labels), reference.log_softmax(logits[0])
    out = ctc.loss(logits, labels, label_smoothing=0.2)
    spread = -log_y.mean(axis=1).sum()
    np.testing.assert_allclose(out.loss, 0.8 * plain.loss + 0.2 * spread, rtol=1e-14)


def test_without_gradient():
    logits, labels = draw_batch(4, 6, 30)
    out = ctc.loss(logits, labels, gradient=False)
    assert out.gradient is None and out.loss == ctc.loss(logits, labels).loss


def test_no_frames_and_no_labels():
    out = ctc.loss([np.zeros((0, 3)), np.zeros((2, 3))], [[], []], reduction="none")
    assert out.loss[0] == 0 and np.isclose(out.loss[1], 2 * np.log(3))
    assert out.gradient[0].shape == (0, 3)


def test_classes_that_cannot_be():
    logits = draw(6, 4)
    logits[2:4, 3] = -np.inf
    wanted, d = reference.enumerated_loss(logits, [1, 2])
    out = ctc.loss([logits], [[1, 2]])
    np.testing.assert_allclose(out.loss, wanted, rtol=1e-13)
    np.testing.assert_allclose(out.gradient[0], d, rtol=0, atol=1e-13)
    assert (out.gradient[0][2:4, 3] == 0).all()


@pytest.mark.parametrize("dtype", EPS)
def test_samples_whose_labels_cannot_be(dtype):
    logits = [
        draw(4, 3, dtype),
        draw(3, 3, dtype),
        draw(0, 3, dtype),
        draw(5, 3, dtype),
    ]
    labels = [[1, 2], [1, 1, 2], [2], [1, 2, 1]]
    logits[3][:, 2] = -np.inf
    with pytest.raises(
        ValueError,
        match=r"got 2 .*sample 1: 3 frames, 4 needed; sample 2: 0 frames, 1 needed$",
    ):
        ctc.loss(logits, labels)
    kept = [logits[0], logits[3]], [labels[0], labels[3]]
    with pytest.raises(ValueError, match=r"got 1 .*sample 1: 5 frames, 3 needed, but"):
        ctc.loss(*kept)
    weight = [3.0, 1, 1, 1]
    alone = ctc.loss(logits[:1], labels[:1], reduction="sum")
    for reduction, scale in [("mean", 1), ("sum", 3)]:
        out = ctc.loss(
            logits, labels, reduction=reduction, on_infeasible="skip",
            sample_weight=weight,
        )  # fmt: skip
        assert out.skipped.tolist() == [1, 2, 3]
        np.testing.assert_allclose(out.loss, scale * alone.loss, rtol=1e-14)
        np.testing.assert_allclose(
            out.gradient[0], scale * alone.gradient[0], rtol=0, atol=9 * EPS[dtype]
        )
        assert all((out.gradient[k] == 0).all() for k in (1, 2, 3))
    each = ctc.loss(logits, labels, reduction="none", on_infeasible="skip").loss
    assert (each[1:] == 0).all()
    out = ctc.loss(logits[1:], labels[1:], on_infeasible="skip")
    assert out.loss == 0 and (out.gradient.values == 0).all()


def with_entry(value, row=slice(1, 2), k=2):
    logits = np.zeros((3, 4))
    logits[row, k] = value
    return [np.zeros((2, 4)), logits]


@pytest.mark.parametrize(
    ("logits", "labels", "options", "message"),
    [
        ([], [], {}, "logits: expected at least 1 sample, got an empty batch"),
        (np.zeros((2, 3)), [[1]], {}, r"logits: expected Sequ.*got shape \(2, 3\)"),
        (with_entry(np.nan), [[1], [1]], {}, "sample 1, frame 1, class 2: .*nan"),
        (with_entry(np.inf), [[1], [1]], {}, "sample 1, frame 1, class 2: .*inf"),
        (with_entry(-np.inf, 2, slice(None)), [[1], [1]], {},
         "sample 1, frame 2, class 0: expected a number, or -inf in some"),
        (with_entry(-np.inf), [[1], [1]], {"label_smoothing": 0.1},
         "sample 1, frame 1, class 2: expected a finite number, got -inf"),
        (with_entry(0), [[1]], {}, "labels: expected 2 sequences.*got 1"),
        (with_entry(0), [[1], [2, 4]], {}, "sample 1, label 1: .*0 to 3.*got 4"),
        (with_entry(0), [[1], [-1]], {}, "labels: sample 1, label 0: .*got -1"),
        (with_entry(0), [[0], [1]], {}, "labels: sample 0, label 0: .*blank 0, got 0"),
        (with_entry(0), [[1], [2]], {"blank": 4}, "blank: .*class from 0 to 3"),
        (with_entry(0), [[1], [2]], {"reduction": "max"}, "reduction: .*got 'max'"),
        (with_entry(0), [[1], [2]], {"on_infeasible": ""}, "on_infeasible: .*got ''"),
        (with_entry(0), [[1], [2]], {"label_smoothing": 1}, "label_smoothing: .*got 1"),
        (with_entry(0), [[1], [2]], {"lengths": [1, 2]}, "lengths: expected None"),
        (with_entry(0), [[1], [2]], {"sample_weight": [1]}, r"\(2,\), got \(1,\)"),
        (with_entry(0), [[1], [2]], {"label_weight": [1, 2, -3, 4]}, "entry 2: .*-3"),
        (with_entry(0), [[1], [2]], {"threads": -1}, "threads: .*0 or more, got -1"),
    ],
)  # fmt: skip
def test_bad_values(logits, labels, options, message):
    with pytest.raises(ValueError, match=message):
        ctc.loss(logits, labels, **options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [[1], [1.5]],
            "labels: sample 1: expected a sequence of integers, got float64",
        ),
        ([[1], 2], r"labels: sample 1: .*got int64 of shape \(\)"),
        (["ab", [1]], "labels: sample 0: .*got <U2"),
        ("ab", "labels: expected a list of integer sequences, got str"),
        (None, "labels: .*got NoneType"),
    ],
)
def test_bad_types(labels, message):
    with pytest.raises(TypeError, match=message):
        ctc.loss(with_entry(0), labels)


def test_logits_are_not_written():
    logits, labels = draw_batch(3, 5, 20)
    before = [x.copy() for x in logits]
    ctc.loss(logits, labels)
    assert all((x == y).all() for x, y in zip(logits, before))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("C", [3, 40])
def test_pytorch_agrees(dtype, C):
    torch = pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    logits, labels = draw_batch(8, C, 90, dtype)
    lengths = [len(x) for x in logits]
    flat = Sequences.from_flat(np.concatenate(logits), lengths)
    padded = flat.to_padded(0).swapaxes(0, 1)
    # In float64, whatever ours: PyTorch sums in the dtype, and errs by more.
    peer = torch.tensor(padded, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.ctc_loss(
        torch.log_softmax(peer, -1),
        torch.tensor(np.concatenate(labels)),
        torch.tensor(lengths),
        torch.tensor([len(y) for y in labels]),
        reduction="none",
        zero_infinity=True,
    )
    loss.sum().backward()
    out = ctc.loss(logits, labels, reduction="none", on_infeasible="skip")
    tolerance = 1e-6 if dtype is np.float32 else 1e-11
    np.testing.assert_allclose(out.loss, loss.detach(), rtol=tolerance)
    for k, d in enumerate(out.gradient):
        if k not in out.skipped:
            wanted = peer.grad[: len(d), k]
            np.testing.assert_allclose(d, wanted, rtol=0, atol=tolerance)
