"""Training: the one loop behind every estimator.

An epoch is a pass over shuffled mini-batches of sequences of similar length. After
each epoch the weights are kept, so that an interrupt or a divergence falls back to
the last good ones.
"""

from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from . import _core
from .labels import Labels
from .losses import Loss
from .sequences import Sequences
from .solvers import SGD, Adam, Schedule, clip_scale, gradient_norm

# Batches are cut from windows of so many batches' samples, sorted by length: wide
# enough for batches of nearly one length, narrow enough to mix the samples.
WINDOW = 16


class DivergenceError(ValueError):
    """A loss, gradient or weight became infinite or NaN while fitting.

    The step was not taken: the estimator keeps the weights of the last finished
    epoch (with early stopping, the best ones) and can predict.

    Examples
    --------
    >>> issubclass(DivergenceError, ValueError)
    True
    """


@dataclass(frozen=True)
class Samples:
    """What a network learns from: n sequences, targets and weights."""

    x: Sequences
    target: np.ndarray | Labels  # (n,) or (n, n_outputs)
    weight: np.ndarray  # (n,), mean 1
    time: Sequences | None = None  # elapsed before each step of x, one feature
    static: np.ndarray | None = None  # (n, static_size)

    def __len__(self):
        return len(self.x)

    @property
    def extras(self):
        """What some cells read beside x: keywords of the network's methods."""
        time = None if self.time is None else self.time.values.ravel()
        found = {"time": time, "static": self.static}
        return {name: value for name, value in found.items() if value is not None}

    def take(self, index):
        """Return the samples at a slice or an array of positions."""
        return Samples(
            self.x[index],
            self.target[index],
            self.weight[index],
            None if self.time is None else self.time[index],
            None if self.static is None else self.static[index],
        )


@dataclass(frozen=True)
class Settings:
    """How to train; the names and meanings are those of the estimators."""

    loss: Loss
    solver: str
    alpha: float
    batch_size: int
    learning_rate: str
    learning_rate_init: float
    power_t: float
    shuffle: bool
    tol: float
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_grad_norm: float | None
    threads: int
    tbptt: int | None = None
    checkpoint: bool = False
    keep_best: bool = False
    plateau_factor: float = 0.5
    plateau_patience: int = 10
    plateau_min: float = 0.0

    @property
    def way(self):
        """How gradients go back through time: keywords, none for the usual way."""
        chosen = {"tbptt": self.tbptt, "checkpoint": self.checkpoint}
        return {name: value for name, value in chosen.items() if value}


@dataclass
class History:
    """What happened in the epochs of one fit."""

    samples: int = 0
    loss_curve: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    converged: bool = False


class Trainer:
    """A network together with all that changes while it learns.

    Parameters
    ----------
    network : Network
        Trained in place.
    settings : Settings
        How to train.
    rng : numpy.random.Generator
        Source of the order of the samples and of the noise.
    samples : int, default=0
        Samples trained on before, for the learning rate's schedule.
    """

    def __init__(self, network, settings, rng, samples=0):
        self.network, self.settings, self.rng = network, settings, rng
        self.loss = settings.loss
        self.samples = samples
        self.steps = 0
        self.seed = int(rng.integers(2**62))
        self.schedule = Schedule(
            settings.learning_rate, settings.learning_rate_init, settings.power_t,
            factor=settings.plateau_factor, patience=settings.plateau_patience,
            lowest=settings.plateau_min,
        )  # fmt: skip
        self.solver: Adam | SGD
        if settings.solver == "adam":
            self.solver = Adam(
                network.weights,
                beta_1=settings.beta_1,
                beta_2=settings.beta_2,
                epsilon=settings.epsilon,
            )
        else:
            self.solver = SGD(
                network.weights,
                momentum=settings.momentum,
                nesterov=settings.nesterovs_momentum,
            )

    def run(self, data, validation, *, epochs, weight_scale, progress, history):
        """Train for up to ``epochs`` epochs; stop at a plateau.

        Parameters
        ----------
        data : Samples
            What to learn.
        validation : Samples or None
            What to score after each epoch.
        epochs : int
            The most epochs to train.
        weight_scale : float
            Mean of the sample weights before they were brought to mean 1; divides
            ``alpha`` together with the batch's size, as in MLPClassifier.
        progress : Progress
            Told of every batch and epoch.
        history : History
            Filled epoch by epoch.

        Raises
        ------
        DivergenceError
            If a loss, gradient or weight is not finite.

        Notes
        -----
        However it ends, the weights are those of the last finished epoch, or with
        early stopping or ``keep_best`` those of the best.
        """
        weights = self.network.weights
        kept = weights.copy()
        best, idle = -np.inf, 0
        stopping = self.settings.early_stopping and validation is not None
        alpha = self.settings.alpha / weight_scale
        try:
            with np.errstate(all="ignore"):  # what is not finite raises below
                for _ in range(epochs):
                    loss = self._epoch(data, alpha, progress, len(history.loss_curve))
                    score, validation_loss = self._evaluate(validation)
                    merit = score if stopping else -loss
                    idle = 0 if merit >= best + self.settings.tol else idle + 1
                    if merit > best or not (stopping or self.settings.keep_best):
                        kept[:] = weights
                    best = max(best, merit)
                    self._note(history, len(data), loss, score, validation_loss)
                    progress.epoch(len(history.loss_curve), loss, score)
                    self.schedule.end_epoch(self.samples, loss)
                    if idle > self.settings.n_iter_no_change:
                        idle = 0
                        history.converged = self.schedule.stops_at_plateau()
                    if history.converged:
                        break
        finally:
            weights[:] = kept
            self.network.release()

    def _note(self, history, samples, loss, score, validation_loss):
        self.samples += samples
        history.samples += samples
        history.loss_curve.append(loss)
        if score is not None:
            history.validation_scores.append(score)
            history.validation_loss_curve.append(validation_loss)

    def _epoch(self, data, alpha, progress, number):
        """Take one step per batch; return the mean loss before the steps."""
        total = 0.0
        for batch in self._batches(data):
            total += self._step(batch, alpha, number) * len(batch)
            progress.batch()
        if not isfinite(_core.squared_norm(self.network.weights)):
            raise self._divergence(number, "the weights are not finite")
        return total / len(data)

    def _step(self, batch, alpha, number):
        network, settings = self.network, self.settings
        loss = network.loss_and_gradient(
            batch.x, batch.target, batch.weight, self.loss.gradient, **batch.extras,
            dropout_key=(self.seed, self.steps), threads=settings.threads,
            **settings.way,
        )  # fmt: skip
        if alpha:
            loss += network.penalise(alpha / len(batch))
        norm = gradient_norm(network.gradient)
        if not (isfinite(loss) and isfinite(norm)):
            raise self._divergence(number, f"loss {loss:.3g}, gradient norm {norm:.3g}")
        self.steps += 1
        self.solver.step(
            network.weights,
            network.gradient,
            learning_rate=self.schedule.learning_rate,
            scale=clip_scale(norm, settings.max_grad_norm),
        )
        return loss

    def _divergence(self, number, what):
        return DivergenceError(
            f"training diverged in epoch {number + 1}: {what}, learning rate "
            f"{self.schedule.learning_rate:.3g}; the last good weights are kept. "
            "Scale X, lower learning_rate_init or set max_grad_norm."
        )

    def _batches(self, data):
        size = self.settings.batch_size
        if len(data) <= size:
            yield data
        elif self.settings.shuffle:
            for index in bucket(data.x.lengths, size, self.rng):
                yield data.take(index)
        else:
            for start in range(0, len(data), size):
                yield data.take(slice(start, start + size))

    def _evaluate(self, validation):
        """Return score and loss on the validation samples, or None and None."""
        if validation is None:
            return None, None
        logits = self.network.apply(
            validation.x, **validation.extras, threads=self.settings.threads
        )
        loss, _ = self.loss.gradient(logits, validation.target, validation.weight)
        return self.loss.score(logits, validation.target, validation.weight), loss


def bucket(lengths, batch_size, rng):
    """Return shuffled batches of samples of similar length.

    The samples are shuffled, sorted by length within windows of `WINDOW` batches,
    cut into batches, and the batches shuffled.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Steps of each sequence.
    batch_size : int
        Samples in each batch but one, which takes the rest.
    rng : numpy.random.Generator
        Source of the order.

    Returns
    -------
    list of ndarray
        Positions of the samples of each batch.

    Examples
    --------
    >>> import numpy as np
    >>> sorted(len(b) for b in bucket(np.ones(7), 3, np.random.default_rng(0)))
    [1, 3, 3]
    """
    order = rng.permutation(len(lengths))
    window = np.arange(len(lengths)) // (WINDOW * batch_size)
    order = order[np.lexsort((lengths[order], window))]
    starts = range(0, len(order), batch_size)
    batches = [order[start : start + batch_size] for start in starts]
    return [batches[k] for k in rng.permutation(len(batches))]
