"""What tests share: every cell with its options, ragged batches, fresh processes."""

import os
import subprocess
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # a check of scikit-learn asks for it

import numpy as np
import pytest

import lstmc
from lstmc import _core
from lstmc.layers import Recurrent

# Cells and output squashes, from the registry.
OPTIONS = [
    (row["name"], activation)
    for row in lstmc.cells()
    for activation in (("tanh", "identity") if row["squashes"] else ("tanh",))
]


def pytest_generate_tests(metafunc):
    if "option" in metafunc.fixturenames:
        metafunc.parametrize("option", OPTIONS, ids="-".join)


@pytest.fixture(params=_core.targets())
def target(request):
    """Every instruction set that this machine runs, chosen for one test."""
    before = _core.target()
    _core.choose_target(request.param)
    yield request.param
    _core.choose_target(before)


@pytest.fixture
def make_layer(option):
    """A Recurrent of the option's cell whose biases are not zero either."""

    def make(input_size, hidden_size, **more):
        cell, activation = option
        layer = Recurrent(
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
            shape = (layer.num_layers * layer.directions, len(lengths))
            return tuple(numbers(*shape, layer.hidden_size) for _ in layer.state_names)

        X = [numbers(length, layer.input_size) for length in lengths]
        dY = [numbers(length, layer.output_size) for length in lengths]
        return X, states(), dY, states()

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
