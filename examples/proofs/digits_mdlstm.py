"""Digits, multidimensional: scikit-learn's 8 x 8 digits, read as images.

A pyramid of two multidimensional LSTM layers, each of four sweeps, and a mean over the
cells that are left. The same split for all seeds; nothing is moved or turned.
"""

import warnings

import numpy as np
from proof import Proof, new_figure
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from lstmc import MDLSTMClassifier

WANTED = 0.97
TESTED, SEEDS, EPOCHS = 0.25, 5, 60
RATES = (4e-3, 1e-3)  # for two thirds of the epochs, and for the rest


def train(X, y, seed):
    """A classifier, and its loss after each epoch."""
    estimator = MDLSTMClassifier(
        (16, 32), block_size=((1, 1), (2, 2)), feedforward_size=(32,), dropout=0.2,
        batch_size=32, warm_start=True, tol=0, n_iter_no_change=np.inf,
        random_state=seed,
    )  # fmt: skip
    for rate, share in zip(RATES, (2, 1)):
        estimator.set_params(learning_rate_init=rate, max_iter=EPOCHS * share // 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # that is the plan
            estimator.fit(X, y)
    return estimator


def picture(images, digits, found, curves):
    """Loss by epoch, and the digits that the last network took for others."""
    figure, (left, right) = new_figure(2)
    for curve in curves:
        left.semilogy(np.arange(1, len(curve) + 1), curve, color="C0", alpha=0.6)
    left.set_xlabel("epoch")
    left.set_ylabel("training loss, each seed")
    wrong = np.flatnonzero(found != digits)[:12]
    for k, index in enumerate(wrong):
        row, column = divmod(k, 4)
        place = (column * 10, column * 10 + 8, row * 13 + 8, row * 13)
        right.imshow(images[index], cmap="Greys", extent=place, interpolation="nearest")
        right.text(
            column * 10 + 4, row * 13 + 8.4, f"{digits[index]} read as {found[index]}",
            ha="center", va="top", fontsize=7,
        )  # fmt: skip
    right.set_xlim(-1, 39)
    right.set_ylim(38, -1)
    right.axis("off")
    return figure


def main():
    proof = Proof(
        "scikit-learn's digits by multidimensional LSTM",
        task=(
            "1,797 digits of 8 × 8 pixels, a quarter of them to test on, stratified, "
            "the same for all seeds. Four sweeps of 16 multidimensional LSTM units, "
            "blocks of 2 × 2 of their outputs to 32 tanh units, four sweeps of 32, the "
            f"mean over the cells, softmax; {EPOCHS} epochs of Adam with dropout 0.2, "
            "no held-out samples, the last weights."
        ),
        paper=(
            "Graves, Schmidhuber: Offline Handwriting Recognition with "
            "Multidimensional Recurrent Neural Networks. NIPS 2008; the data: "
            "Alpaydin, Kaynak, UCI 1998"
        ),
        columns=["seed", "accuracy, training", "accuracy, test"],
    )
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    X, tested, y, wanted = train_test_split(
        images, digits, test_size=TESTED, random_state=0, stratify=digits
    )
    scores, curves = [], []
    for seed in proof.seeds(SEEDS):
        estimator = train(X, y, seed)
        scores.append(estimator.score(tested, wanted))
        curves.append(estimator.loss_curve_)
        proof.row(seed, estimator.score(X, y), scores[-1])
    mean = float(np.mean(scores))
    proof.gate(
        f"mean accuracy on {len(wanted)} digits of the test", mean,
        f"at least {WANTED}", mean >= WANTED,
    )  # fmt: skip
    proof.finish(picture(tested, wanted, estimator.predict(tested), curves))


if __name__ == "__main__":
    main()
