"""Odyssey: what each part of the LSTM is worth on chorales, one removed at a time.

Peephole LSTM (V) and the eight variants of the paper predict the next frame of a
chorale: the pitches that sound at the next quarter note. Judged by the negative
log-likelihood of a frame, the sum of the cross-entropies of its pitches, on chorales
not trained on. Each variant has its learning rate searched alike, and takes the one of
the best validation.

Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. The task is that of
Boulanger-Lewandowski, Bengio, Vincent: Modeling Temporal Dependencies in
High-Dimensional Sequences. ICML 2012; the chorales here are those that music21 carries.
"""

import os
import sys
from pathlib import Path

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc import Sequences
from lstmc.layers import Recurrent
from lstmc.losses import LOSSES

V = "peephole"
VARIANTS = {
    V: "V, all parts",
    "nig": "no input gate",
    "nfg": "no forget gate",
    "nog": "no output gate",
    "niaf": "no input activation",
    "noaf": "no output activation",
    "np": "no peepholes",
    "cifg": "coupled input and forget gate",
    "fgr": "full gate recurrence",
}
CRITICAL = {"nfg", "noaf"}  # by the paper's conclusion
RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
SEARCHED, SEEDS = (100, 101), 5  # the judged seeds are others than the searched ones
UNITS, BATCH, EPOCHS = 64, 4, 30
CLEARLY = 0.9  # of a baseline that knows no or one frame: a model must beat it
SPLIT = (0.6, 0.2)  # train, validation; the rest is for the test, as in the source
VOICES = ("Soprano", "Alto", "Tenor", "Bass")


# --- chorales ------------------------------------------------------------------------


def voices(score):
    """The parts of the four singers, or all four of a score that does not name them."""
    named = [
        next((p for p in score.parts if str(p.partName).startswith(voice)), None)
        for voice in VOICES
    ]
    if None not in named:
        return named
    return list(score.parts) if len(score.parts) == 4 else None


def piano_roll(parts):
    """Who sounds at each quarter note, (frames, 128); key signatures moved to none."""
    signature = parts[0].recurse().getElementsByClass("KeySignature").first()
    sharps = signature.sharps if signature else 0
    shift = (5 * sharps + 6) % 12 - 6  # a sharp raises the tonic by 7 semitones
    frames = int(max(part.highestTime for part in parts))
    roll = np.zeros((frames, 128), np.uint8)
    for part in parts:
        for note in part.flatten().notes:
            start, end = float(note.offset), float(note.offset + note.quarterLength)
            for pitch in note.pitches:
                roll[int(np.ceil(start)) : int(np.ceil(end)), pitch.midi + shift] = 1
    return roll


def parse(proof):
    """Rolls of all four-part chorales of music21; slow, about 0.4 s each."""
    try:
        from music21 import corpus
        from music21.corpus.chorales import Iterator
    except ImportError:
        sys.exit("The chorales are those of music21: pip install music21==10.5.1")
    rolls = {}
    names = sorted(set(Iterator(returnType="filename")))
    for k, name in enumerate(names):
        parts = voices(corpus.parse(name))
        if parts is not None:
            roll = piano_roll(parts)
            rolls[roll.tobytes()] = roll  # the same music twice counts once
        if k % 50 == 0:
            proof.say(f"parsing {k} of {len(names)}")
    return list(rolls.values())


def chorales(proof):
    """Rolls of all chorales, of the pitches that occur; kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    path = cache / "lstmc" / "chorales.npz"
    if not path.exists():
        rolls = parse(proof)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path, frames=np.concatenate(rolls), lengths=[len(r) for r in rolls]
        )
    with np.load(path) as kept:
        frames, lengths = kept["frames"], kept["lengths"]
    used = np.flatnonzero(frames.any(axis=0))
    frames = frames[:, used[0] : used[-1] + 1].astype(np.float32)
    return Sequences.from_flat(frames, lengths)


def shifted(Y):
    """What is known before each frame: the frame before, at first silence."""
    values = np.roll(Y.values, 1, axis=0)
    values[Y.offsets[:-1]] = 0
    return Y.with_values(values)


def split(Y):
    """Train, validation and test pieces, each as inputs and targets."""
    order = np.random.default_rng(0).permutation(len(Y))
    cuts = np.cumsum([round(share * len(Y)) for share in SPLIT])
    X = shifted(Y)
    return [(X[np.sort(part)], Y[np.sort(part)]) for part in np.split(order, cuts)]


# --- baselines and training ----------------------------------------------------------


def nll(logits, target):
    """Mean over frames of the sum over pitches."""
    return LOSSES["binary_cross_entropy"].gradient(
        logits, target, np.ones(len(target))
    )[0]  # fmt: skip


def log_odds(on, all_):
    """Of a frequency, with one more of each kind."""
    return np.log((on + 1) / (all_ - on + 1))


def marginal(train, test):
    """NLL of a pitch's frequency, whatever came before."""
    y = train[1].values.astype(float)
    logits = np.broadcast_to(log_odds(y.sum(axis=0), len(y)), test[1].values.shape)
    return nll(logits, test[1].values)


def repeating(train, test):
    """NLL of a pitch's frequencies after a frame with and one without it."""
    x, y = (s.values.astype(float) for s in train)
    after_on = log_odds((x * y).sum(axis=0), x.sum(axis=0))
    after_off = log_odds(((1 - x) * y).sum(axis=0), (1 - x).sum(axis=0))
    return nll(np.where(test[0].values > 0, after_on, after_off), test[1].values)


def train(cell, rate, seed, data):
    """Train at a rate that falls to 0; return the best validation, and its test."""
    (X, Y), valid, test = data
    layer = Recurrent(X.n_features, UNITS, cell, random_state=seed)
    learner = Learner(
        layer, Y.n_features, "binary_cross_entropy", learning_rate=rate,
        random_state=seed,
    )  # fmt: skip
    # The head starts at the frequencies: small rates would spend all epochs on those.
    learner.head.bias[:] = log_odds(Y.values.sum(axis=0, dtype=float), len(Y.values))
    rng = np.random.default_rng(seed)
    best, best_test = np.inf, np.inf
    for epoch in range(EPOCHS):
        learner.learning_rate = rate * (1 - epoch / EPOCHS)
        order = rng.permutation(len(X))
        for first in range(0, len(X), BATCH):
            batch = order[first : first + BATCH]
            learner.learn(X[batch], Y[batch].values)
        found = nll(learner.logits(valid[0])[0], valid[1].values)
        if found < best:
            best = found
            best_test = nll(learner.logits(test[0])[0], test[1].values)
    return best, best_test


def search(cell, data):
    """Mean validation NLL of each learning rate."""
    return [
        np.mean([train(cell, rate, seed, data)[0] for seed in SEARCHED])
        for rate in RATES
    ]


# --- the proof -----------------------------------------------------------------------


def parameters(cell, pitches):
    """Numbers to train: the layer's and the head's."""
    layer = Recurrent(pitches, UNITS, cell, random_state=0)
    return layer.n_parameters + (UNITS + 1) * pitches


def label(cell):
    """As the paper writes it."""
    return "V" if cell == V else cell.upper()


def picture(tests, searched):
    """Test NLL by variant, and validation NLL over the learning rate."""
    figure, (left, right) = new_figure(2, height=4.0)
    order = sorted(tests, key=lambda cell: tests[cell].mean())
    for k, cell in enumerate(order):
        color = "C3" if cell == V else "C0"
        left.plot(tests[cell], [k] * len(tests[cell]), "o", color=color, alpha=0.45)
        left.plot(tests[cell].mean(), k, "|", color=color, markersize=16, mew=2.5)
    left.axvline(tests[V].mean(), color="C3", linewidth=1, linestyle="--", zorder=0)
    left.set_yticks(range(len(order)), [label(cell) for cell in order])
    left.invert_yaxis()
    left.set_xlabel("test NLL of a frame (nats)")
    for k, cell in enumerate(VARIANTS):
        style = {"color": "k", "lw": 2.4, "zorder": 3} if cell == V else {
            "color": f"C{k}", "lw": 1.2}  # fmt: skip
        right.plot(RATES, searched[cell], "o-", ms=3, label=label(cell), **style)
    right.set_xscale("log")
    right.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    right.minorticks_off()
    right.set_xlabel("learning rate of Adam, at the start")
    right.set_ylabel("validation NLL of a frame (nats)")
    right.legend(fontsize=8, ncols=3, frameon=False)
    return figure


def compare(proof, tests, searched):
    """Say how the order agrees with the paper's conclusion."""
    order = sorted(tests, key=lambda cell: -tests[cell].mean())
    holds = set(order[:2]) == CRITICAL
    proof.note(
        f"From worst to best: {', '.join(label(cell) for cell in order)}. The paper, "
        "on speech, handwriting and chorales together, finds the forget gate and the "
        "output activation most critical. Here the variants without them are "
        f"{'' if holds else 'not '}the two worst."
    )
    count = len(tests[V])
    spread = np.mean([test.var(ddof=min(1, count - 1)) for test in tests.values()])
    error = np.sqrt(2 * spread / count)
    loss = {cell: tests[cell].mean() - tests[V].mean() for cell in order}
    worse = [label(cell) for cell in order if loss[cell] > 2 * error]
    better = [label(cell) for cell in order if loss[cell] < -2 * error]
    proof.note(
        f"The standard error of a difference to V is {error:.3f}. Off by more than "
        f"two: worse {', '.join(worse) or 'none'}; "
        f"better {', '.join(better) or 'none'}."
    )
    cheap = loss["cifg"] <= 2 * error and loss["np"] <= 2 * error
    vain = loss["fgr"] >= -2 * error
    proof.note(
        "That coupled gates and missing peepholes cost nothing "
        f"{'holds' if cheap else 'does not hold'} here, and that full gate recurrence "
        f"gains nothing {'holds' if vain else 'does not'}."
    )
    proof.note(
        "The falling rate, the head's first biases and the range of the rates were "
        "settled after results of the judged seeds had been seen: what lies within "
        "two standard errors of V may depend on them."
    )
    means = [tests[cell].mean() for cell in order]
    proof.note(
        f"From the best to the worst variant it is {max(means) - min(means):.2f} nats, "
        "from the best to the worst learning rate of V "
        f"{max(searched[V]) - min(searched[V]):.2f}."
    )


def main():
    proof = Proof(
        "LSTM: a search space odyssey, on Bach's chorales",
        task=(
            "Predict which pitches sound at the next quarter note of a four-part "
            "chorale; judged by the negative log-likelihood of a frame (nats, summed "
            f"over pitches). {UNITS} units, one layer, Adam with a rate that falls to "
            f"0 over {EPOCHS} epochs, of which the best by validation counts. The same "
            f"{len(RATES)} learning rates are tried for every variant with two seeds; "
            "at the one of the best validation other seeds are judged. The chorales "
            "are music21's, moved to a key signature without sharps or flats, split "
            "by piece; the head's biases start at the pitches' frequencies."
        ),
        paper="Greff et al., LSTM: A Search Space Odyssey, IEEE TNNLS 28, 2017",
        columns=[
            "cell", "change", "parameters", "learning rate", "validation NLL",
            "test NLL", "std", "against V",
        ],
    )  # fmt: skip
    Y = chorales(proof)
    data = split(Y)
    counts = ", ".join(f"{len(y)} ({len(y.values)} frames)" for _, y in data)
    proof.say(f"{len(Y)} chorales, {Y.n_features} pitches; {counts}")
    searched, tests = {}, {}
    for cell, change in VARIANTS.items():
        searched[cell] = search(cell, data)
        rate = RATES[int(np.argmin(searched[cell]))]
        runs = [train(cell, rate, seed, data) for seed in proof.seeds(SEEDS)]
        valid, tests[cell] = np.array(runs).T
        proof.row(
            label(cell), change, parameters(cell, Y.n_features), rate, valid.mean(),
            tests[cell].mean(), tests[cell].std(), tests[cell].mean() - tests[V].mean(),
        )  # fmt: skip
    for what, value in (
        ("the pitches' frequencies", marginal(data[0], data[2])),
        ("each pitch's chance to sound on", repeating(data[0], data[2])),
    ):
        proof.gate(
            f"test NLL of V, against {value:.2f} of {what}", tests[V].mean(),
            f"at most {CLEARLY * value:.2f}", tests[V].mean() <= CLEARLY * value,
        )  # fmt: skip
    compare(proof, tests, searched)
    proof.finish(picture(tests, searched))


if __name__ == "__main__":
    main()
