"""The demo: nine men say /ae/, and a classifier fitted in seconds tells who spoke."""

import time
from pathlib import Path

import numpy as np

from ._pyplot import import_pyplot
from .datasets import load_japanese_vowels
from .display import LossCurveDisplay

__all__ = ["run_demo"]

# Training ends by itself, when the loss has not improved for ten epochs.
SETTINGS = {
    "hidden_size": 64,
    "bidirectional": True,
    "learning_rate_init": 3e-3,
    "max_iter": 50,
}


def run_demo(seed=0, seeds=1, output="japanese_vowels.png", verbose=1):
    """Fit LSTMClassifier on the Japanese vowels, report, and draw a picture.

    Parameters
    ----------
    seed : int, default=0
        `random_state` of the first fit, the one that the table and the picture show.
    seeds : int, default=1
        How many fits, with consecutive seeds, to take the mean accuracy of.
    output : str or os.PathLike, default="japanese_vowels.png"
        The picture: loss curve and confusion matrix. Needs matplotlib.
    verbose : int, default=1
        The fits' own: 0 is silent, 1 shows progress.

    Returns
    -------
    accuracies : list of float
        Test accuracy of each fit.

    Raises
    ------
    OSError
        If the picture cannot be written.

    Examples
    --------
    >>> from lstmc.demo import run_demo
    >>> picture = getfixture("tmp_path") / "vowels.png"
    >>> accuracies = run_demo(output=picture, verbose=0)  # doctest: +ELLIPSIS
    Japanese vowels: ...
    >>> accuracies[0] > 0.95
    True
    """
    data = standardise(load_japanese_vowels())
    print(
        f"Japanese vowels: {len(data.X_train)} utterances of nine speakers to learn "
        f"from, {len(data.X_test)} to test on. Who speaks?"
    )
    fits = [fit(data, seed + k, verbose) for k in range(seeds)]
    accuracies = [float(np.mean(data.y_test == predicted)) for _, predicted in fits]
    estimator, predicted = fits[0]
    print_table(data.y_test, predicted)
    if seeds > 1:
        print(
            f"Mean test accuracy over {seeds} seeds: {np.mean(accuracies):.2%}, "
            f"from {min(accuracies):.2%} to {max(accuracies):.2%}"
        )
    try:
        draw(estimator, data.y_test, predicted, output)
    except ImportError as error:
        print(f"No picture: {error}")
    else:
        print(f"Loss curve and confusion matrix: {Path(output).resolve()}")
    return accuracies


def standardise(data):
    """Every coefficient in units of its standard deviation over training steps."""
    steps = np.concatenate(data.X_train)
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    return data._replace(
        X_train=[(x - mean) / scale for x in data.X_train],
        X_test=[(x - mean) / scale for x in data.X_test],
    )


def fit(data, seed, verbose):
    """A fitted classifier and what it makes of the test set; says how it went."""
    from . import LSTMClassifier

    estimator = LSTMClassifier(**SETTINGS, random_state=seed, verbose=verbose)
    start = time.perf_counter()
    # The test set is watched, for the picture; nothing is chosen by it.
    estimator.fit(data.X_train, data.y_train, X_val=data.X_test, y_val=data.y_test)
    seconds = time.perf_counter() - start
    predicted = estimator.predict(data.X_test)
    print(
        f"Seed {seed}: test accuracy {np.mean(data.y_test == predicted):.2%}; "
        f"{estimator.n_iter_} epochs in {seconds:.2f} s, "
        f"{1e3 * seconds / estimator.n_iter_:.1f} ms per epoch"
    )
    return estimator, predicted


def print_table(true, predicted):
    """Print how many utterances of each speaker are told right."""
    print("\nspeaker  utterances  right  accuracy")
    for speaker in np.unique(true):
        right = predicted[true == speaker] == speaker
        print(f"{speaker:7}  {right.size:10}  {right.sum():5}  {right.mean():8.1%}")
    right = predicted == true
    print(f"    all  {right.size:10}  {right.sum():5}  {right.mean():8.1%}\n")


def draw(estimator, true, predicted, output):
    """Write the picture: loss and accuracy on the left, confusion on the right."""
    pyplot = import_pyplot("the picture")
    # A Figure of its own opens no window, whatever the backend.
    figure = pyplot.Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    figure.get_layout_engine().set(h_pad=0.08, wspace=0.05)  # inches, share
    figure.suptitle(
        f"Who says /ae/? LSTMClassifier names the speaker of "
        f"{np.mean(true == predicted):.1%} of {len(true)} new utterances",
        fontsize="x-large",
    )
    LossCurveDisplay.from_estimator(estimator, ax=left)
    left.set_xlabel("epoch (validation is on the test set)")
    left.grid(alpha=0.3)
    draw_confusion(right, true, predicted)
    figure.savefig(output, dpi=150)


def draw_confusion(ax, true, predicted):
    """Counts of utterances; the shade is the share of the true speaker's."""
    from sklearn.metrics import confusion_matrix

    speakers = np.unique(true)
    counts = confusion_matrix(true, predicted, labels=speakers)
    shares = counts / counts.sum(axis=1, keepdims=True)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        color = "white" if row == column else "C3"
        style = {"color": color, "ha": "center", "va": "center"}
        ax.text(column, row, counts[row, column], **style)
    ticks = {"ticks": range(len(speakers)), "labels": speakers}
    ax.set_xticks(**ticks)
    ax.set_yticks(**ticks)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="speaker named", ylabel="speaker")
