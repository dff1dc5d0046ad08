"""Text lines: what is written, from columns of pixels, in fonts seen and unseen.

Lines of English as `prints` draws them. A frame is two columns of 24 pixels.
"""

import numpy as np
from prints import (
    ALPHABET,
    COLUMNS,
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

from lstmc import LSTMTranscriber
from lstmc.metrics import character_error_rate

UNITS, LAYERS, BATCH = 64, 2, 8
DRAWN, DECIDED = 2000, 240  # lines: of a round, of all fonts
RATES = [4e-3] * 16 + [2e-3] * 5 + [1e-3] * 4 + [4e-4] * 3


def as_frames(images):
    """Frames (T, 48) of each image (24, width)."""
    return [ink.T.reshape(-1, COLUMNS * HEIGHT) for ink in images]


def train(learnt_from, decided_by, seed, say):
    """A transcriber; errors on the second lines, in seen fonts, by round."""
    rng = np.random.default_rng(1)
    y = pick(decided_by, DECIDED, rng)
    X = as_frames(draw_lines(y, SEEN, rng))
    estimator = LSTMTranscriber(
        UNITS, num_layers=LAYERS, batch_size=BATCH, random_state=seed
    )
    curve = []

    def draw(rng):
        lines = mix(learnt_from, DRAWN, rng)
        return as_frames(draw_lines(lines, SEEN, rng)), lines

    def watch(k):
        curve.append(character_error_rate(y, estimator.predict(X)))
        if k % 5 == 0:
            say(f"round {k} of {len(RATES)}, validation: {curve[-1]:.2%} wrong")

    rng = np.random.default_rng(100 + seed)
    fit_rounds(estimator, draw, RATES, rng, epochs=1, after=watch)
    return estimator, curve


def main():
    proof = Proof(
        "Lines of text in fonts seen and unseen",
        task=(
            f"Lines of up to {LONGEST} characters, of {len(ALPHABET)} different ones, "
            "from the texts of Python's `pydoc`, drawn in fonts that matplotlib "
            f"carries: {HEIGHT} pixels high, in {len(SIZES)} sizes, sheared by up to "
            f"{SHEAR} either way, faint or strong, blurred, under noise of {NOISE[0]} "
            f"to {NOISE[1]} of full ink. A frame is {COLUMNS} columns of pixels. A "
            f"bidirectional LSTM of {LAYERS} layers of 2 × {UNITS} units reads them by "
            "CTC, the likeliest path, without a dictionary. It is trained in "
            f"{len(RATES)} rounds of {DRAWN} lines, drawn anew, in {len(SEEN)} fonts, "
            f"and tested on {TESTED} lines of other texts in each of these, and in "
            f"each of {len(UNSEEN)} fonts that it has never seen."
        ),
        paper=(
            "Graves, Liwicki, Fernández et al.: A novel connectionist system for "
            "unconstrained handwriting recognition. IEEE TPAMI 31, 2009, on handwriting"
        ),
        columns=["font", "", "characters", "character error rate", "lines right"],
    )
    learnt_from, decided_by, tested_on = read_lines()
    proof.say(
        f"lines to learn from {len(learnt_from)}, to decide by {len(decided_by)}, to "
        f"test on {len(tested_on)}"
    )
    estimator, curve = train(learnt_from, decided_by, 0, proof.say)
    errors, shown = judge(
        proof, lambda images: estimator.predict(as_frames(images)), tested_on
    )
    seen, unseen = together(errors, SEEN), together(errors, UNSEEN)
    proof.gate(
        f"character error rate in the {len(SEEN)} fonts seen", seen,
        f"below {WANTED}", seen < WANTED,
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
        f"On the lines to decide by, in fonts seen, it was {curve[-1]:.2%}. On these, "
        "before any test, the network was chosen, and the noise and the smallest size "
        "were made milder once. One seed was run to the end."
    )
    proof.finish(picture(shown, errors))


if __name__ == "__main__":
    main()
