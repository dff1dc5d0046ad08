"""Parity: a state that must be tracked without end, far beyond the lengths of training.

Bits come one by one, and at each step the network says whether the ones so far are odd
in number. Trained on 3 to 40 bits, judged by the answer at the end of 256.

Source: Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024.
"""

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc import Sequences
from lstmc.layers import XLSTM, Recurrent

# focused: units see but themselves; mlstm: no unit sees a step before but by its memory
CELLS = ["slstm", "lstm", "rnn", "focused", "mlstm", "xlstm[1:1]"]
BLOCKS = 2
SEEDS = 3
UNITS, BATCH, STEPS, RATE = 32, 64, 1500, 5e-3
SHORTEST, LONGEST, JUDGED = 3, 40, 256
TESTS, PART = 2000, 250


def make_bits(rng, count, shortest, longest):
    """Sequences of -1 and 1, and the parity of the ones at each step."""
    lengths = rng.integers(shortest, longest + 1, count)
    bits = rng.integers(0, 2, lengths.sum())
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    ones = np.cumsum(bits)
    before = np.repeat(ones[starts] - bits[starts], lengths)
    X = Sequences.from_flat((2 * bits - 1).astype("f4")[:, None], lengths=lengths)
    return X, (ones - before) % 2


def make_layer(cell, seed):
    """One recurrent layer, or a stack of two blocks with one head."""
    if cell not in ("mlstm", "xlstm[1:1]"):
        return Recurrent(1, UNITS, cell, random_state=seed)
    repeats = BLOCKS if cell == "mlstm" else 1
    return XLSTM(1, UNITS, cell, repeats, num_heads=1, random_state=seed)


def train(cell, seed):
    rng = np.random.default_rng(seed)
    layer = make_layer(cell, seed)
    learner = Learner(layer, 2, "cross_entropy", learning_rate=RATE, random_state=seed)
    for step in range(STEPS):
        learner.learning_rate = RATE * min(1, 2 * (1 - step / STEPS) + 0.02)
        learner.learn(*make_bits(rng, BATCH, SHORTEST, LONGEST))
    return learner


def judge(learner, seed):
    """The share of right answers after 1, 2, ... bits."""
    X, parity = make_bits(np.random.default_rng(1000 + seed), TESTS, JUDGED, JUDGED)
    parts = [X[k : k + PART] for k in range(0, TESTS, PART)]
    found = [learner.logits(part)[0].argmax(axis=1) for part in parts]
    right = np.concatenate(found) == parity
    return right.reshape(TESTS, JUDGED).mean(axis=0)


def draw(curves):
    figure, (ax,) = new_figure()
    ax.axvspan(SHORTEST, LONGEST, color="0.92", label="lengths of training")
    for width, (cell, found) in zip((7, 5, 3, 1.5, 1.5, 1.5), curves.items()):
        steps = np.arange(1, JUDGED + 1)
        ax.plot(steps, np.mean(found, axis=0), linewidth=width, label=cell)
    ax.set(xlabel="bits so far", ylabel="share of right answers", ylim=(0.45, 1.02))
    ax.legend(fontsize=8, ncols=2, loc="upper right", bbox_to_anchor=(1, 0.96))
    return figure


def main():
    proof = Proof(
        "Parity far beyond the lengths of training",
        task=(
            "Whether the ones among the bits so far are odd in number, at every step; "
            f"{UNITS} units in one layer, or features in two blocks, Adam, {STEPS} "
            f"batches of {BATCH} sequences of {SHORTEST} to {LONGEST} bits. Judged by "
            f"the answer after {JUDGED} bits, over {TESTS} sequences."
        ),
        paper=(
            "Beck et al., xLSTM: Extended Long Short-Term Memory, NeurIPS 2024 (train "
            "on 3 to 40, test on 40 to 256)"
        ),
        columns=["cell", "seed", "right after 40 bits", f"right after {JUDGED} bits"],
    )
    curves = {}
    for cell in CELLS:
        curves[cell] = [judge(train(cell, s), s) for s in proof.seeds(SEEDS)]
        for seed, right in enumerate(curves[cell]):
            proof.row(cell, seed, right[LONGEST - 1], right[-1])
    worst = min(right[-1] for right in curves["slstm"])
    proof.gate(
        f"slstm after {JUDGED} bits, worst of the seeds", worst, "at least 0.99",
        worst >= 0.99,
    )  # fmt: skip
    best = max(right[-1] for right in curves["mlstm"])
    proof.gate(
        f"mlstm after {JUDGED} bits, best of the seeds", best, "at most 0.6",
        best <= 0.6,
    )  # fmt: skip
    proof.note(
        "Cells whose units see one another track the state without end, if training "
        "gets there at all. The one whose units see but themselves stays at chance, "
        "and so does a stack of two mLSTM blocks, whose memories are not mixed from "
        "step to step; with an sLSTM block in place of the second it tracks the "
        "state, too."
    )
    proof.finish(draw(curves))


if __name__ == "__main__":
    main()
