"""Importing lstmc imports NumPy alone, and leaves the process as it was."""

import os

import pytest

HEAVY = ["sklearn", "scipy", "matplotlib", "rich", "joblib", "pandas", "torch"]


@pytest.mark.parametrize(
    "module",
    ["lstmc", "lstmc.layers", "lstmc.model_file", "lstmc.loading", "lstmc.metrics"],
)
def test_numpy_alone(run_python, module):
    script = f"""
import sys
import {module}
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert run_python(script) == "[]"


def test_a_layer_needs_numpy_alone(run_python):
    script = f"""
import sys, lstmc
layer = lstmc.layers.Recurrent(3, 4)
Y, state, tape = layer.forward([[[1, 2, 3]]])
layer.backward(tape, Y)
lstmc.show_config()
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert run_python(script).splitlines()[-1] == "[]"


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_no_threads(run_python):
    script = """
import os, lstmc, lstmc.layers
lstmc.show_config()
print(len(os.listdir("/proc/self/task")))
"""
    assert run_python(script).splitlines()[-1] == "1"


def test_no_signal_handler(run_python):
    script = """
import signal
import numpy
def handlers():
    return {s: signal.getsignal(s) for s in signal.valid_signals()}
before = handlers()
import lstmc, lstmc.layers
print(handlers() == before)
"""
    assert run_python(script) == "True"


def test_nothing_else_changes(run_python):
    script = """
import os, random, sys, warnings
import numpy as np
def rest():
    return (dict(os.environ), os.getcwd(), sys.path[:], random.getstate(),
            repr(np.random.get_state()), np.geterr(), list(warnings.filters),
            sys.getswitchinterval())
before = rest()
import lstmc, lstmc.layers
print(rest() == before)
"""
    assert run_python(script) == "True"


def test_unknown_names(run_python):
    script = """
import lstmc
try:
    lstmc.no_such_name
except AttributeError as error:
    print(error)
print(set(lstmc.__all__) <= set(dir(lstmc)))
"""
    said = "module 'lstmc' has no attribute 'no_such_name'\nTrue"
    assert run_python(script) == said
