"""Time-aware LSTM: what fades with the time elapsed, on series of irregular steps.

Three models see the same series: an LSTM that is not told when, an LSTM with the time
elapsed beside the inputs of each step, and the T-LSTM, whose cell fades with it (Baytas
et al. 2017).

Decay: at each visit a dose of +1, -1 or none. The effect of a dose halves in 15 days,
that of the constitution, known from the first visit, stays; the class is the sign of
their sum at the last visit. The T-LSTM's 1 / log(e + time) is down to a half at 4.7, so
the unit of time matters: one run is in units of 20 days, about the mean between two
visits, another in days.

Glucose: readings of a sensor every 5 minutes, with gaps, come inside the package
bokeh_sampledata, if it is there. Most are dropped at random; 12 readings at irregular
times give the one 30 minutes after the last. Persistence says that nothing changes.
"""

import csv
import gzip
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent

UNIT = 20.0  # days, minutes: about the mean between two steps
MODELS = {  # cell, units for about 2600 parameters, unit of time if it is told
    "LSTM without times": ("lstm", 24, None),
    "LSTM with times": ("lstm", 24, UNIT),
    "T-LSTM": ("tlstm", 22, UNIT),
    "T-LSTM, time in days": ("tlstm", 22, 1.0),
}
DRAWN = {"LSTM without times": "C2", "LSTM with times": "C1", "T-LSTM": "C0"}
UPDATES, WARM_UP = 1500, 50
HALF_LIFE = 15.0  # days
MARGIN = 0.08  # of accuracy that the times must be worth


class Decay:
    """Doses that fade; class 1 if what is left of them and the constitution is > 0."""

    loss, outputs, features, steps, batch, rate = "cross_entropy", 2, 2, 12, 64, 1e-2

    def draw(self, n, rng):
        """X (n, steps, 2), days elapsed before each step (n, steps), and classes."""
        days = np.exp(rng.uniform(0, np.log(100), (n, self.steps)))
        days[:, 0] = 0
        dose = rng.choice([-1.0, 0.0, 1.0], (n, self.steps), p=[0.25, 0.5, 0.25])
        dose[:, -1] = 0
        constitution = rng.choice([-0.25, 0.25], n)
        age = days.sum(1, keepdims=True) - days.cumsum(1)
        left = (dose * 0.5 ** (age / HALF_LIFE)).sum(1) + constitution
        X = np.zeros((n, self.steps, 2))
        X[:, :, 0] = dose
        X[:, 0, 1] = 4 * constitution
        return X, days, (left > 0).astype(int)

    def test(self):
        """A test set, always the same."""
        return self.draw(20_000, np.random.default_rng(1_000_003))


class Glucose:
    """Readings in mg/dl; the target is the change in 30 minutes, in units of CHANGE.

    Trained on the first four fifths of the record, judged on the last.
    """

    loss, outputs, features, steps, batch, rate = "squared_error", 1, 1, 12, 128, 5e-3
    SLOT, AHEAD, WIDEST, CHANGE = 5, 6, 12, 25.0  # minutes, slots, slots, mg/dl

    def __init__(self, path):
        with gzip.open(path, "rt") as file:
            lines = list(csv.DictReader(file))
        time = np.array([line["datetime"] for line in lines], "datetime64[m]")
        slot = np.rint((time - time[0]).astype(float) / self.SLOT).astype(int)
        self.reading = np.full(slot[-1] + 1, np.nan)
        self.reading[slot] = [float(line["glucose"]) for line in lines]
        there, slots = ~np.isnan(self.reading), np.arange(len(self.reading))
        self.last = np.maximum.accumulate(np.where(there, slots, 0))
        ends = slots[: -self.AHEAD][there[: -self.AHEAD] & there[self.AHEAD :]]
        split, reach = int(0.8 * len(slots)), self.steps * self.WIDEST
        self.past = ends[(ends > 2 * reach) & (ends + self.AHEAD < split)]
        self.future = ends[ends > split + reach]
        self.mean = np.nanmean(self.reading[:split])
        self.scale = np.nanstd(self.reading[:split])

    def windows(self, ends, rng):
        """Readings up to each end, 5 to 60 minutes apart, and more across gaps."""
        size = (len(ends), self.steps)
        back = np.exp(rng.uniform(np.log(0.75), np.log(self.WIDEST), size))
        back = np.maximum(np.rint(back).astype(int), 1)
        at = np.empty(size, int)
        at[:, -1] = ends
        for step in range(self.steps - 1, 0, -1):
            at[:, step - 1] = self.last[np.maximum(at[:, step] - back[:, step], 0)]
        X = (self.reading[at] - self.mean) / self.scale
        minutes = self.SLOT * np.diff(at, axis=1, prepend=at[:, :1])
        change = self.reading[ends + self.AHEAD] - self.reading[ends]
        return X[:, :, None], minutes.astype(float), change[:, None] / self.CHANGE

    def draw(self, n, rng):
        """X (n, steps, 1), minutes elapsed before each step (n, steps), and targets."""
        return self.windows(rng.choice(self.past, n), rng)

    def test(self):
        """Every reading of the last fifth is an end once."""
        return self.windows(self.future, np.random.default_rng(1_000_003))


def told(model, X, time):
    """Inputs as the model wants them, and the extras of its cell."""
    cell, _, unit = model
    if cell == "tlstm":
        return X, {"time": (time / unit).ravel().astype(np.float32)}
    if unit:
        X = np.concatenate([X, np.log1p(time / unit)[:, :, None]], axis=2)
    return X, {}


def train(task, model, seed):
    """A learner after UPDATES batches of new series."""
    cell, units, unit = model
    inputs = task.features + (cell == "lstm" and unit is not None)
    learner = Learner(
        Recurrent(inputs, units, cell, random_state=seed),
        task.outputs,
        task.loss,
        learning_rate=0.0,
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    weight = np.zeros((task.batch, task.steps))
    weight[:, -1] = 1
    for update in range(UPDATES):
        warm, left = min(1, (update + 1) / WARM_UP), 1 - update / UPDATES
        learner.learning_rate = task.rate * warm * left
        X, time, target = task.draw(task.batch, rng)
        X, extras = told(model, X, time)
        every = np.repeat(target, task.steps, axis=0)
        learner.learn(X, every, weight.ravel(), **extras)
    return learner


def predict(learner, task, model, X, time):
    """Logits at the last step of each series."""
    X, extras = told(model, X, time)
    logits, _ = learner.logits(X, **extras)
    return logits.reshape(len(X), task.steps, task.outputs)[:, -1]


def parameters(learner):
    """Numbers that training chose."""
    head = learner.head
    return learner.layer.n_parameters + head.weight.size + head.bias.size


def spread(values):
    """Mean and standard deviation, as text."""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def prove_decay(proof):
    """Rows and gates; of each model, which series of which seed are right, and ages."""
    task = Decay()
    X, days, target = task.test()
    right = {}
    for name, model in MODELS.items():
        found = []
        for seed in proof.seeds(5):
            learner = train(task, model, seed)
            found.append(predict(learner, task, model, X, days).argmax(1) == target)
        right[name] = np.array(found)
        accuracy = spread(right[name].mean(1))
        proof.row("decay", name, parameters(learner), accuracy, None)
    majority = max(target.mean(), 1 - target.mean())
    proof.row("decay", "majority", None, f"{majority:.3f}", None)
    untold = right["LSTM without times"].mean()
    for name in ("LSTM with times", "T-LSTM"):
        got = right[name].mean()
        proof.gate(
            f"decay: accuracy of the {name}",
            got,
            f">= {untold + MARGIN:.3f}, {MARGIN} above the LSTM without times",
            got >= untold + MARGIN,
        )
    lead = right["LSTM with times"].mean() - right["T-LSTM"].mean()
    unit = right["T-LSTM"].mean() - right["T-LSTM, time in days"].mean()
    proof.note(
        f"Decay, in accuracy: LSTM with times minus T-LSTM {lead:+.3f}; T-LSTM in "
        f"units of {UNIT:.0f} days minus T-LSTM in days {unit:+.3f}."
    )
    age = days.sum(1, keepdims=True) - days.cumsum(1)
    return right, np.where(X[:, :, 0] != 0, age, np.inf).min(1)


def prove_glucose(proof):
    """Rows and gates; of each model, squared errors of each seed, and last gaps."""
    package = find_spec("bokeh_sampledata")
    if package is None:
        proof.note("Glucose was left out: `pip install bokeh_sampledata` brings it.")
        return None
    task = Glucose(Path(package.origin).parent / "_data" / "CGM.csv.gz")
    X, minutes, target = task.test()
    squares, rmse = {}, {}
    for name in DRAWN:
        found = []
        for seed in proof.seeds(5):
            learner = train(task, MODELS[name], seed)
            error = predict(learner, task, MODELS[name], X, minutes) - target
            found.append((task.CHANGE * error.ravel()) ** 2)
        squares[name] = np.array(found)
        rmse[name] = np.sqrt(squares[name].mean(1))
        proof.row("glucose", name, parameters(learner), None, spread(rmse[name]))
    squares["persistence"] = (task.CHANGE * target.ravel()[None]) ** 2
    still = np.sqrt(squares["persistence"].mean())
    proof.row("glucose", "persistence", None, None, f"{still:.3f}")
    for name, each in rmse.items():
        proof.gate(
            f"glucose: RMSE of the {name}",
            each.mean(),
            f"< {still:.2f} mg/dl, persistence",
            each.mean() < still,
        )
    return squares, minutes[:, -1]


def by_bin(values, where, edges):
    """Mean over the series of each bin, and its deviation over seeds, by bin."""
    means = np.array([
        values[:, (where > low) & (where <= high)].mean(1)
        for low, high in pairwise(edges)
    ])  # fmt: skip
    return means.mean(1), means.std(1)


def draw(decay, glucose):
    """Accuracy by days since a dose, error by minutes before the last reading."""
    figure, axes = new_figure(columns=1 if glucose is None else 2, height=3.4)
    right, days = decay
    edges = np.array([1, 2, 5, 10, 20, 40, 80, 160])
    for name, colour in DRAWN.items():
        mean, deviation = by_bin(right[name], days, edges)
        middle = np.sqrt(edges[:-1] * edges[1:])
        axes[0].errorbar(middle, mean, deviation, color=colour, marker="o", label=name)
    axes[0].set(
        xscale="log", xlabel="days since the last dose", ylabel="accuracy",
        xticks=edges, xticklabels=edges,
    )  # fmt: skip
    axes[0].minorticks_off()
    if glucose is not None:
        squares, minutes = glucose
        edges = np.array([2.5, 7.5, 12.5, 22.5, 42.5, 62.5])
        labels = ["5", "10", "15-20", "25-40", "45-60"]
        for name, colour in {"persistence": "0.5", **DRAWN}.items():
            mean, deviation = by_bin(squares[name], minutes, edges)
            rmse = np.sqrt(mean)
            axes[1].errorbar(
                labels, rmse, deviation / (2 * rmse), color=colour, marker="o",
                label=name, ls="--" if name == "persistence" else "-",
            )  # fmt: skip
        axes[1].set(
            xlabel="minutes between the last two readings",
            ylabel="RMSE 30 minutes ahead in mg/dl",
        )
    for ax in axes:
        ax.legend(frameon=False, fontsize=8)
    return figure


def main():
    proof = Proof(
        "T-LSTM: the time between steps",
        task="Decay: doses at irregular visits lose half their effect in "
        f"{HALF_LIFE:.0f} days, the constitution does not; the class is the sign of "
        "what is left at the last visit. Glucose: 12 readings of a sensor at irregular "
        "times, 5 to 60 minutes apart and more across its gaps, give the reading 30 "
        "minutes after the last. Models of about equal size, trained alike; mean ± "
        "standard deviation over the seeds.",
        paper="Baytas et al.: Patient Subtyping via Time-Aware LSTM Networks. KDD 2017",
        columns=["task", "model", "parameters", "accuracy", "RMSE in mg/dl"],
    )
    decay = prove_decay(proof)
    glucose = prove_glucose(proof)
    proof.finish(draw(decay, glucose))


if __name__ == "__main__":
    main()
