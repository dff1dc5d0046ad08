"""Bouncing digits: ten frames of two digits that bounce are seen, ten are forecast.

Two of scikit-learn's handwritten digits, 8 x 8 pixels each, move over a canvas of
24 x 24 pixels in straight lines and bounce off its edges. Convolutions share what they
learn of motion between all places; a fully connected LSTM must learn it anew at each.

Shi et al.: Convolutional LSTM Network: A Machine Learning Approach for Precipitation
Nowcasting. NIPS 2015, section 4.1, with digits of MNIST on 64 x 64 pixels.
"""

import warnings

import numpy as np
from proof import Proof, new_figure
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from lstmc import ConvLSTMForecaster

CANVAS, DIGIT = 24, 8
SEEN = AHEAD = 10
TRAINED, EPOCHS, TESTED = 1000, 5, 500
SEED = 1  # the settings were chosen with 0 and 100

PAPER = (
    "Shi, Chen, Wang, Yeung, Wong, Woo: Convolutional LSTM Network: A Machine Learning "
    "Approach for Precipitation Nowcasting. NIPS 2015, section 4.1"
)
TASK = (
    "Two digits of scikit-learn's set, 8 x 8 pixels, move over 24 x 24 pixels in "
    "straight lines, 0.5 to 2 pixels a frame along each axis, and bounce off the "
    "edges; where they overlap the brighter pixel shows. Ten frames are seen, the next "
    "ten are forecast. All networks are encoder-forecasters; they see the same 1,000 "
    "sequences five times, in batches of 8, with Adam at 0.004, and once more at a "
    "fifth of it, and are judged by 500 sequences of digits that were held out: by the "
    "cross-entropy of a sequence, the sum over its ten frames and 576 pixels, in nats. "
    "The ConvLSTM has two layers of 16 channels and 3 x 3 taps in encoder and "
    "forecaster; the fully connected LSTM a layer of 256 units, more parameters than "
    "the others, and a second try from 0.01 on, of which the better counts. "
    "*Persistence* repeats the last frame seen, mixed with the mean brightness in the "
    "best proportion; *mean* knows the mean brightness of each pixel."
)


def draw_sequences(rng, n, digits):
    """Sequences (n, SEEN + AHEAD, CANVAS, CANVAS, 1) of two of the digits each."""
    steps, most = SEEN + AHEAD, CANVAS - DIGIT
    frames = np.zeros((n, steps, CANVAS, CANVAS), np.float32)
    for j in range(n):
        for image in digits[rng.integers(len(digits), size=2)]:
            start = rng.uniform(0, 2 * most, 2)
            speed = rng.uniform(0.5, 2, 2)
            way = (start + speed * np.arange(steps)[:, None]) % (2 * most)
            place = np.rint(np.where(way > most, 2 * most - way, way)).astype(int)
            for t, (y, x) in enumerate(place):
                own = frames[j, t, y : y + DIGIT, x : x + DIGIT]
                np.maximum(own, image, out=own)
    return frames[..., None]


def cross_entropy(probability, frames):
    """Of a sequence, in nats."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    nats = -(frames * np.log(p) + (1 - frames) * np.log(1 - p))
    return float(nats.sum() / len(frames))


def softened(guess, frames):
    """The cross-entropy of a guess mixed with the best constant share of grey."""
    grey = frames.mean()
    return min(
        cross_entropy((1 - a) * guess + a * grey, frames)
        for a in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
    )


def fit(X, rate=0.004, **options):
    """A forecaster, trained on sequences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        forecaster = ConvLSTMForecaster(
            horizon=AHEAD, loss="cross_entropy", batch_size=8, max_iter=EPOCHS,
            learning_rate_init=rate, n_iter_no_change=np.inf, random_state=SEED,
            **options,
        ).fit(X)  # fmt: skip
        forecaster.set_params(warm_start=True, max_iter=1, learning_rate_init=rate / 5)
        return forecaster.fit(X)


def main():
    proof = Proof(
        "Bouncing digits: ConvLSTM forecasts frames that a fully connected LSTM cannot",
        task=TASK, paper=PAPER, may_be_small=True,
        columns=["forecaster", "parameters", "cross-entropy", "squared error a frame"],
    )  # fmt: skip
    rng = np.random.default_rng(SEED)
    digits = load_digits().images.astype(np.float32) / 16
    rng.shuffle(digits)
    trained = TRAINED // 20 if proof.small else TRAINED
    X = draw_sequences(rng, trained, digits[:1400])
    test = draw_sequences(rng, TESTED, digits[1400:])
    seen, ahead = test[:, :SEEN], test[:, SEEN:]

    def row(name, parameters, guess, nats):
        error = float(((guess - ahead) ** 2).sum() / (TESTED * AHEAD))
        proof.row(name, parameters, nats, error)
        return nats

    last = np.repeat(seen[:, -1:], AHEAD, axis=1)
    row("persistence", 0, last, softened(last, ahead))
    mean = np.broadcast_to(X.mean(axis=(0, 1)), ahead.shape)
    row("mean", 0, mean, cross_entropy(mean, ahead))

    def flat(frames):
        """The same without places: all pixels are channels of a single one."""
        return frames.reshape(*frames.shape[:2], 1, 1, CANVAS * CANVAS)

    tries = {}
    for rate in (0.004, 0.01):
        full = fit(flat(X), rate, hidden_channels=256, kernel_size=1)
        guess = full.predict(flat(seen)).reshape(ahead.shape)
        tries[cross_entropy(guess, ahead)] = guess
        proof.say(f"fully connected, at {rate}: {cross_entropy(guess, ahead):.1f}")
    size = {"full": full.model_.network.weights.size}
    nats = {"full": min(tries)}
    guess = tries[nats["full"]]
    row("fully connected LSTM", size["full"], guess, nats["full"])
    guesses = {"fully connected": guess}
    for name, peepholes in (("ConvLSTM", None), ("ConvLSTM, peepholes", "pixel")):
        model = fit(
            X, hidden_channels=16, kernel_size=3, num_layers=2, peepholes=peepholes
        )
        guesses[name] = model.predict(seen)
        size[name] = model.model_.network.weights.size
        nats[name] = row(
            name, size[name], guesses[name], cross_entropy(guesses[name], ahead)
        )
    for name in ("ConvLSTM", "ConvLSTM, peepholes"):
        proof.gate(
            f"cross-entropy of {name}", nats[name],
            f"below {nats['full']:.1f}, that of the fully connected LSTM",
            nats[name] < nats["full"],
        )  # fmt: skip
        proof.gate(
            f"parameters of {name}", size[name],
            f"below {size['full']}, those of the fully connected LSTM",
            size[name] < size["full"],
        )  # fmt: skip
    proof.note(
        "How the settings came about: on seed 0, with 2,000 sequences six times at a "
        "rate of 0.01 and one layer, the ConvLSTM lost, 1111 nats to 1062; with 1,000 "
        "sequences, a falling rate and one layer of 5 x 5 taps it was 1116 to 1114; "
        "two layers of 3 x 3 taps, chosen on seed 100, then gave 1098, and 1087 with "
        "peepholes, to 1114. Seed 1 had no part in that. All draw from the same 1,797 "
        "digits. Trained for minutes, none forecasts more than blurs."
    )
    proof.finish(draw(seen[0], ahead[0], {k: g[0] for k, g in guesses.items()}))


def draw(seen, ahead, guesses):
    """Each row a sequence of frames; those forecast stand below the true ones."""
    figure, axes = new_figure(1, height=4.6)
    rows = {"seen": seen, "true": ahead, **guesses}
    strips = [
        np.pad(np.hstack([np.pad(f[..., 0], 1, constant_values=1) for f in frames]),
               ((0, 2), (0, 0)), constant_values=1)
        for frames in rows.values()
    ]  # fmt: skip
    figure.set_size_inches(9, 4.6)
    ax = axes[0]
    ax.imshow(1 - np.vstack(strips), cmap="gray", vmin=0, vmax=1)
    height = len(strips[0])
    ax.set_yticks([height * (k + 0.5) for k in range(len(rows))], list(rows))
    ax.set_xticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title("The first sequence of the test", fontsize=10)
    return figure


if __name__ == "__main__":
    main()
