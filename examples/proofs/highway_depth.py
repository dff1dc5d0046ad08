"""Highway depth: networks of 10 to 100 layers, with gates, with sums and with neither.

All three read the same 8 x 8 digits with the same solver for as many epochs. A highway
network has two matrices a layer and 50 units, the others one matrix and 71 units, as in
the paper, so that all have as many parameters at each depth. Test digits are drawn anew
with each seed. The protocol was settled on other seeds.

Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015; He, Zhang, Ren,
Sun: Deep Residual Learning for Image Recognition. CVPR 2016.
"""

import warnings

import numpy as np
from proof import Proof, new_figure
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from lstmc import HighwayClassifier

SEEDS, EPOCHS, TEST = 5, 30, 500
# The deeper, the lower the gates start, as the paper has it: -1 ... -4.
BIASES = {10: -1.0, 20: -1.0, 30: -2.0, 50: -3.0, 100: -4.0}
KINDS = {
    "highway": {"gates": "coupled", "hidden_size": 50},
    "residual": {"gates": "open", "hidden_size": 71},
    "plain": {"gates": "none", "hidden_size": 71},
}
COLORS = {"highway": "C0", "residual": "C2", "plain": "C3"}
# Ten classes: 0.1 by chance. A deep plain network's loss falls, if at all, far slower.
LEARNT, RESIDUAL, STUCK, SLOWER = 0.95, 0.9, 0.5, 10.0


def fit(kind, depth, seed):
    """The accuracy on test digits, the loss and its curve."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        (X - 8) / 8, y, test_size=TEST, stratify=y, random_state=seed
    )
    est = HighwayClassifier(
        num_layers=depth, transform_bias=BIASES[depth], max_iter=EPOCHS, tol=0.0,
        n_iter_no_change=np.inf, random_state=seed, **KINDS[kind],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs
        est.fit(X, y)
    return est.score(X_test, y_test), est.loss_, est.loss_curve_


def draw(proof, found):
    """Accuracies and losses over depth, and how the losses fell at 50 layers."""
    figure, (right, lost, curves) = new_figure(3)
    for kind, color in COLORS.items():
        for ax, k in ((right, 0), (lost, 1)):
            values = np.array([[run[k] for run in found[kind, d]] for d in BIASES])
            ax.plot(list(BIASES), values.mean(axis=1), "o-", color=color, label=kind)
            ax.plot(list(BIASES), values, ".", color=color, alpha=0.35, markersize=4)
        for run in found[kind, 50]:
            curves.plot(range(1, EPOCHS + 1), run[2], color=color, alpha=0.6)
    right.set(xlabel="layers", ylabel="accuracy on test digits", ylim=(0, 1.02))
    lost.set(xlabel="layers", ylabel="training loss", yscale="log")
    curves.set(xlabel="epoch", ylabel="training loss, 50 layers", yscale="log")
    right.legend(frameon=False)
    proof.finish(figure)


def main():
    """Fit all kinds at all depths."""
    proof = Proof(
        "Highway networks: depth that trains",
        task=(
            "scikit-learn's digits, 1297 to learn from and 500 to judge by, drawn anew "
            f"with each of {SEEDS} seeds; {EPOCHS} epochs of Adam at 1e-3, batches of "
            "32, tanh; 50 units for highway and 71 for residual and plain networks, "
            "which are as many parameters. Means over the seeds."
        ),
        paper="Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015",
        columns=["layers", "network", "accuracy", "worst", "training loss"],
    )
    found = {}
    for depth in BIASES:
        for kind in KINDS:
            runs = [fit(kind, depth, seed) for seed in proof.seeds(SEEDS)]
            found[kind, depth] = runs
            accuracies = [run[0] for run in runs]
            losses = [run[1] for run in runs]
            proof.row(
                depth, kind, np.mean(accuracies), min(accuracies), np.mean(losses)
            )

    def mean(kind, depth, k=0):
        return float(np.mean([run[k] for run in found[kind, depth]]))

    for depth in (30, 50, 100):
        got = mean("highway", depth)
        proof.gate(f"highway, {depth} layers: accuracy", got, f"at least {LEARNT}",
                   got >= LEARNT)  # fmt: skip
    got = mean("residual", 50)
    proof.gate("residual, 50 layers: accuracy", got, f"at least {RESIDUAL}",
               got >= RESIDUAL)  # fmt: skip
    got = mean("plain", 50)
    proof.gate("plain, 50 layers: accuracy", got, f"at most {STUCK}", got <= STUCK)
    got = mean("plain", 30, 1) / mean("highway", 30, 1)
    proof.gate("30 layers: training loss, plain to highway", got,
               f"at least {SLOWER}", got >= SLOWER)  # fmt: skip
    proof.note(
        "At 30 layers the plain network still learns the digits, with a training loss "
        "far above that of the highway network; from 50 on it learns little or nothing."
    )
    draw(proof, found)


if __name__ == "__main__":
    main()
