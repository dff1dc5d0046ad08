"""Vanishing: how the gradient of a last step's loss fades on its way back in time.

The loss L stands at step T alone. We take the norms of its gradients at the states h_t
and c_t, over the lag T - t: before training, and after training to recall the first
symbol of a sequence at its last step. By the analysis of Hochreiter and of Bengio et
al. a simple recurrent network multiplies the gradient by a Jacobian at each step, whose
norm is usually below 1, so it fades exponentially; along c the LSTM multiplies it by
the forget gate f, and f near 1 is the constant error carousel.

Hochreiter: Untersuchungen zu dynamischen neuronalen Netzen. Diploma thesis, TU Munich,
1991; Bengio, Simard, Frasconi: Learning Long-Term Dependencies with Gradient Descent Is
Difficult. IEEE TNN 5, 1994; Hochreiter, Schmidhuber: Long Short-Term Memory. Neural
Computation 9, 1997.
"""

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent
from lstmc.losses import LOSSES

NETS = {
    "rnn": {"cell": "rnn"},
    "gru": {"cell": "gru"},
    "lstm, b_f = 0": {"cell": "lstm", "forget_bias": 0.0},
    "lstm, b_f = 1": {"cell": "lstm", "forget_bias": 1.0},
    "lstm, b_f = 5": {"cell": "lstm", "forget_bias": 5.0},
}
SIMPLE, CAROUSEL = "rnn", "lstm, b_f = 5"
SYMBOLS, UNITS, LAG = 4, 32, 100
LAGS = np.arange(1, LAG + 1)
SEEDS, PROBES = 5, 8
UPDATES, BATCH, RATE = 400, 32, 5e-3
# R, uniform over +-1/sqrt(units), has a spectral radius of about 1/sqrt(3), so some
# 1e-24 is left of a simple network's gradient after 99 steps; 1e-6, or 0.87 a step,
# leaves room for luck. A carousel alone keeps sigmoid(5)^99 = 0.5; at 1e-2, or 0.955
# a step, it would leak. Neither may it explode: 1e2. Exponential is a straight line on
# the log axis.
FADED, KEPT, STRAIGHT = 1e-6, 1e-2, 0.99
COLORS = dict(zip(NETS, ("C3", "C2", "#9ecae1", "#4292c6", "#08306b")))


def learner_of(options, seed):
    """A network in its usual initialisation: weights uniform over +-1/sqrt(units)."""
    layer = Recurrent(
        SYMBOLS, UNITS, input_initializer="uniform", recurrent_initializer="uniform",
        dtype="float64", random_state=seed, **options,
    )  # fmt: skip
    return Learner(
        layer, SYMBOLS, "cross_entropy", learning_rate=RATE, random_state=seed
    )


def draw(rng, count):
    """Random symbols, one-hot (count, LAG + 1, SYMBOLS); the first is the class."""
    symbols = rng.integers(SYMBOLS, size=(count, LAG + 1))
    return np.eye(SYMBOLS)[symbols], symbols[:, 0]


def last_of(count):
    """Rows of the last steps of a batch."""
    return np.arange(1, count + 1) * (LAG + 1) - 1


def train(learner, rng):
    """Learn to recall; the loss stands at the last step alone."""
    weight = np.zeros(BATCH * (LAG + 1))
    weight[last_of(BATCH)] = 1
    for _ in range(UPDATES):
        X, classes = draw(rng, BATCH)
        learner.learn(X, np.repeat(classes, LAG + 1), weight)


def accuracy(learner, rng, count=256):
    """Share of first symbols that are recalled."""
    X, classes = draw(rng, count)
    logits, _ = learner.logits(X)
    return (logits[last_of(count)].argmax(axis=1) == classes).mean()


def gradient_norms(learner, rng):
    """Mean norm of dL/dh_t and dL/dc_t at each lag: dict of state to (LAG,) array.

    What follows step t is a sequence of its own that starts from the states at t: its
    backward returns the gradients there. All lags of all probes are one ragged batch.
    """
    X, classes = draw(rng, PROBES)
    cuts = [LAG + 1 - lag for lag in LAGS]
    _, states = learner.layer([x[:cut] for x in X for cut in cuts])
    Y, _, tape = learner.layer.forward([x[cut:] for x in X for cut in cuts], states)
    last = np.stack([y[-1] for y in Y])
    logits, head_tape = learner.head.record(last)
    _, d_logits = LOSSES["cross_entropy"].gradient(
        logits, np.repeat(classes, LAG), np.ones(len(logits))
    )
    dh = learner.head.pull(head_tape, d_logits, np.empty_like(learner.gradients[1]))
    dY = [np.zeros_like(y) for y in Y]
    for d, row in zip(dY, dh):
        d[-1] = row
    _, gradients, _ = learner.layer.backward(tape, dY)
    return {
        name: np.linalg.norm(d[0].reshape(PROBES, LAG, UNITS), axis=2).mean(axis=0)
        for name, d in zip(learner.layer.state_names, gradients)
    }


def relative(norms):
    """log10 of what is left of the norm at lag 1, (seeds, lags)."""
    norms = np.maximum(np.array(norms), np.finfo(float).tiny)
    return np.log10(norms / norms[:, :1])


def slopes(curves):
    """Straight lines through the curves of the seeds: log10 of the factor of a step."""
    return np.polyfit(LAGS, curves.T, 1)[0]


def straightness(curves):
    """R squared of those lines, the worst of the seeds."""
    return min(np.corrcoef(LAGS, curve)[0, 1] ** 2 for curve in curves)


def run(proof, seeds):
    """Curves {(when, net, state): (seeds, lags)}, and accuracies {net: [of seeds]}."""
    norms, right = {}, {}
    for net, options in NETS.items():
        for seed in seeds:
            learner = learner_of(options, seed)
            for when in ("before", "after"):
                if when == "after":
                    train(learner, np.random.default_rng([seed, 1]))
                found = gradient_norms(learner, np.random.default_rng([seed, 2]))
                for state, values in found.items():
                    norms.setdefault((when, net, state), []).append(values)
            share = accuracy(learner, np.random.default_rng([seed, 3]))
            right.setdefault(net, []).append(share)
        proof.say(f"{net}: trained {len(seeds)} times")
    return {key: relative(values) for key, values in norms.items()}, right


def picture(curves):
    """Before and after training, at c or else h: mean and range over the seeds."""
    figure, axes = new_figure(2, height=3.8)
    for ax, when in zip(axes, ("before", "after")):
        for net in NETS:
            state = "c" if (when, net, "c") in curves else "h"
            found = curves[when, net, state]
            ax.plot(LAGS, 10 ** found.mean(axis=0), color=COLORS[net],
                    label=net.replace("b_f", "$b_f$"))  # fmt: skip
            ax.fill_between(LAGS, 10 ** found.min(axis=0), 10 ** found.max(axis=0),
                            color=COLORS[net], alpha=0.15, linewidth=0)  # fmt: skip
        ax.set_yscale("log")
        ax.set_xlabel(f"lag T - t (steps), {when} training")
    low = min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(low, 1e3)
    axes[0].set_ylabel("norm of the gradient, lag 1 = 1")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def judge(proof, curves, right):
    """The gates, all before training, where nothing but the equations speaks."""
    simple, carousel = curves["before", SIMPLE, "h"], curves["before", CAROUSEL, "c"]
    steepest, steps = np.log10(FADED) / (LAG - 1), np.log10(KEPT) / (LAG - 1)
    left = 10 ** simple[:, -1].max()
    proof.gate(f"{SIMPLE}: norm at lag {LAG} of that at lag 1, largest of the seeds",
               left, f"below {FADED:g}", left < FADED)  # fmt: skip
    slope = slopes(simple).mean()
    proof.gate(f"{SIMPLE}: log10 of the norm per step", slope,
               f"below {steepest:.3f}", slope < steepest)  # fmt: skip
    straight = straightness(simple)
    proof.gate(f"{SIMPLE}: R squared of a straight line on the log axis, least",
               straight, f"at least {STRAIGHT}", straight >= STRAIGHT)  # fmt: skip
    ends = 10 ** carousel[:, -1]
    proof.gate(f"{CAROUSEL}: norm at c at lag {LAG}, of lag 1, least of the seeds",
               ends.min(), f"at least {KEPT:g}", ends.min() >= KEPT)  # fmt: skip
    proof.gate(f"{CAROUSEL}: the same, largest", ends.max(),
               f"at most {1 / KEPT:g}", ends.max() <= 1 / KEPT)  # fmt: skip
    slope = slopes(carousel).mean()
    proof.gate(f"{CAROUSEL}: log10 of the norm at c per step", slope,
               f"within {-steps:.3f}", abs(slope) < -steps)  # fmt: skip
    closing = 10 ** slopes(curves["before", "lstm, b_f = 1", "c"]).mean()
    proof.note(
        "It is not the LSTM as such that keeps the gradient but a forget gate near 1: "
        f"with b_f = 1, where f = sigmoid(1) = 0.73, a factor of {closing:.2f} is left "
        f"of a step. After training {CAROUSEL} recalls {np.mean(right[CAROUSEL]):.0%} "
        f"of the first symbols, {SIMPLE} {np.mean(right[SIMPLE]):.0%}; chance is "
        f"{1 / SYMBOLS:.0%}."
    )


def main():
    proof = Proof(
        "The gradient vanishes, but not through the carousel",
        task=(
            "The loss stands at the last step alone; shown is the norm of its gradient "
            "at the states of the steps before, as a share of that at lag 1. "
            f"{UNITS} units, weights uniform over +-1/sqrt(units) as usual for all; "
            "then trained to recall the first symbol of a sequence of "
            f"{LAG + 1} random ones at its last step."
        ),
        paper=(
            "Hochreiter, diploma thesis, TU Munich, 1991; Bengio, Simard, Frasconi, "
            "IEEE TNN 5, 1994; Hochreiter, Schmidhuber, Neural Computation 9, 1997"
        ),
        columns=["network", "state", "before: log10 per step", f"at lag {LAG}",
                 "after: log10 per step", f"then at lag {LAG}", "recalled"],
    )  # fmt: skip
    curves, right = run(proof, proof.seeds(SEEDS))
    for (when, net, state), before in curves.items():
        if when == "before":
            after = curves["after", net, state]
            proof.row(
                net, state, slopes(before).mean(), 10 ** before[:, -1].mean(),
                slopes(after).mean(), 10 ** after[:, -1].mean(), np.mean(right[net]),
            )  # fmt: skip
    judge(proof, curves, right)
    proof.finish(picture(curves))


if __name__ == "__main__":
    main()
