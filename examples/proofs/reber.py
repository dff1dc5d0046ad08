"""Reber: the embedded grammar, whose second symbol comes back as the last but one.

Strings are read symbol by symbol. At each, all symbols that may come next have to be
more active than those that may not. A net succeeds when this holds at every step of 256
training and 256 test strings; what counts is how many training strings it took.

Experiment 1 of Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9,
1997.
"""

from typing import NamedTuple

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent
from lstmc.sequences import Sequences

SYMBOLS = "BTPSXVE"
ONE_HOT = np.eye(len(SYMBOLS), dtype=np.float32)
# From each state one or two edges: a symbol, and the state after it.
GRAMMAR = (
    "B1", "T2 P10",
    "B3", "T4 P5", "S4 X6", "T5 V7", "X5 S8", "P6 V8", "E9", "T18",
    "B11", "T12 P13", "S12 X14", "T13 V15", "X13 S16", "P14 V16", "E17", "P18",
    "E0",
)  # fmt: skip
EDGES = [
    [(SYMBOLS.index(edge[0]), int(edge[1:])) for edge in edges.split()]
    for edges in GRAMMAR
]
POSSIBLE = np.array([ONE_HOT[[edge[0] for edge in edges]].any(0) for edges in EDGES])
OUTER = 9, 17  # the states before the last symbol but one

STRINGS = 256  # to train on, and as many to test with
WANTED, LIMIT = 10_000, 30_000  # training strings: by the gates, and at most
LOOK = 50  # training strings from one look at success to the next
LEARNING_RATE = 0.02  # of Adam, one step a string
SEEDS = 10


class Net(NamedTuple):
    """A row of the table."""

    name: str
    units: int
    options: dict
    gated: bool  # whether it has to succeed
    in_1997: str | None  # what the paper reports of it


OF_1997 = {"cell": "lstm1997", "cell_bias": False}
NETS = (
    Net("lstm1997, 6 blocks of 2", 12, OF_1997 | {"block_size": 2}, True, None),
    Net("lstm", 12, {"cell": "lstm", "forget_bias": 2.0}, True, None),
    Net(
        "lstm1997, 3 blocks of 2", 6, OF_1997 | {"block_size": 2}, False,
        "100 %, mean 8,440 (3,800 to 24,100)",
    ),
    Net("lstm1997, 4 blocks of 1", 4, OF_1997, False, "97 %, mean 9,500"),
    Net("rnn", 24, {"cell": "rnn"}, False, "Elman: 0 % of more than 200,000"),
)  # fmt: skip


def walk(rng, steps):
    """Strings end to end, all edges equally likely: symbols, and the states after."""
    path, state = np.empty((2, steps), int), 0
    for t, coin in enumerate(rng.integers(2, size=steps).tolist()):
        edges = EDGES[state]
        path[:, t] = _, state = edges[coin % len(edges)]
    return path


def draw_strings(rng):
    """Training strings as they come, then test strings that are not among them."""
    symbols, states = walk(rng, 200 * STRINGS)
    ends = np.flatnonzero(states == 0) + 1
    strings = np.split(np.stack([symbols, states], 1), ends)[:-1]
    train = strings[:STRINGS]
    known = {tuple(string[:, 0]) for string in train}
    test = [s for s in strings[STRINGS:] if tuple(s[:, 0]) not in known]
    return train, test[:STRINGS]


def as_input(strings):
    """All symbols but each string's last, one-hot."""
    symbols = np.concatenate([string[:-1, 0] for string in strings])
    return Sequences.from_flat(ONE_HOT[symbols], [len(s) - 1 for s in strings])


def predicted(logits, possible):
    """At which steps all possible symbols are more active than all others."""
    least = np.where(possible, logits, np.inf).min(1)
    return least > np.where(possible, -np.inf, logits).max(1)


def make_learner(net, seed):
    """The net before training; heads of nets of 1997 have no biases."""
    layer = Recurrent(len(SYMBOLS), net.units, random_state=seed, **net.options)
    return Learner(
        layer, len(SYMBOLS), "cross_entropy", learning_rate=LEARNING_RATE,
        head_bias=layer.cell_bias, random_state=seed,
    )  # fmt: skip


def train(net, seed):
    """Training strings until success, or None; and the learner."""
    rng = np.random.default_rng(seed)
    strings, test = draw_strings(rng)
    judged = list({tuple(s[:, 0]): s for s in strings + test}.values())
    x, after = as_input(judged), np.concatenate([s[:-1, 1] for s in judged])
    learner = make_learner(net, seed)
    for shown, pick in enumerate(rng.integers(STRINGS, size=LIMIT), 1):
        string = strings[pick]
        learner.learn(as_input([string]), string[1:, 0])
        looks = shown % LOOK == 0
        if looks and predicted(learner.logits(x)[0], POSSIBLE[after]).all():
            return shown, learner
    return None, learner


def count_weights(learner):
    """Numbers that training chose."""
    head = learner.head.weight.size + learner.head_bias * len(SYMBOLS)
    return learner.layer.n_parameters + head


def memory(learner, string):
    """Cell states (steps, units) of a string, from its beginnings of every length."""
    beginnings = [string[: t + 1] for t in range(len(string))]
    _, state = learner.layer([ONE_HOT[symbols] for symbols in beginnings])
    return state[-1][0]


def draw_success(ax, shown, seeds):
    """How many of the seeds have succeeded after so many strings."""
    for net in NETS:
        solved = sorted(s for s in shown[net.name] if s is not None)
        x = [0, *solved, LIMIT]
        y = [*range(len(solved) + 1), len(solved)]
        ax.step(x, y, where="post", label=net.name, lw=2 if net.gated else 1.2)
    ax.set(
        xlabel="training strings", ylabel=f"nets that succeed, of {len(seeds)}",
        xlim=(0, LIMIT), ylim=(-0.2, len(seeds) + 0.3),
    )  # fmt: skip
    ax.legend(fontsize=8, loc="lower right")


def draw_memory(ax, learner):
    """How a long string's cell states differ with its second symbol."""
    inner = "BPTTVPXTVPSE"
    states = [
        memory(learner, [SYMBOLS.index(s) for s in f"B{outer}{inner}"])
        for outer in "TP"
    ]
    difference = states[0] - states[1]
    keeper = np.abs(difference[-1]).argmax()
    for unit, line in enumerate(difference.T):
        main = unit == keeper
        color, width = ("C0", 2) if main else ("0.75", 0.8)
        ax.plot(line, color=color, lw=width, zorder=2 + main)
    steps = range(len(inner) + 2)
    ax.set_xticks(steps, ["B", "T/P", *inner], fontsize=8)
    ax.set(xlabel="symbol read", ylabel="c after T less c after P")


def main():
    """Train every net from every seed."""
    proof = Proof(
        "Embedded Reber grammar",
        task="Strings of 7 symbols; the second, T or P, comes back as the last but "
        "one, at least 6 steps later, after a string of Reber's grammar whose own "
        "forks are taken by a coin. At every step all symbols that may come next have "
        "to be more active than all others. A net succeeds when this holds throughout "
        "256 training and 256 other test strings; counted are the training strings "
        "shown until then, at most 30,000. Adam, one step a string.",
        paper="Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, "
        "1997, experiment 1",
        columns=[
            "net", "cells", "parameters", "within 10,000 strings", "within 30,000",
            "mean", "least", "most", "in 1997",
        ],
    )  # fmt: skip
    seeds = proof.seeds(SEEDS)
    shown, kept = {}, None
    for net in NETS:
        runs = [train(net, seed) for seed in seeds]
        shown[net.name] = counts = [count for count, _ in runs]
        learner = runs[0][1]
        kept = kept or learner
        solved = [count for count in counts if count is not None]
        soon = sum(count <= WANTED for count in solved)
        proof.row(
            net.name, net.units, count_weights(learner), f"{soon} of {len(seeds)}",
            f"{len(solved)} of {len(seeds)}",
            round(np.mean(solved)) if solved else None,
            min(solved, default=None), max(solved, default=None), net.in_1997,
        )  # fmt: skip
        if net.gated:
            proof.gate(
                f"{net.name}: seeds solved within {WANTED:,} training strings",
                soon, f"{len(seeds)} of {len(seeds)}", soon == len(seeds),
            )  # fmt: skip
    proof.note(
        "With 4 blocks of 1 and with 3 blocks of 2 the nets have exactly the weights "
        "of the paper's, 264 and 276: cells and outputs have no biases. The figures of "
        "1997 are from descent along the truncated gradient at the rate 0.5; here Adam "
        "follows the full one. Success was looked for every 50 training strings. "
        "Training strings are drawn with repetitions, test strings are none of them."
    )
    figure, axes = new_figure(2)
    draw_success(axes[0], shown, seeds)
    draw_memory(axes[1], kept)
    proof.finish(figure)


if __name__ == "__main__":
    main()
