"""CTCAlignmentDisplay: what is drawn, and where in the picture it lies."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from sklearn.exceptions import NotFittedError
from transcripts import able, texts

from lstmc import LSTMTranscriber
from lstmc.ctc import Alignment
from lstmc.display import CTCAlignmentDisplay

matplotlib.use("Agg")

# "b" in frames 2 and 3, "a" in frame 6: what was said is "baa".
P = np.full((9, 3), 0.02)
P[:, 0] = 0.96
P[2:4] = 0.1, 0.1, 0.8
P[3] = 0.05, 0.0, 0.95
P[6] = 0.1, 0.9, 0.0
TRUTH = Alignment(["b", "a", "a"], [2, 5, 7], [4, 6, 8], None, 0.0, None)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def learned():
    X, y = texts(100)
    return able().fit(X, y), X, y


def pixel(display, x, y):
    """The colour at a place in the data, as it is printed: 0 to 1."""
    display.figure_.canvas.draw()
    picture = np.asarray(display.figure_.canvas.buffer_rgba())
    column, row = display.ax_.transData.transform((x, y))
    return picture[picture.shape[0] - 1 - int(row), int(column), :3] / 255


def test_lines_bands_and_labels():
    display = CTCAlignmentDisplay.from_predictions(P, "ab", alignment=TRUTH)
    assert [*display.lines_] == [None, "a", "b"]
    blank, a, b = display.lines_.values()
    assert blank.get_ydata().tolist() == P[:, 0].tolist()
    assert b.get_ydata().tolist() == P[:, 2].tolist()
    assert a.get_xdata().tolist() == [*range(9)]
    assert len({line.get_color() for line in (blank, a, b)}) == 3
    assert len(set(to_rgb(blank.get_color()))) == 1  # grey
    assert [(text.get_text(), *text.xy) for text in display.texts_] == [
        ("b", 3, 0.95), ("a", 6, 0.9),
    ]  # fmt: skip
    spans = [(band.get_x(), band.get_width()) for band in display.bands_]
    assert spans == [(1.5, 2), (4.5, 1), (6.5, 1)]
    colors = [to_rgb(band.get_facecolor()) for band in display.bands_]
    assert colors == [to_rgb(line.get_color()) for line in (b, a, a)]
    assert display.image_ is None
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == (
        "frame", "probability",
    )  # fmt: skip


def test_the_picture_of_lines():
    display = CTCAlignmentDisplay.from_predictions(P, "ab", alignment=TRUTH)
    b = np.array(to_rgb(display.lines_["b"].get_color()))
    low = display.bands_[0].get_y() + 0.02
    band = pixel(display, 1.7, low)
    np.testing.assert_allclose(band, 0.85 * b + 0.15, atol=0.02)  # its opacity
    assert pixel(display, 4.2, low) == pytest.approx([1, 1, 1])  # beside it
    under = pixel(display, 2.8, 0.3)  # filled below the line, on the tint of the band
    assert (under < 1).any()
    assert np.argsort(under).tolist() == np.argsort(b).tolist()
    assert pixel(display, 2.8, 1.1) == pytest.approx(0.08 * b + 0.92, abs=0.02)


def test_the_picture_of_a_heat_map():
    display = CTCAlignmentDisplay.from_predictions(
        P, "ab", alignment=TRUTH, kind="heatmap"
    )
    for t, k in np.ndindex(P.shape):
        color = pixel(display, t - 0.35, k + 0.3)
        if k == 0:
            assert np.ptp(color) < 0.01  # grey
            assert color.mean() == pytest.approx(1 - 0.41 * P[t, 0], abs=0.1)
        else:
            assert color[2] >= color[0] - 0.01  # blue
            assert (color.mean() < 0.4) == (P[t, k] > 0.7)
    assert display.lines_ == {}
    rows = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert rows == ["blank", "a", "b"]
    frames = [(band.get_x(), band.get_y()) for band in display.bands_]
    assert frames == [(1.5, 1.5), (4.5, 0.5), (6.5, 0.5)]
    frame = pixel(display, 5.5, 1)  # the right edge of the second
    np.testing.assert_allclose(frame, to_rgb("C1"), atol=0.2)
    assert [text.get_position() for text in display.texts_] == [(3, 2), (6, 1)]


def test_frames_may_have_a_length():
    display = CTCAlignmentDisplay.from_predictions(
        P, "ab", alignment=TRUTH, frame_length=0.01
    )
    assert display.ax_.get_xlabel() == "time in seconds"
    assert display.lines_["a"].get_xdata()[-1] == pytest.approx(0.08)
    assert display.bands_[0].get_x() == pytest.approx(0.015)
    assert display.ax_.get_xlim() == pytest.approx((-0.005, 0.085))


@pytest.mark.parametrize("kind", ["lines", "heatmap"])
def test_from_estimator(learned, kind):
    est, X, y = learned
    k = next(k for k, text in enumerate(y) if len(text) > 3)
    display = CTCAlignmentDisplay.from_estimator(est, X[k], y[k], kind=kind)
    [truth] = est.align([X[k]], [y[k]])
    assert [band.get_x() + 0.5 for band in display.bands_] == truth.starts.tolist()
    drawn = "".join(text.get_text() for text in display.texts_)
    assert [drawn] == est.predict([X[k]])
    assert display.posteriors.tolist() == est.predict_proba([X[k]])[0].tolist()
    own = CTCAlignmentDisplay.from_estimator(est.model_, X[k], kind=kind)
    assert len(own.bands_) == len(drawn)


@pytest.mark.parametrize("kind", ["lines", "heatmap"])
def test_draws_on_the_axes_given_and_whatever_there_is(learned, kind):
    est, X, _ = learned
    figure, axes = pyplot.subplots(2)
    display = CTCAlignmentDisplay.from_predictions(P, "ab", ax=axes[0], kind=kind)
    assert (display.ax_, display.figure_) == (axes[0], figure)
    assert display.bands_ == []
    assert display.plot(kind=kind) is display
    assert display.figure_ is not figure
    silence = CTCAlignmentDisplay.from_estimator(est, X[0][:1], "", kind=kind)
    assert silence.bands_ == []
    silence.figure_.canvas.draw()


def test_labels_that_are_not_heard_have_no_line():
    p = np.zeros((4, 31))
    p[:, 0], p[2, 7] = 0.6, 0.4
    display = CTCAlignmentDisplay.from_predictions(p, range(30))
    assert [*display.lines_] == [None, 6]
    assert display.texts_ == []  # the blank is likelier


def test_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"expected shape \(n_frames >= 1, 4\)"):
        CTCAlignmentDisplay.from_predictions(P, "abc")
    with pytest.raises(ValueError, match=r"got \(0, 3\)"):
        CTCAlignmentDisplay.from_predictions(P[:0], "ab")
    with pytest.raises(ValueError, match='"lines" or "heatmap", got \'bars\''):
        CTCAlignmentDisplay.from_predictions(P, "ab", kind="bars")
    with pytest.raises(NotFittedError):
        CTCAlignmentDisplay.from_estimator(LSTMTranscriber(), P)


def test_without_matplotlib_the_error_names_the_command(run_python):
    script = """
import sys
sys.modules["matplotlib"] = None
from lstmc.display import CTCAlignmentDisplay
try:
    CTCAlignmentDisplay.from_predictions([[0.5, 0.5]], "a")
except ImportError as error:
    print(error)
"""
    assert "pip install lstmc[plot]" in run_python(script)
