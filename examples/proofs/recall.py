"""Recall: keys with values come once, then keys ask for their values in another order.

A sequence starts with pairs of a key and a value, drawn anew, so that nothing but the
sequence itself says which value belongs to which key. A matrix memory writes the
product of a value and its key, and reads by a product with a key; the gates of an LSTM
would have to learn where among its units each pair is to lie.

Source: Arora et al.: Zoology: Measuring and Improving Recall in Efficient Language
Models. ICLR 2024.
"""

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc import Sequences
from lstmc.layers import XLSTM, Recurrent

VOCABULARY, LENGTH, PAIRS = 128, 64, 8
WIDTH, HEADS, BATCH, RATE = 64, 2, 32, 4e-3
STEPS = {"mlstm": 500, "lstm": 1000}  # batches
POWER = 0.01  # questions are the rarer the further they are from the pairs
SEEDS, TESTS, LOOKS = 2, 500, 10


def draw(rng, most, count):
    """PAIRS numbers below `most`, no two the same, for each of so many sequences."""
    everything = np.tile(np.arange(most), (count, 1))
    return rng.permuted(everything, axis=1)[:, :PAIRS]


def make_batch(rng, count):
    """One-hot sequences, the value wanted at each step, and whether one is.

    As in zoology's "multiquery_ar": keys are the lower half of the vocabulary but 0,
    values the upper half; pairs first; questions at even distances from their end; all
    other steps hold tokens drawn at random.
    """
    half, start = VOCABULARY // 2, 2 * PAIRS
    keys = 1 + draw(rng, half - 1, count)
    values = half + draw(rng, half, count)
    tokens = rng.integers(0, VOCABULARY, (count, LENGTH))
    tokens[:, 0:start:2], tokens[:, 1:start:2] = keys, values
    room = (LENGTH - start) // 2
    chance = POWER * np.arange(1, room + 1) ** (POWER - 1)
    # The largest of log(chance) + Gumbel noise: a draw without putting back.
    noisy = np.log(chance) + rng.gumbel(size=(count, room))
    places = start + 2 * np.argsort(-noisy, axis=1)[:, :PAIRS]
    target, asked = np.zeros((2, count, LENGTH), int)
    np.put_along_axis(tokens, places, keys, axis=1)
    np.put_along_axis(target, places, values, axis=1)
    np.put_along_axis(asked, places, 1, axis=1)
    X = np.eye(VOCABULARY, dtype="f4")[tokens.ravel()]
    lengths = np.full(count, LENGTH)
    return Sequences.from_flat(X, lengths=lengths), target.ravel(), asked.ravel()


def make_layer(cell, seed):
    if cell == "mlstm":
        return XLSTM(VOCABULARY, WIDTH, cell, num_heads=HEADS, random_state=seed)
    return Recurrent(VOCABULARY, WIDTH, cell, random_state=seed)


def judge(learner, seed):
    """The share of questions that are answered rightly, of new sequences."""
    X, target, asked = make_batch(np.random.default_rng(1000 + seed), TESTS)
    right = learner.logits(X)[0].argmax(axis=1) == target
    return right[asked > 0].mean()


def train(proof, cell, seed):
    """A learner, and what it answered rightly on the way."""
    rng = np.random.default_rng(seed)
    learner = Learner(make_layer(cell, seed), VOCABULARY, "cross_entropy",
                      learning_rate=RATE, random_state=seed)  # fmt: skip
    curve, steps = [], STEPS[cell]
    for step in range(steps):
        learner.learning_rate = RATE * min(1, 2 * (1 - step / steps) + 0.02)
        learner.learn(*make_batch(rng, BATCH))
        if (step + 1) % (steps // LOOKS) == 0:
            curve.append(judge(learner, seed))
            proof.say(f"{cell}, seed {seed}, step {step + 1}: {curve[-1]:.3f}")
    return learner, curve


def picture(curves):
    figure, (ax,) = new_figure()
    for (cell, found), color in zip(curves.items(), ("tab:blue", "tab:orange")):
        for k, curve in enumerate(found):
            learnt = BATCH * STEPS[cell] // LOOKS * np.arange(1, LOOKS + 1)
            ax.plot(learnt, curve, color=color, label=None if k else cell)
    ax.axhline(1 / PAIRS, color="0.6", linestyle=":", label="any of the values seen")
    ax.set(xlabel="sequences learnt from", ylabel="share of questions answered",
           ylim=(0, 1.02))  # fmt: skip
    ax.legend(fontsize=8)
    return figure


def main():
    proof = Proof(
        "Recall of pairs that were never seen before",
        task=(
            f"{PAIRS} pairs of a key and a value, then, among tokens drawn at random, "
            f"the keys in another order, each of which asks for its value; vocabulary "
            f"{VOCABULARY}, {LENGTH} steps. One mLSTM block, or one layer of LSTM, of "
            f"width {WIDTH}; Adam, {STEPS['mlstm']} batches of {BATCH} new sequences, "
            f"{STEPS['lstm']} for the LSTM; judged by the share of questions answered "
            f"in {TESTS} others."
        ),
        paper=(
            "Arora et al., Zoology: Measuring and Improving Recall in Efficient "
            "Language Models, ICLR 2024 (multi-query associative recall); Beck et al., "
            "xLSTM, NeurIPS 2024"
        ),
        columns=["cell", "seed", "parameters", "questions answered"],
    )
    curves = {}
    for cell in ("mlstm", "lstm"):
        curves[cell] = []
        for seed in proof.seeds(SEEDS):
            learner, curve = train(proof, cell, seed)
            curves[cell].append(curve)
            parameters = learner.layer.n_parameters + learner.head.n_weights
            proof.row(cell, seed, parameters, curve[-1])
    worst = min(curve[-1] for curve in curves["mlstm"])
    best = max(curve[-1] for curve in curves["lstm"])
    proof.gate("mlstm, worst of the seeds", worst, "at least 0.95", worst >= 0.95)
    proof.gate("lstm of the same width, best of the seeds", best, "below 0.5",
               best < 0.5)  # fmt: skip
    proof.finish(picture(curves))


if __name__ == "__main__":
    main()
