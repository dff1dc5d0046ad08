"""Counting: languages that only a counter can follow, learnt from short strings.

A net reads S a^n b^n, or S a^n b^n c^n, symbol by symbol, and says of each symbol
whether it may come next: after S an a, after an a another one or a b, and from the
first b on all is determined, up to the end T after the last symbol. A string is right
if all outputs are right at every step. What counts is the largest N such that all
strings of n = 1 to N are right.

A seed trains several nets on the shortest strings, all in each batch or some drawn at
random. It keeps the one that is surest of somewhat longer ones: that validation has a
part in the choice of the net, none in its weights. All nets then meet the same test.

Source: Gers, Schmidhuber: LSTM Recurrent Networks Learn Simple Context-Free and
Context-Sensitive Languages. IEEE TNN 12, 2001.
"""

from typing import NamedTuple

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent
from lstmc.sequences import Sequences

SEEDS = 5
WANTED = 100  # N
FORGET_BIAS = 10.0  # a count must not fade


class Language(NamedTuple):
    """What is learnt, and how."""

    name: str
    letters: int  # S stands for one more of the inputs, T of the outputs
    trained: int  # on n = 1 to this
    validated: int  # on n = 1 to this
    tested: int  # up to this n
    units: int
    nets: int  # of a seed
    batch: int  # strings
    updates: int
    rate: float  # of Adam, at the start


CFL = Language("a^n b^n", 2, 10, 30, 1000, 2, 8, 10, 5000, 1e-2)
CSL = Language("a^n b^n c^n", 3, 40, 60, 500, 3, 4, 8, 8000, 2e-2)
NETS = [
    (CFL, "peephole", "tanh"),
    (CFL, "lstm", "tanh"),
    (CFL, "peephole", "identity"),
    (CSL, "peephole", "tanh"),
    (CSL, "lstm", "tanh"),
]


def write_string(language, n):
    """One-hot symbols (steps, letters + 1), and which may come next, of that shape."""
    k = language.letters
    symbols = np.concatenate([[0], np.repeat(np.arange(1, k + 1), n)])
    following = np.append(symbols[1:] - 1, k)  # a, b, c, T, in this order
    possible = np.eye(k + 1)[following]
    possible[1 : n + 1, :2] = 1
    return np.eye(k + 1)[symbols], possible


class Strings:
    """The strings of a language for n = first to last."""

    def __init__(self, language, first, last):
        self.first, self.last = first, last
        pairs = [write_string(language, n) for n in range(first, last + 1)]
        self.symbols, self.possible = zip(*pairs, strict=True)

    def batch(self, chosen):
        """Sequences of those chosen, targets, and weights that sum to 1 in a string."""
        symbols = [self.symbols[j] for j in chosen]
        X = Sequences.from_flat(
            np.concatenate(symbols), lengths=[len(s) for s in symbols]
        )
        possible = np.concatenate([self.possible[j] for j in chosen])
        return X, possible, 1 / np.repeat(X.lengths, X.lengths)

    def margins(self, learner):
        """Of each string the least log-odds of a right answer: > 0 if all are right."""
        X, possible, _ = self.batch(range(len(self.symbols)))
        odds = learner.logits(X)[0]
        right = np.where(possible > 0, odds, -odds).min(axis=1)
        return np.minimum.reduceat(right, X.offsets[:-1])


def train(language, cell, squash, seed, training):
    layer = Recurrent(
        language.letters + 1, language.units, cell, output_activation=squash,
        forget_bias=FORGET_BIAS, dtype="float64", random_state=seed,
    )  # fmt: skip
    learner = Learner(
        layer, language.letters + 1, "binary_cross_entropy",
        learning_rate=language.rate, random_state=seed,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    for update in range(language.updates):
        wave = 1 + np.cos(np.pi * update / language.updates)
        learner.learning_rate = max(1e-5, language.rate * wave / 2)
        chosen = rng.choice(language.trained, language.batch, replace=False)
        learner.learn(*training.batch(chosen))
    return learner


def choose(language, cell, squash, seed, training, validation):
    """Of a seed's nets the one whose least sure answer on validation is the surest."""
    nets = [
        train(language, cell, squash, 1000 * seed + k, training)
        for k in range(language.nets)
    ]
    return max(nets, key=lambda net: validation.margins(net).min())


def reach(learner, tests):
    """The largest N such that all strings of n = 1 to N are right."""
    for strings in tests:
        wrong = np.flatnonzero(strings.margins(learner) <= 0)
        if len(wrong):
            return strings.first + int(wrong[0]) - 1
    return strings.last


def watch(language, learner, n):
    """Cell states (steps, units) while a string is read."""
    stream = learner.layer.stream()
    states = []
    for symbol in write_string(language, n)[0]:
        stream.step(symbol)
        states.append(stream.get_state()[1][0, 0])
    return np.array(states)


def draw(reached, watched):
    figure, axes = new_figure(1 + len(watched))
    for ax, (language, n, cells) in zip(axes, watched, strict=False):
        for unit, states in enumerate(cells.T):
            ax.plot(states, label=f"unit {unit + 1}")
        for k in range(1, language.letters):
            ax.axvline(k * n + 0.5, color="0.6", lw=0.8, ls="--")
        ax.set(xlabel=f"step of {language.name}, n = {n}", ylabel="cell state")
        ax.legend(fontsize=8)
    names, ax = [], axes[-1]
    for place, ((language, cell, squash), found) in enumerate(reached.items()):
        width = 0.8 / len(found)
        x = place - 0.4 + width * (np.arange(len(found)) + 0.5)
        colour = "C0" if cell == "peephole" else "C1"
        ax.bar(x, sorted(found), width * 0.9, color=colour)
        ax.plot([place - 0.4, place + 0.4], [language.trained] * 2, "k--", lw=1)
        names.append(f"{cell}\n{squash}\n{language.name}")
    ax.set(yscale="log", ylabel="N of each seed (dashed: of training)")
    ax.set_xticks(range(len(names)), names, fontsize=6)
    return figure


TASK = (
    "Of each symbol of S a^n b^n T, or of S a^n b^n c^n T, say which may come next; a "
    "string is right if all outputs are right at every step, and N is the largest such "
    f"that all strings of n = 1 to N are. Trained on n = 1 to {CFL.trained} with "
    f"{CFL.units} units, and to {CSL.trained} with {CSL.units}; Adam, float64, forget "
    f"biases of {FORGET_BIAS:.0f}. A seed trains {CFL.nets} and {CSL.nets} nets and "
    f"keeps the one that is surest of the strings to n = {CFL.validated} and "
    f"{CSL.validated}; those longer than the trained ones have no other part in it."
)


def main():
    proof = Proof(
        "Counting: context-free and context-sensitive languages",
        task=TASK,
        paper=(
            "Gers, Schmidhuber, LSTM Recurrent Networks Learn Simple Context-Free and "
            "Context-Sensitive Languages, IEEE TNN 12, 2001"
        ),
        columns=["language", "cell", "squash", "trained on n to", "N of the seeds"],
    )
    reached, best = {}, {}
    for net in NETS:
        language, cell, squash = net
        training = Strings(language, 1, language.trained)
        validation = Strings(language, 1, language.validated)
        tests = [
            Strings(language, first, first + 49)
            for first in range(1, language.tested, 50)
        ]
        learners = [
            choose(language, cell, squash, seed, training, validation)
            for seed in proof.seeds(SEEDS)
        ]
        reached[net] = [reach(learner, tests) for learner in learners]
        best[net] = learners[int(np.argmax(reached[net]))]
        found = ", ".join(map(str, reached[net]))
        proof.row(language.name, cell, squash, language.trained, found)
    flat, deep = reached[NETS[0]], reached[NETS[3]]
    solved = sum(n >= WANTED for n in flat)
    proof.gate(
        f"a^n b^n, peephole: seeds of {len(flat)} right to n = {WANTED}", solved,
        "at least 3", solved >= 3,
    )  # fmt: skip
    proof.gate(
        f"a^n b^n c^n, peephole: N, best of {len(deep)}", max(deep),
        f"at least {WANTED}", max(deep) >= WANTED,
    )  # fmt: skip
    proof.note(
        "A plain LSTM counts as well: its gates see h, which shows the count. With the "
        "identity for a squash the count is unbounded, and so is what the gates see."
    )
    watched = [
        (NETS[k][0], n, watch(NETS[k][0], best[NETS[k]], n))
        for k, n in ((0, 60), (3, 60))
    ]
    proof.finish(draw(reached, watched))


if __name__ == "__main__":
    main()
