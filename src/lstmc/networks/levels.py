"""Levels: networks on one another, each fed with the probabilities of the one below.

    a_1 = N_1(x)            logits of level 1 at each step, the blank's among them
    p_k = softmax a_k
    a_k = N_k(p_k-1)

Each level has targets of its own, and the loss is the sum of the levels' losses. The
gradient of a level goes down through the softmax below:

    da_k += p_k (dp_k - sum dp_k p_k)       dp_k: of the inputs of level k + 1

Fernandez, Graves, Schmidhuber: Sequence labelling in structured domains with
hierarchical recurrent neural networks. IJCAI 2007.
"""

from __future__ import annotations

import numpy as np

from ..layers.layer import aligned
from ..sequences import Sequences
from .recurrent import UNDRAWN, Network, whole_lines

# Seeds of noise lie so far apart from level to level that they never meet.
SEED_STRIDE = 1 << 40


class LevelNetwork:
    """Levels with the face of one `Network`, whose logits are a list of Sequences.

    Parameters
    ----------
    input_size : int
        Features of a step.
    hidden_size, output_size : lists of int
        Units and logits of each level, from the lowest.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    **options
        The other arguments of `Network`, the same at all levels.

    Attributes
    ----------
    stages : list of Network
        The levels.
    config, weights, gradient
        As in `Network`; the weights of the stages lie one behind another.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc.networks.levels import LevelNetwork
    >>> from lstmc.sequences import as_sequences
    >>> network = LevelNetwork(3, [8, 4], output_size=[6, 3], pooling="steps")
    >>> network.apply(as_sequences(np.zeros((5, 4, 3))))[1]
    Sequences(5 sequences, 4 to 4 steps, 3 features, float32)
    """

    def __init__(
        self, input_size, hidden_size, *, output_size, random_state=None, **options
    ):
        rng = np.random.default_rng(random_state)
        self.stages = [
            Network(
                inputs, units, output_size=outputs,
                random_state=int(rng.integers(2**31)), **options,
            )
            for inputs, units, outputs in zip(
                [input_size, *output_size], hidden_size, output_size
            )
        ]  # fmt: skip
        sizes = {"hidden_size": [*hidden_size], "output_size": [*output_size]}
        self.config = self.stages[0].config | sizes
        dtype = np.dtype(self.config["dtype"])
        ends = np.cumsum([whole_lines(s.weights.size, dtype) for s in self.stages])
        self.weights = aligned(int(ends[-1]), dtype)
        self.gradient = aligned(int(ends[-1]), dtype)
        self.weights[:] = self.gradient[:] = 0
        for stage, end in zip(self.stages, ends):
            start = end - whole_lines(stage.weights.size, dtype)
            part = slice(start, start + stage.weights.size)
            stage.bind(self.weights[part], self.gradient[part])

    @property
    def recurrent(self):
        """The recurrent layers of the lowest level."""
        return self.stages[0].recurrent

    @property
    def parameters(self):
        """Read-only copies of all weights, by ``"level<k>.<name in Network>"``."""
        return {
            f"level{k}.{name}": array
            for k, stage in enumerate(self.stages)
            for name, array in stage.parameters.items()
        }

    @classmethod
    def from_parameters(cls, config, parameters):
        """Return the network of a ``config`` and its ``parameters``."""
        network = cls(**config, **UNDRAWN)
        own: list[dict[str, np.ndarray]] = [{} for _ in network.stages]
        for key, array in parameters.items():
            prefix, _, name = key.partition(".")
            own[int(prefix.removeprefix("level"))][name] = array
        for stage, arrays in zip(network.stages, own):
            stage.load_parameters(arrays)
        return network

    def copy(self):
        """Return a network of the same weights in buffers of its own."""
        twin = LevelNetwork(**self.config, **UNDRAWN)
        twin.weights[:] = self.weights
        return twin

    def __reduce__(self):
        return LevelNetwork.from_parameters, (self.config, self.parameters)

    def apply(self, x, *, time=None, static=None, threads=0):
        """Return the logits of each level at each step: a list of `Sequences`."""
        found: list[Sequences] = []
        for stage in self.stages:
            if found:
                x = softmax(found[-1])
            found.append(stage.apply(x, time=time, static=static, threads=threads))
        return found

    def loss_and_gradient(
        self, x, target, weight, loss, *, time=None, static=None, dropout_key=(0, 0),
        tbptt=None, checkpoint=False, threads=0,
    ):  # fmt: skip
        """Return the loss of a batch and fill ``gradient`` with its gradient.

        As in `Network`; ``loss`` takes and returns a list with an entry a level.
        """
        seed, stream = dropout_key
        logits: list[Sequences] = []
        tapes, probabilities = [], []
        for k, stage in enumerate(self.stages):
            if k > 0:
                probabilities.append(softmax(logits[-1]))
                x = probabilities[-1]
            found, tape = stage.record(
                x, time=time, static=static, tbptt=tbptt, checkpoint=checkpoint,
                dropout_key=(seed + SEED_STRIDE * k, stream), threads=threads,
            )  # fmt: skip
            logits.append(found)
            tapes.append(tape)
        value, d_logits = loss(logits, target, weight)
        dp = None
        for k in reversed(range(len(self.stages))):
            if dp is not None:
                d_logits[k] += pull_softmax(probabilities[k].values, dp)
            dp = self.stages[k].pull(
                tapes[k], d_logits[k], input_gradient=k > 0, threads=threads
            )
        return value

    def release(self):
        """Give back the memory that is kept from one training step to the next."""
        for stage in self.stages:
            stage.release()

    def penalise(self, strength):
        """Add the L2 penalty's gradient; return ``strength / 2 * ||w||**2``."""
        return sum(stage.penalise(strength) for stage in self.stages)


def softmax(logits):
    """The probabilities of the classes at each step, as Sequences."""
    p = logits.values - logits.values.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    return logits.with_values(p)


def pull_softmax(p, dp):
    """The gradient at the logits, given that at the probabilities."""
    dp -= np.einsum("tk,tk->t", dp, p)[:, None]
    dp *= p
    return dp


def make_network(input_size, hidden_size, **options):
    """A `LevelNetwork` for a list of sizes, a `Network` for one."""
    make = LevelNetwork if isinstance(hidden_size, list) else Network
    return make(input_size, hidden_size, **options)
