"""Timing: one memory cell without input becomes a clock that never stops.

From zero states and without any input, one cell has to generate a function of period 10
for 1,000 periods, every step within 0.3 of the target. Like Gers et al. a net learns on
streams that end at its first wrong step, so that they grow with what it can do; a start
ends in success when a whole stream of training is right. The test is twice as long.

Their training lets no gradient pass h on its way to the gates ("truncated"). Then only
peepholes can tell the gates what time it is, and that is what is judged. With the full
gradient through time the other way opens, from c by h to the gates; those rows show it.

Source: Gers, Schraudolph, Schmidhuber: Learning Precise Timing with LSTM Recurrent
Networks. JMLR 3, 2002.
"""

from typing import NamedTuple

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent
from lstmc.sequences import Sequences

PERIOD = 10  # steps
TRAINED, JUDGED = 500, 1000  # periods of a stream
ERROR = 0.3
STARTS, STREAMS = 8, 10_000  # a seed begins anew so often, after so many streams
LOOK = 10  # streams from one look at their length to the next
RATE = {"truncated": 0.07, "full": 0.02}  # of Adam, falling to a twentieth
SPREAD = 1.0  # of the first weights
BIASES = {"i": 0.0, "f": -2.0, "o": 2.0}  # of the gates, as in the paper
NAMES = {"peephole": "with peepholes", "np": "without"}


class Net(NamedTuple):
    """A row of the table."""

    function: str
    cell: str
    gradient: str
    seeds: int


WITH, WITHOUT = (Net("f_tri", cell, "truncated", 10) for cell in NAMES)
NETS = [
    WITH,
    WITHOUT,
    *(Net("f_tri", cell, "full", 10) for cell in NAMES),
    *(Net("f_cos", cell, "truncated", 5) for cell in NAMES),
    *(Net("f_rect", cell, "truncated", 5) for cell in NAMES),
]


def make_target(function, steps):
    """The function at steps 1, 2, ... (steps,)."""
    t = np.arange(1, steps + 1) % PERIOD
    if function == "f_tri":
        return np.minimum(t, PERIOD - t) / (PERIOD / 2)
    if function == "f_cos":
        return (1 - np.cos(2 * np.pi * t / PERIOD)) / 2
    return (t > PERIOD / 2).astype(float)


def silence(steps):
    """One sequence of zeros."""
    return Sequences.from_flat(np.zeros((steps, 1)), lengths=[steps])


def make_learner(net, seed):
    rng = np.random.default_rng(seed)
    layer = Recurrent(
        1, 1, net.cell, output_activation="identity", gradient=net.gradient,
        dtype="float64",
    )  # fmt: skip
    parameters = {
        name: rng.uniform(-SPREAD, SPREAD, shape)
        for name, shape in layer.shapes.items()
    }
    for place, gate in enumerate("ifzo"):
        if gate in BIASES:
            parameters["bias_l0"][place] = BIASES[gate]
    layer.load_parameters(parameters)
    return Learner(
        layer, 1, "squared_error", learning_rate=RATE[net.gradient], random_state=seed
    )


def count_right(learner, target, steps):
    """Steps before the first wrong one; a look at `steps` of them, then at more."""
    while True:
        steps = min(steps, len(target))
        error = np.abs(learner.logits(silence(steps))[0][:, 0] - target[:steps])
        wrong = np.flatnonzero(~(error < ERROR))  # NaN is wrong, too
        if len(wrong) or steps == len(target):
            return int(wrong[0]) if len(wrong) else steps
        steps *= 2


def train(net, seed):
    """Learn from streams; return the learner as it was at its longest, and how long."""
    learner = make_learner(net, seed)
    target = make_target(net.function, TRAINED * PERIOD)
    parts = (learner.layer, learner.head)
    right, longest, best = 0, -1, None
    for stream in range(STREAMS):
        learner.learning_rate = RATE[net.gradient] * (1 - 0.95 * stream / STREAMS)
        if stream % LOOK == 0:
            right = count_right(learner, target, 2 * right + 2 * PERIOD)
            if right > longest:
                longest, best = right, [part.weights.copy() for part in parts]
            if right == len(target):
                break
            end = max(right + 1, PERIOD // 2)
            x, y = silence(end), target[:end, None]
        learner.learn(x, y)
    for part, weights in zip(parts, best, strict=True):
        part.weights[:] = weights
    return learner, longest


def train_seed(net, seed):
    """Start until a stream of training is right to its end; return the best learner."""
    best, longest = None, -1
    for start in range(STARTS):
        learner, right = train(net, 1000 * seed + start)
        if right > longest:
            best, longest = learner, right
        if right == TRAINED * PERIOD:
            break
    return best, longest // PERIOD


def count_periods(net, learner):
    """Whole periods before the first wrong step, in a stream of JUDGED periods."""
    target = make_target(net.function, JUDGED * PERIOD)
    return count_right(learner, target, len(target)) // PERIOD


def draw(found):
    """What nets of f_tri make of the first and the last periods, and who holds on."""
    figure, axes = new_figure(3)
    steps = JUDGED * PERIOD
    for ax, first in zip(axes[:2], (0, steps - 3 * PERIOD), strict=True):
        shown = np.arange(first, first + 3 * PERIOD)
        target = make_target("f_tri", steps)[shown]
        ax.plot(shown + 1, target, "o", color="0.7", label="f_tri")
        for net, color in ((WITH, "C0"), (WITHOUT, "C1")):
            best, _ = max(found[net], key=lambda pair: pair[1])
            y = best.logits(silence(steps))[0][shown, 0]
            ax.plot(shown + 1, y, color=color, label=NAMES[net.cell])
        ax.set(xlabel="step", ylim=(-0.4, 1.4))
    axes[0].set_ylabel("output, truncated gradient")
    axes[0].legend(fontsize=8, loc="upper right", ncols=3)
    ax = axes[2]
    for place, cell in enumerate(NAMES):
        nets = [net for net in found if net.cell == cell]
        shares = [np.mean([n == JUDGED for _, n in found[net]]) for net in nets]
        bars = ax.bar(
            np.arange(len(nets)) + 0.4 * place - 0.2, shares, 0.36, label=NAMES[cell]
        )
        ax.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=7)
    names = [f"{net.function}\n{net.gradient}" for net in nets]
    ax.set_xticks(range(len(nets)), names, fontsize=8)
    ax.set(ylabel=f"seeds that hold {JUDGED:,} periods", ylim=(0, 1.15))
    ax.legend(fontsize=8)
    return figure


def main():
    proof = Proof(
        "Precise timing: a clock of one memory cell",
        task=(
            f"One cell without input generates a function of period {PERIOD} from zero "
            f"states for {JUDGED:,} periods; all errors have to stay below {ERROR}. It "
            f"learns on streams of at most {TRAINED} periods that end at the first "
            f"wrong step, by Adam, in float64; a seed has {STARTS} starts of "
            f"{STREAMS:,} streams. Judged with the truncated gradient of the paper; "
            "the rows of the full gradient are a comparison."
        ),
        paper=(
            "Gers, Schraudolph, Schmidhuber, Learning Precise Timing with LSTM "
            "Recurrent Networks, JMLR 3, 2002 (periodic function generation)"
        ),
        columns=[
            "function", "gradient", "peepholes", "seeds",
            f"right for {TRAINED} periods", f"right for {JUDGED:,} periods",
            "periods, seed by seed",
        ],
    )  # fmt: skip
    found = {}
    for net in NETS:
        trained, found[net] = [], []
        for seed in proof.seeds(net.seeds):
            learner, periods = train_seed(net, seed)
            trained.append(periods)
            found[net].append((learner, count_periods(net, learner)))
        held = [n for _, n in found[net]]
        proof.row(
            net.function, net.gradient, net.cell == "peephole", len(held),
            trained.count(TRAINED), held.count(JUDGED), ", ".join(map(str, held)),
        )  # fmt: skip
    for net, wanted in ((WITH, "at least 1"), (WITHOUT, "none")):
        solved = sum(n == JUDGED for _, n in found[net])
        proof.gate(
            f"f_tri {NAMES[net.cell]}: seeds of {len(found[net])} that hold {JUDGED:,} "
            "periods",
            solved, wanted, solved >= 1 if net is WITH else solved == 0,
        )  # fmt: skip
    proof.finish(draw(found))


if __name__ == "__main__":
    main()
