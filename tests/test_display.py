"""LossCurveDisplay draws what the estimator holds, and says what it needs."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.exceptions import NotFittedError

from lstmc import LSTMClassifier, LSTMRegressor, LSTMTranscriber
from lstmc.display import LossCurveDisplay

matplotlib.use("Agg")

X = np.random.default_rng(0).standard_normal((40, 5, 2))
y = np.arange(40) % 2


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def classifier():
    return LSTMClassifier(
        4, max_iter=6, early_stopping=True, validation_fraction=0.2, random_state=0
    ).fit(X, y)


def data(line):
    return line.get_xdata().tolist(), line.get_ydata().tolist()


def test_training_loss_alone():
    est = LSTMRegressor(4, max_iter=3, random_state=0).fit(X, y)
    display = LossCurveDisplay.from_estimator(est)
    (line,) = display.lines_
    assert data(line) == ([1, 2, 3], est.loss_curve_)
    assert line.get_label() == "training loss"
    assert display.score_ax_ is None
    assert display.ax_.get_legend() is None
    assert display.ax_.get_yscale() == "log"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")
    assert display.figure_ is display.ax_.figure


def test_validation_loss_and_score(classifier):
    display = LossCurveDisplay.from_estimator(classifier)
    epochs = [1, 2, 3, 4, 5, 6]
    assert [data(line) for line in display.lines_] == [
        (epochs, classifier.loss_curve_),
        (epochs, classifier.validation_loss_curve_),
        (epochs, classifier.validation_scores_),
    ]
    labels = ["training loss", "validation loss", "validation accuracy"]
    assert [line.get_label() for line in display.lines_] == labels
    assert [line.axes for line in display.lines_[:2]] == [display.ax_] * 2
    assert display.lines_[2].axes is display.score_ax_
    assert display.score_ax_.get_ylabel() == "accuracy"
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == labels
    assert len({line.get_color() for line in display.lines_}) == 3


def test_transcribers_score_is_the_label_error_rate():
    est = LSTMTranscriber(4, max_iter=2, early_stopping=True, random_state=0)
    display = LossCurveDisplay.from_estimator(est.fit(X, [[k % 3] for k in range(40)]))
    assert display.score_ax_.get_ylabel() == "1 - label error rate"


def test_regressors_score_is_r2():
    est = LSTMRegressor(4, max_iter=2, early_stopping=True, random_state=0).fit(X, y)
    assert LossCurveDisplay.from_estimator(est).score_ax_.get_ylabel() == "R²"


def test_draws_on_the_axes_given_with_the_style_given(classifier):
    figure, ax = pyplot.subplots()
    display = LossCurveDisplay.from_estimator(classifier, ax=ax, color="k")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert {line.get_color() for line in display.lines_} == {"k"}
    again = display.plot()
    assert again is display
    assert display.ax_ is not ax


def test_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(LSTMClassifier())


def test_without_matplotlib_the_error_names_the_command():
    script = """
import sys
sys.modules["matplotlib"] = None
from lstmc.display import LossCurveDisplay
try:
    LossCurveDisplay(loss_curve=[1.0]).plot()
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "pip install lstmc[plot]" in done.stdout, done.stderr
