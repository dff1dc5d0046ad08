"""Phones, then digits: two levels of CTC against one, on strings of spoken digits.

The lower level hears the phones of a string, the upper one makes digits of their
probabilities, and both learn together. Beside them a network that is as large but
knows no phones, and the layers of that network with one output layer, at their top.
The strings are those of `spoken_digits`; fewer and fewer recordings are learnt from.
"""

import numpy as np
from digits import FRAME, SPEAKERS, join, load_digits, split_recordings
from proof import Proof, new_figure
from rounds import fit_rounds
from scipy.special import softmax

from lstmc import LSTMTranscriber
from lstmc.display import CTCAlignmentDisplay
from lstmc.metrics import label_error_rate
from lstmc.sequences import as_sequences

PHONES = {  # as the CMU pronouncing dictionary spells them, without stress
    "0": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R",
    "5": "F AY V", "6": "S IH K S", "7": "S EH V AH N", "8": "EY T", "9": "N AY N",
}  # fmt: skip
MODELS = {  # options
    "one level": {"hidden_size": 72},
    "one level, two layers": {"hidden_size": 38, "num_layers": 2},
    "phones, then digits": {"levels": (64, 24)},
}
SIZES = (2, 5, 35)  # recordings of each digit by each speaker
BATCH, DROPOUT, NOISE = 12, 0.2, 0.6
DRAWN, TESTED = 1000, 1000  # strings
RATES = [5e-3] * 4 + [3e-3] * 2 + [1e-3] * 2
SEEDS = 3


def spell(text):
    """The phones of a string of digits."""
    return [phone for digit in text for phone in PHONES[digit].split()]


def targets(model, y):
    """What the model learns: digits, or phones and digits."""
    return ([spell(text) for text in y], y) if "levels" in MODELS[model] else y


def fewer(digits, size):
    """The first recordings of each digit and speaker."""
    kind = 10 * digits.speaker + digits.digit
    chosen = [np.flatnonzero(kind == k)[:size] for k in range(10 * len(SPEAKERS))]
    return digits.take(np.concatenate(chosen))


def train(model, digits, seed):
    """A transcriber of strings of these recordings."""

    def draw(rng):
        X, y, _ = join(digits, DRAWN, rng)
        return X, targets(model, y)

    estimator = LSTMTranscriber(
        **MODELS[model], dropout=DROPOUT, batch_size=BATCH, random_state=seed
    )
    rng = np.random.default_rng(200 + seed)
    return fit_rounds(estimator, draw, RATES, rng, noise=NOISE)


def parameters(estimator):
    """Numbers that training chose."""
    arrays = estimator.model_.network.parameters.values()
    return sum(array.size for array in arrays)


def compare(proof, errors):
    """Say whether two levels are better."""
    one, deep, two = MODELS
    proof.note(
        "The settings are those of *Connected digits, spoken*, but for shorter "
        "training; none was chosen for one of the networks."
    )
    for other in (one, deep):
        said = []
        for size in SIZES:
            more = errors[size, two] - errors[size, other]
            noise = np.sqrt(more.var(ddof=1) / len(more)) if len(more) > 1 else np.nan
            said.append(f"{more.mean():+.2%} ± {noise:.2%} with {size}")
        proof.note(
            f"Label error rate of two levels less that of *{other}*: "
            f"{', '.join(said)} recordings (standard error over seeds)."
        )
    won = [
        size for size in SIZES
        if all(errors[size, two].mean() < errors[size, m].mean() for m in (one, deep))
    ]  # fmt: skip
    held = f"with {', '.join(map(str, won))} recordings" if won else "nowhere"
    proof.note(f"On average two levels are better than both others {held}.")


# --- the picture ---------------------------------------------------------------------


def draw_errors(ax, errors):
    """Errors over the recordings learnt from; a dot for each seed."""
    for k, model in enumerate(MODELS):
        found = np.array([errors[size, model] for size in SIZES])
        for j in range(found.shape[1]):
            ax.plot(SIZES, found[:, j], "o", color=f"C{k}", alpha=0.35, ms=4)
        ax.plot(SIZES, found.mean(1), color=f"C{k}", label=model)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(SIZES, SIZES)
    ax.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2], ["1 %", "2", "5", "10", "20"])
    ax.minorticks_off()
    ax.set_xlabel("recordings of each digit by each speaker")
    ax.set_ylabel("label error rate, test")
    ax.legend(frameon=False, fontsize=8)


def draw_levels(axes, estimator, x, text):
    """Probabilities of the digits above, of the phones below."""
    levels = estimator.model_.network.apply(as_sequences([x], dtype=np.float32))
    [found] = estimator.align([x], [text])
    for ax, level, logits, alignment in zip(axes, (1, 0), levels[::-1], (found, None)):
        CTCAlignmentDisplay.from_predictions(
            softmax(logits[0], axis=1), estimator.classes_[level],
            alignment=alignment, frame_length=FRAME, ax=ax,
        )  # fmt: skip
        ax.set_ylabel(("phones", "digits")[level])
    axes[0].set_title("what the two levels make of one string of the test", fontsize=9)
    axes[0].set_xlabel("")


def picture(errors, estimator, x, text):
    """Errors on the left; on the right the levels at work."""
    figure, _ = new_figure(2, height=4.0)
    figure.clear()
    figure.set_figwidth(11)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.9))
    left = figure.add_subplot(grid[:, 0])
    left.spines[["top", "right"]].set_visible(False)
    left.grid(alpha=0.25)
    draw_errors(left, errors)
    draw_levels([figure.add_subplot(grid[k, 1]) for k in range(2)], estimator, x, text)
    return figure


def main():
    proof = Proof(
        "Phones, then digits: two levels of CTC",
        task=(
            "Strings of 3 to 8 spoken digits, as in *Connected digits, spoken*, of "
            "known speakers, learnt from the first so many recordings of each digit by "
            f"each of them. Each network sees {len(RATES)} rounds of {DRAWN} strings, "
            f"each twice with noise of deviation {NOISE}, and is tested on {TESTED} "
            "strings of other recordings; the label error rate is that of the digits, "
            "by the likeliest path. With two levels the lower one learns the phones, "
            "in the spelling of the CMU dictionary, and the upper one the digits from "
            "the probabilities of the phones. The networks are about as large."
        ),
        paper=(
            "Fernández, Graves, Schmidhuber: Sequence labelling in structured domains "
            "with hierarchical recurrent neural networks. IJCAI 2007"
        ),
        columns=[
            "recordings", "network", "parameters", "label error rate", "std",
            "of each seed", "phone error rate",
        ],
    )  # fmt: skip
    learnt_from, _, test = split_recordings(load_digits())
    X, y, _ = join(test, TESTED, np.random.default_rng(2))
    errors = {}
    for size in SIZES:
        few = fewer(learnt_from, size)
        for model in MODELS:
            runs = [train(model, few, seed) for seed in proof.seeds(SEEDS)]
            found = [label_error_rate(y, run.predict(X)) for run in runs]
            phones = [
                label_error_rate([spell(text) for text in y], run.predict_levels(X)[0])
                for run in runs
                if "levels" in MODELS[model]
            ]
            errors[size, model] = np.array(found)
            proof.row(
                size, model, parameters(runs[0]), np.mean(found), np.std(found),
                ", ".join(f"{value:.2%}" for value in found),
                np.mean(phones) if phones else None,
            )  # fmt: skip
    compare(proof, errors)
    shown = next(k for k, text in enumerate(y) if len(text) == 5)
    proof.finish(picture(errors, runs[0], X[shown], y[shown]))


if __name__ == "__main__":
    main()
