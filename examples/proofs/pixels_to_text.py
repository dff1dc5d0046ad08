"""Pixels to text: lines are read straight from their pixels, in fonts seen and unseen.

The lines of `prints`, as images: no frames are cut, no features computed. Layers of
multidimensional LSTM, which sweep in from all four corners, read blocks of 3 x 2
pixels, then blocks of 4 x 1 of their own outputs.
"""

import numpy as np
from prints import (
    ALPHABET,
    HEIGHT,
    LONGEST,
    NOISE,
    SEEN,
    SHEAR,
    SIZES,
    TESTED,
    UNSEEN,
    WANTED,
    draw_lines,
    judge,
    mix,
    pick,
    picture,
    read_lines,
    together,
)  # fmt: skip
from proof import Proof
from rounds import fit_rounds

from lstmc import MDLSTMTranscriber
from lstmc.metrics import character_error_rate

UNITS, BLOCKS, BETWEEN = (16, 48), ((3, 2), (4, 1)), (48,)
BATCH = 8
DRAWN, DECIDED = 2000, 240  # lines: of a round, of all fonts
RATES = [4e-3] * 13 + [2e-3] * 6 + [1e-3] * 4 + [4e-4] * 3


def train(learnt_from, decided_by, seed, say):
    """A transcriber; errors on the second lines, in seen fonts, by round."""
    rng = np.random.default_rng(1)
    y = pick(decided_by, DECIDED, rng)
    X = draw_lines(y, SEEN, rng)
    estimator = MDLSTMTranscriber(
        UNITS, block_size=BLOCKS, feedforward_size=BETWEEN, batch_size=BATCH,
        random_state=seed,
    )  # fmt: skip
    curve = []

    def draw(rng):
        lines = mix(learnt_from, DRAWN, rng)
        return draw_lines(lines, SEEN, rng), lines

    def watch(k):
        curve.append(character_error_rate(y, estimator.predict(X)))
        if k % 3 == 0:
            say(f"round {k} of {len(RATES)}, validation: {curve[-1]:.2%} wrong")

    rng = np.random.default_rng(100 + seed)
    fit_rounds(estimator, draw, RATES, rng, epochs=1, after=watch)
    return estimator, curve


def main():
    proof = Proof(
        "Lines of text from their pixels, by multidimensional LSTM",
        task=(
            f"Lines of up to {LONGEST} characters, of {len(ALPHABET)} different ones, "
            "from the texts of Python's `pydoc`, drawn in fonts that matplotlib "
            f"carries: {HEIGHT} pixels high, in {len(SIZES)} sizes, sheared by up to "
            f"{SHEAR} either way, faint or strong, blurred, under noise of {NOISE[0]} "
            f"to {NOISE[1]} of full ink. The image itself is the input: blocks of "
            f"{BLOCKS[0][0]} × {BLOCKS[0][1]} pixels feed four sweeps of {UNITS[0]} "
            f"multidimensional LSTM units, blocks of {BLOCKS[1][0]} × {BLOCKS[1][1]} "
            f"of their outputs {BETWEEN[0]} tanh units, these four sweeps of "
            f"{UNITS[1]}; the columns' sums are read by CTC, the likeliest path, "
            f"without a dictionary. It is trained in {len(RATES)} rounds of {DRAWN} "
            f"lines, drawn anew, in {len(SEEN)} fonts, and tested on {TESTED} lines of "
            f"other texts in each of these, and in each of {len(UNSEEN)} fonts that it "
            "has never seen."
        ),
        paper=(
            "Graves, Schmidhuber: Offline Handwriting Recognition with "
            "Multidimensional Recurrent Neural Networks. NIPS 2008, on handwriting"
        ),
        columns=["font", "", "characters", "character error rate", "lines right"],
    )
    learnt_from, decided_by, tested_on = read_lines()
    proof.say(
        f"lines to learn from {len(learnt_from)}, to decide by {len(decided_by)}, to "
        f"test on {len(tested_on)}"
    )
    estimator, curve = train(learnt_from, decided_by, 0, proof.say)
    errors, shown = judge(proof, estimator.predict, tested_on)
    seen, unseen = together(errors, SEEN), together(errors, UNSEEN)
    proof.gate(
        f"character error rate in the {len(SEEN)} fonts seen", seen,
        f"at most {WANTED}", seen <= WANTED,
    )  # fmt: skip
    strange = [name for name in UNSEEN if name.startswith("cm")]
    sisters = [name for name in UNSEEN if name not in strange]
    proof.note(
        f"In the fonts never seen {unseen:.2%} of the characters are wrong: "
        f"{together(errors, sisters):.2%} in {', '.join(sisters)}, whose sisters were "
        f"seen, {together(errors, strange):.2%} in {' and '.join(strange)}, whose "
        "designs were not."
    )
    proof.note(
        f"On the lines to decide by, in fonts seen, it was {curve[-1]:.2%}. One seed "
        "was run to the end."
    )
    proof.finish(picture(shown, errors))


if __name__ == "__main__":
    main()
