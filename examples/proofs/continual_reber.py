"""Continual Reber: strings without end, and nothing says where one ends.

Strings of the embedded Reber grammar follow one another in a stream and the state is
never reset. What has to be forgotten is what came before the string. Judged by the T or
P before a string's last symbol, which repeats the string's second.

Gers, Schmidhuber, Cummins: Learning to Forget: Continual Prediction with LSTM. Neural
Computation 12, 2000.
"""

import numpy as np
from learner import Learner
from proof import Proof, new_figure
from reber import ONE_HOT, OUTER, POSSIBLE, SYMBOLS, predicted, walk

from lstmc.layers import Recurrent

# A cell, and where its forget gates start. In float32 sigmoid(100) is 1 with slope 0:
# no training moves those gates.
NETS = {
    "lstm": ("lstm", 1.0),
    "lstm1997_modern": ("lstm1997_modern", 0.0),
    "lstm, f held at 1": ("lstm", 100.0),
}
CELLS, BLOCK = 8, 2  # the paper's 4 blocks of 2
STREAMS, WINDOW, UPDATES = 16, 60, 2500  # some 5 strings a window
LEARNING_RATE = 0.01  # of Adam; falls to a tenth
TEST = 100_000  # symbols, one stream
LOOK = 10  # symbols from one look at c to the next
SEEDS = 5


def make_learner(cell, forget, seed):
    """The net before training."""
    layer = Recurrent(
        len(SYMBOLS), CELLS, cell, block_size=BLOCK, cell_bias=False,
        forget_bias=forget, random_state=seed,
    )  # fmt: skip
    return Learner(
        layer, len(SYMBOLS), "cross_entropy", learning_rate=LEARNING_RATE,
        random_state=seed,
    )  # fmt: skip


def train(learner, seed):
    """Truncated backpropagation; the share of T/P right in each window, before it."""
    rng = np.random.default_rng(seed)
    paths = [walk(rng, UPDATES * WINDOW + 1) for _ in range(STREAMS)]
    symbols, states = np.stack(paths, axis=1)
    state, shares = None, []
    for update in range(UPDATES):
        now = slice(update * WINDOW, (update + 1) * WINDOW)
        after = slice(now.start + 1, now.stop + 1)
        x = ONE_HOT[symbols[:, now]]
        logits, _ = learner.logits(x, state)
        shares.append(judge(logits, states[:, now].ravel())[0])
        learner.learning_rate = LEARNING_RATE * (1 - 0.9 * update / UPDATES)
        _, state = learner.learn(x, symbols[:, after].ravel(), state=state)
    return shares


def judge(logits, states):
    """Shares of T/P and of all steps right."""
    right = predicted(logits, POSSIBLE[states])
    return right[np.isin(states, OUTER)].mean(), right.mean()


def test(learner, rng):
    """As `judge`, on one stream; and mean |c| now and then."""
    symbols, states = walk(rng, TEST)
    state, logits, size = None, [], []
    for x in ONE_HOT[symbols].reshape(-1, 1, LOOK, len(SYMBOLS)):
        part, state = learner.logits(x, state)
        logits.append(part)
        size.append(np.abs(state[-1]).mean())
    return *judge(np.concatenate(logits), states), np.array(size)


def draw_size(ax, sizes):
    """|c| over the test stream, one line a seed."""
    at = np.arange(1, TEST // LOOK + 1) * LOOK
    for k, (name, lines) in enumerate(sizes.items()):
        for seed, line in enumerate(lines):
            smooth = np.convolve(line, np.ones(20) / 20, "valid")
            ax.plot(
                at[19:], smooth, color=f"C{k}", lw=1, label=None if seed else name
            )  # fmt: skip
    ax.set(xlabel="symbols of the test stream", ylabel="mean |c|", yscale="log")
    ax.legend(fontsize=8)


def draw_training(ax, shares):
    """The share of T/P right while training, one line a seed."""
    span = 50
    at = np.arange(span, UPDATES + 1) * WINDOW * STREAMS / 1e6
    for k, (name, lines) in enumerate(shares.items()):
        for seed, line in enumerate(lines):
            smooth = np.convolve(line, np.ones(span) / span, "valid")
            ax.plot(
                at, 100 * smooth, color=f"C{k}", lw=1, label=None if seed else name
            )  # fmt: skip
    ax.set(xlabel="training symbols, millions", ylabel="T/P right, %", ylim=(-3, 103))
    ax.legend(fontsize=8)


def main():
    """Train every net from every seed."""
    proof = Proof(
        "Continual embedded Reber grammar",
        task="Embedded Reber strings follow one another without a mark and without a "
        "reset. Predicted is the next symbol; right is a step at which all possible "
        "ones are more active than all others. Hard is the T or P before a string's "
        "last symbol, which repeats the string's second. Nets of 4 blocks of 2 cells "
        "learn by Adam from 16 streams in windows of 60 symbols, the state carried "
        "from window to window, then read one stream of 100,000 symbols.",
        paper="Gers, Schmidhuber, Cummins: Learning to Forget: Continual Prediction "
        "with LSTM. Neural Computation 12, 2000",
        columns=[
            "net", "parameters", "T/P right, %", "least, %", "most, %",
            "all steps right, %", "mean abs(c)",
        ],
    )  # fmt: skip
    seeds = proof.seeds(SEEDS)
    outer, size, sizes, shares = {}, {}, {}, {}
    for name, net in NETS.items():
        found, shares[name] = [], []
        for seed in seeds:
            learner = make_learner(*net, seed)
            shares[name].append(train(learner, seed))
            found.append(test(learner, np.random.default_rng(1000 + seed)))
        tp, every, sizes[name] = (list(part) for part in zip(*found))
        outer[name], size[name] = 100 * np.mean(tp), np.mean(sizes[name])
        proof.row(
            name, learner.layer.n_parameters + learner.head.n_weights, outer[name],
            100 * np.min(tp), 100 * np.max(tp), 100 * np.mean(every), size[name],
        )  # fmt: skip
    with_gate, without, _ = NETS
    proof.gate(
        f"{with_gate}: T/P right, mean of the seeds, %", outer[with_gate], ">= 99",
        outer[with_gate] >= 99,
    )  # fmt: skip
    proof.gate(
        f"{without}: T/P right, mean of the seeds, %", outer[without], "<= 70",
        outer[without] <= 70,
    )  # fmt: skip
    ratio = size[without] / size[with_gate]
    proof.gate(f"mean |c|, {without} to {with_gate}", ratio, "> 5", ratio > 5)
    figure, axes = new_figure(2)
    draw_training(axes[0], shares)
    draw_size(axes[1], sizes)
    proof.finish(figure)


if __name__ == "__main__":
    main()
