"""Entity-aware LSTM: one model for many basins, told apart by their static attributes.

Rain and temperature of the last days give the discharge of a river on the last of them
(Kratzert et al. 2019). Six attributes of each basin, such as the depth of its soil, say
how; they open the input gate of the EA-LSTM, or stand beside the inputs of each step of
an LSTM, or are withheld. The basins are simulated: snow, soil, a fast and a slow store,
their parameters functions of the attributes. Trained on the first years, judged on the
last by the efficiency of Nash and Sutcliffe, NSE: 1 - mean squared error / variance.

One real basin, the Fulda 1979-88, comes inside the package spotpy, if it is there.
"""

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from learner import Learner
from proof import Proof, new_figure

from lstmc.layers import Recurrent

BASINS, TRAIN_YEARS, TEST_YEARS = 40, 6, 3  # and one before that fills the stores
ATTRIBUTES = ("elevation", "rain", "soil", "permeable", "slope", "forest")
MODELS = {  # cell, units for about 3000 parameters, where the attributes go
    "EA-LSTM": ("ealstm", 29, "gate"),
    "LSTM with statics": ("lstm", 23, "inputs"),
    "LSTM without": ("lstm", 26, None),
}
SIMULATED = {
    "window": 180,  # days that a model sees
    "judged": 90,  # the last of them, of which training has the loss
    "updates": 1000,
    "batch": 40,
    "rate": 3e-2,
    "dropout": 0.0,
}
FULDA_MODELS = {"LSTM": ("lstm", 16, None), "EA-LSTM": ("ealstm", 18, "gate")}
FULDA = {
    "window": 365,
    "judged": 180,
    "updates": 800,
    "batch": 8,
    "rate": 2e-2,
    "dropout": 0.3,
}
COLOURS = {
    "EA-LSTM": "C0", "LSTM with statics": "C1", "LSTM without": "C2", "LSTM": "C1",
}  # fmt: skip


# --- simulated basins -----------------------------------------------------------------


def weather(attributes, days, rng):
    """Daily rain in mm and temperature in degrees, (days, basins)."""
    elevation, rain = attributes[:, 0], attributes[:, 1]
    wet, noise = np.zeros(len(attributes), bool), np.zeros(len(attributes))
    P, T = np.zeros((2, days, len(attributes)))
    for day in range(days):
        wet = rng.random(len(wet)) < np.where(wet, 0.62, 0.18 + 0.12 * rain)
        P[day] = wet * rng.gamma(0.8, 6 + 6 * rain)
        noise = 0.8 * noise + rng.normal(0, 2, len(noise))
        T[day] = 12 - 8 * elevation - 10 * np.cos(2 * np.pi * day / 365) + noise
    return P, T


def discharge(attributes, P, T):
    """Daily discharge in mm out of four stores: snow, soil, fast and slow water."""
    _, _, soil_depth, permeable, slope, forest = attributes.T
    capacity, shape = 40 + 360 * soil_depth, 1 + 3 * soil_depth
    snow, soil, fast, slow = np.zeros((4, len(attributes)))
    soil += capacity / 2
    Q = np.zeros_like(P)
    for day, (rain, degrees) in enumerate(zip(P, T)):
        snow += rain * (degrees < 0)
        melt = np.minimum(snow, (5 - 3 * forest) * np.maximum(degrees, 0))
        snow -= melt
        water = melt + rain * (degrees >= 0)
        recharge = water * np.minimum(soil / capacity, 1) ** shape
        demand = (0.12 + 0.12 * forest) * np.maximum(degrees, 0)
        soil += water - recharge
        soil -= np.minimum(soil, demand * np.minimum(1, 2 * soil / capacity))
        fast += recharge * (0.9 - 0.8 * permeable)
        slow += recharge * (0.1 + 0.8 * permeable)
        out_fast = (0.15 + 0.6 * slope) * fast
        out_slow = (0.06 - 0.045 * permeable) * slow
        fast -= out_fast
        slow -= out_slow
        Q[day] = out_fast + out_slow
    return Q


def simulated(seed):
    """Basins with attributes drawn from 0 to 1, as `Rivers`."""
    rng = np.random.default_rng(seed)
    attributes = rng.random((BASINS, len(ATTRIBUTES)))
    P, T = weather(attributes, 365 * (1 + TRAIN_YEARS + TEST_YEARS), rng)
    Q = discharge(attributes, P, T)
    forcing = np.stack([P, T], axis=2).transpose(1, 0, 2)[:, 365:]
    static = (attributes - 0.5) * 12**0.5  # mean 0, variance 1
    return Rivers(forcing, static, Q.T[:, 365:], 365 * TRAIN_YEARS)


# --- the Fulda ------------------------------------------------------------------------


def fulda():
    """The Fulda as `Rivers`, and the years its days belong to; None if not there."""
    package = find_spec("spotpy")
    if package is None:
        return None
    path = Path(package.origin).parent / "examples" / "cmf_data" / "fulda_climate.csv"
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = list(csv.reader(file))[2:]  # names and units
    years = np.array([int(line[0][-4:]) for line in lines])
    highest, lowest, _, rain, Q = np.array([line[1:] for line in lines], float).T
    forcing = np.stack([highest, lowest, rain], axis=1)
    split = int(np.argmax(years == 1986))
    return Rivers(forcing[None], np.ones((1, 1)), Q[None], split), years


# --- training and judging -------------------------------------------------------------


class Rivers:
    """Forcing (basins, days, features), static attributes and discharge Q of basins.

    The days before `split` are for training; the forcing is scaled by them.
    """

    def __init__(self, forcing, static, Q, split):
        past = forcing[:, :split]
        scaled = (forcing - past.mean((0, 1))) / past.std((0, 1))
        self.forcing, self.static = scaled.astype(np.float32), static.astype(np.float32)
        self.Q, self.split = Q, split
        self.mean, self.scale = Q[:, :split].mean(), Q[:, :split].std()
        # NSE*: each basin's errors by its own spread, in the unit of Q.
        self.weight = 1 / (Q[:, :split].std(1) + 0.1) ** 2

    def windows(self, basin, day, window, where):
        """Inputs of the days up to `day`, (n, window, features), and extras."""
        X = self.forcing[basin[:, None], day[:, None] + np.arange(1 - window, 1)]
        static = self.static[basin]
        if where == "inputs":
            beside = np.repeat(static[:, None], window, axis=1)
            return np.concatenate([X, beside], axis=2), {}
        return X, {"static": static} if where == "gate" else {}


def train(rivers, model, settings, seed):
    """A learner trained on windows that end in the days before the split."""
    cell, units, where = model
    window, judged, updates = (settings[k] for k in ("window", "judged", "updates"))
    inputs, attributes = rivers.forcing.shape[2], rivers.static.shape[1]
    layer = Recurrent(
        inputs + attributes * (where == "inputs"), units, cell,
        static_size=attributes * (where == "gate"), forget_bias=3.0,
        recurrent_dropout=settings["dropout"], random_state=seed,
    )  # fmt: skip
    learner = Learner(layer, 1, "squared_error", learning_rate=0.0, random_state=seed)
    rng = np.random.default_rng(seed)
    # Each batch has as many windows of every basin.
    basin = np.resize(np.arange(len(rivers.Q)), settings["batch"])
    weight = np.zeros((len(basin), window))
    weight[:, -judged:] = rivers.weight[basin, None]
    target = (rivers.Q - rivers.mean) / rivers.scale
    for update in range(updates):
        warm, left = min(1, (update + 1) / 50), 1 - update / updates
        learner.learning_rate = settings["rate"] * warm * left
        day = rng.integers(window - 1, rivers.split, len(basin))
        X, extras = rivers.windows(basin, day, window, where)
        wanted = target[basin[:, None], day[:, None] + np.arange(1 - window, 1)]
        learner.learn(X, wanted.reshape(-1, 1), weight.ravel(), **extras)
    return learner


def predict(learner, rivers, model, settings):
    """Discharge of every test day, (basins, days): of each window the last."""
    days = np.arange(rivers.split, rivers.Q.shape[1])
    found = np.empty((len(rivers.Q), len(days)))
    for k in range(len(found)):
        basin = np.full(len(days), k)
        X, extras = rivers.windows(basin, days, settings["window"], model[2])
        logits, _ = learner.logits(X, **extras)
        found[k] = logits.reshape(len(days), -1)[:, -1]
    return found * rivers.scale + rivers.mean


def efficiency(found, observed):
    """NSE of each basin."""
    return 1 - ((found - observed) ** 2).mean(-1) / observed.var(-1)


def parameters(learner):
    """Numbers that training chose."""
    head = learner.head
    return learner.layer.n_parameters + head.weight.size + head.bias.size


def spread(values):
    """Mean and standard deviation, as text."""
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def prove_simulated(proof):
    """Rows and gates of the simulated basins; what the picture needs."""
    median, scores, hydrographs = {}, {}, {}
    for name, model in MODELS.items():
        scores[name] = []
        for seed in proof.seeds(5):
            rivers = simulated(seed)
            learner = train(rivers, model, SIMULATED, seed)
            found = predict(learner, rivers, model, SIMULATED)
            nse = efficiency(found, rivers.Q[:, rivers.split :])
            scores[name].append(nse)
            proof.say(f"{name}, seed {seed}: median NSE {np.median(nse):.3f}")
            if seed == 0:
                hydrographs[name] = found, rivers.Q[:, rivers.split :]
        each = np.median(scores[name], axis=1)
        median[name] = each.mean()
        proof.row(
            f"{BASINS} simulated basins", name, parameters(learner), spread(each),
            spread(np.mean(scores[name], axis=1)), spread(np.min(scores[name], axis=1)),
        )  # fmt: skip
    for name in ("EA-LSTM", "LSTM with statics"):
        proof.gate(
            f"{name}: median NSE, mean over the seeds",
            median[name],
            f"> {median['LSTM without']:.3f}, the LSTM without statics",
            median[name] > median["LSTM without"],
        )
    lead = median["EA-LSTM"] - median["LSTM with statics"]
    proof.note(f"Median NSE of EA-LSTM minus that of LSTM with statics: {lead:+.3f}.")
    return scores, hydrographs


def prove_fulda(proof):
    """Rows and the gate of the Fulda; test days, observed and simulated discharge."""
    data = fulda()
    if data is None:
        proof.note("The Fulda was left out: `pip install spotpy` brings its data.")
        return None
    rivers, years = data
    observed = rivers.Q[0, rivers.split :]
    hydrographs, mean = {}, {}
    for name, model in FULDA_MODELS.items():
        scores = []
        for seed in proof.seeds(5):
            learner = train(rivers, model, FULDA, seed)
            found = predict(learner, rivers, model, FULDA)[0]
            scores.append(efficiency(found, observed))
            hydrographs.setdefault(name, found)
        mean[name] = np.mean(scores)
        proof.row("Fulda", name, parameters(learner), spread(scores), None, None)
    trivial = {
        "mean of the training years": np.full(len(observed), rivers.mean),
        "observed discharge of the day before": rivers.Q[0, rivers.split - 1 : -1],
    }
    for name, found in trivial.items():
        score = efficiency(found, observed)
        proof.row("Fulda", name, None, f"{score:.3f}", None, None)
    got = mean["LSTM"]
    proof.gate("Fulda: NSE of the LSTM on the test years", got, "> 0.5", got > 0.5)
    proof.note(
        "The Fulda's attributes are constant: its EA-LSTM is an LSTM whose input gate "
        "does not move. Yesterday's discharge is a hint that no model here is given."
    )
    return years[rivers.split :], observed, hydrographs


def draw(scores, hydrographs, river):
    """Hydrographs of a simulated basin and of the Fulda, and NSE over all basins."""
    figure, axes = new_figure(columns=2 if river is None else 3, height=3.4)
    order = np.argsort(scores["EA-LSTM"][0])
    basin = order[len(order) // 2]  # the one in the middle, for the EA-LSTM
    year = slice(365, 730)
    _, observed = hydrographs["EA-LSTM"]
    found = {name: Q[basin, year] for name, (Q, _) in hydrographs.items()}
    draw_hydrograph(axes[0], "simulated basin", observed[basin, year], found)
    axes[0].set(xlabel="day of the second test year", ylabel="discharge in mm per day")
    for name, nse in scores.items():
        nse = np.sort(np.ravel(nse))
        share = np.arange(1, len(nse) + 1) / len(nse)
        axes[1].step(nse, share, COLOURS[name], where="post", label=name)
    axes[1].set(xlabel="NSE of a basin", ylabel="share of basins below", xlim=(-0.2, 1))
    axes[1].legend(frameon=False, fontsize=8)
    if river is not None:
        years, observed, hydrographs = river
        found = {name: Q[years == 1987] for name, Q in hydrographs.items()}
        draw_hydrograph(axes[2], "Fulda, observed", observed[years == 1987], found)
        axes[2].set(xlabel="day of 1987", ylabel="discharge in m³ per second")
    return figure


def draw_hydrograph(ax, title, observed, found):
    """One year of a river, and what models made of it."""
    day = np.arange(1, len(observed) + 1)
    ax.fill_between(day, observed, color="0.82", lw=0)
    ax.plot(day, observed, "0.45", lw=0.8, label=title)
    for name, Q in found.items():
        ax.plot(day, Q, COLOURS[name], lw=1, label=name)
    ax.set(xlim=(1, len(observed)), ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)


def main():
    proof = Proof(
        "Entity-aware LSTM: many basins, one model",
        task="Daily rain and temperature give the discharge of a river's last day. "
        f"{BASINS} simulated basins (snow, soil, a fast and a slow store) differ in "
        "six static attributes, which open the input gate of the EA-LSTM, stand beside "
        "the inputs of an LSTM, or are withheld. Trained with NSE* on "
        f"{TRAIN_YEARS} years, judged on the {TEST_YEARS} after them by the NSE of "
        "each basin: mean ± standard deviation over the seeds, each with basins of its "
        "own. The Fulda is one real basin, trained on 1979-85 and judged on 1986-88.",
        paper="Kratzert et al.: Towards learning universal, regional, and local "
        "hydrological behaviors via machine learning applied to large-sample datasets. "
        "HESS 23, 2019",
        columns=["data", "model", "parameters", "median NSE", "mean NSE", "worst NSE"],
    )
    scores, hydrographs = prove_simulated(proof)
    proof.note(
        "The paper's 447 basins are other data, so its figures compare with one "
        "another alone: median NSE of a single EA-LSTM 0.714, of a single LSTM with "
        "statics 0.731; of ensembles 0.742 and 0.758."
    )
    river = prove_fulda(proof)
    proof.finish(draw(scores, hydrographs, river))


if __name__ == "__main__":
    main()
