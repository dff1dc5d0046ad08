"""What tests share: every cell with its options, ragged batches, fresh processes."""

import os
import subprocess
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # a check of scikit-learn asks for it

import numpy as np
import pytest

import lstmc
from lstmc import Sequences, _core
from lstmc.layers import Recurrent

FACTS = {row["name"]: row for row in lstmc.cells()}
STATIC_SIZE = 3

# Cells and output squashes, from the registry.
OPTIONS = [
    (name, activation)
    for name, facts in FACTS.items()
    for activation in (("tanh", "identity") if facts["squashes"] else ("tanh",))
]


def needed_by(cell):
    """What a layer of the cell must be given beside sizes."""
    return {"static_size": STATIC_SIZE} if FACTS[cell]["statics"] else {}


def kind_of(facts):
    """What the driver has to serve: cells that agree in it take the same ways."""
    readings = {(w >= 0, r >= 0) for _, w, r, _ in facts["columns"]}
    return (
        facts["rows"], facts["late"], facts["vectors"] != (), facts["timed"],
        facts["statics"], facts["whole"], len(facts["states"]), frozenset(readings),
    )  # fmt: skip


# The first cell of each kind.
KINDS = list({kind_of(facts): (name, "tanh") for name, facts in [*FACTS.items()][::-1]}
             .values())[::-1]  # fmt: skip


def pytest_generate_tests(metafunc):
    """`option` runs over one cell of each kind; with the mark every_cell over all.

    A test of some cells only gives its own choice.
    """
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "option" in metafunc.fixturenames and "option" not in own:
        every = metafunc.definition.get_closest_marker("every_cell")
        metafunc.parametrize("option", OPTIONS if every else KINDS, ids="-".join)


@pytest.fixture(params=_core.targets())
def target(request):
    """Every instruction set that this machine runs, chosen for one test."""
    before = _core.target()
    _core.choose_target(request.param)
    yield request.param
    _core.choose_target(before)


class Ready(Recurrent):
    """A layer that gives its cell what it needs beside X, where a test does not."""

    def __call__(self, X, state=None, **more):
        return super().__call__(X, state, **self._given(X, more), **more)

    def forward(self, X, state=None, **more):
        return super().forward(X, state, **self._given(X, more), **more)

    def stream(self, batch_size=1, **more):
        stream = super().stream(batch_size, **more)
        if self.timed:
            stream.set_time(0.7)
        if self.static_size:
            stream.set_static(self._features(batch_size))
        return stream

    def _features(self, n):
        return np.tile(np.linspace(-1, 1, self.static_size, dtype=self.dtype), (n, 1))

    def _given(self, X, more):
        given = {}
        if self.timed and "time" not in more:
            x = self._sequences(X)
            given["time"] = Sequences(
                np.full((len(x.values), 1), 0.7, self.dtype), x.offsets
            )
        if self.static_size and "static" not in more:
            given["static"] = self._features(len(X))
        return given


@pytest.fixture
def make_layer(option):
    """A Recurrent of the option's cell whose biases are not zero either."""

    def make(input_size, hidden_size, **more):
        cell, activation = option
        more = needed_by(cell) | more
        layer = Ready(
            input_size, hidden_size, cell, output_activation=activation,
            random_state=0, **more,
        )  # fmt: skip
        rng = np.random.default_rng(1)
        layer.load_parameters(
            {
                name: array + 0.3 * rng.standard_normal(array.shape)
                for name, array in layer.parameters.items()
            }
        )
        return layer

    return make


@pytest.fixture
def make_batch():
    """Ragged sequences for a layer, initial states, and gradients for both ends."""

    def make(layer, lengths, seed=2):
        rng = np.random.default_rng(seed)

        def numbers(*shape):
            return rng.standard_normal(shape).astype(layer.dtype)

        def states():
            return tuple(numbers(*s.shape) for s in layer._empty_state(len(lengths)))

        X = [numbers(length, layer.input_size) for length in lengths]
        dY = [numbers(length, layer.output_size) for length in lengths]
        state = states()
        for name, array in zip(layer.state_names, state, strict=True):
            if name == "n":  # a sum of exponentials
                array[:] = 0.5 + np.abs(array)
        return X, state, dY, states()

    return make


@pytest.fixture
def make_extras():
    """Times and static features of sequences, as keywords, if the cell reads them."""

    def make(layer, lengths):
        rng, extras = np.random.default_rng(3), {}
        if layer.timed:
            extras["time"] = [
                rng.exponential(2, length).astype(layer.dtype) for length in lengths
            ]
        if layer.static_size:
            shape = len(lengths), layer.static_size
            extras["static"] = rng.standard_normal(shape).astype(layer.dtype)
        return extras

    return make


@pytest.fixture
def run_python():
    """Run a script in a fresh interpreter; its output, or the failure that it was."""

    def run(script, *arguments, fails=False, timeout=120, **environment):
        names = ("LSTMC_TARGET", "LSTMC_NUM_THREADS", "OMP_NUM_THREADS")
        clean = {k: v for k, v in os.environ.items() if k not in names}
        # NumPy's BLAS would start threads of its own.
        clean |= {"OPENBLAS_NUM_THREADS": "1"} | environment
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, env=clean,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout.strip()

    return run


@pytest.fixture(autouse=True)
def denormals_come_back():
    """PyTorch as a peer of the bench flushes denormals; the next test wants its own."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
