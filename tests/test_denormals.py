"""Denormals: flushed inside our threads, and nowhere else."""

import ctypes
import ctypes.util
import inspect
import platform
import threading

import numpy as np
import pytest

from lstmc.layers import Recurrent


def float_mode():
    """The control bits of the floating-point unit, which say what denormals become."""
    # Where fegetenv leaves them in glibc: MXCSR without its flags, or FPCR.
    places = {"x86_64": (28, 0xFFC0), "aarch64": (0, 0xFFFFFFFF)}
    start, mask = places[platform.machine()]
    place = ctypes.create_string_buffer(64)
    ctypes.CDLL(ctypes.util.find_library("m")).fegetenv(place)
    return int.from_bytes(place.raw[start : start + 4], "little") & mask


def denormals_exist():
    return bool(
        np.float32(1e-40) * np.float32(0.5) > 0
        and np.float64(1e-310) * np.float64(0.5) > 0
        and np.finfo(np.float32).smallest_subnormal > 0
    )


def in_new_thread(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc"
    or platform.machine() not in ("x86_64", "aarch64"),
    reason="where fegetenv leaves the mode is known for glibc on two machines",
)


@needs_glibc
@pytest.mark.parametrize("threads", [1, 4])
def test_the_mode_comes_back(make_layer, make_batch, target, threads):
    layer = make_layer(6, 40, bidirectional=True, dropout=0.5, num_layers=2)
    X, state, dY, dstate = make_batch(layer, [20] * 20)
    before = float_mode(), in_new_thread(float_mode)
    layer(X, state, threads=threads)
    assert (float_mode(), in_new_thread(float_mode)) == before
    tape = layer.forward(X, state, threads=threads)[2]
    assert float_mode() == before[0]
    layer.backward(tape, dY, dstate, threads=threads)
    assert (float_mode(), in_new_thread(float_mode)) == before
    assert denormals_exist() and in_new_thread(denormals_exist)


@needs_glibc
def test_import_leaves_the_mode(run_python):
    script = f"""
import ctypes, ctypes.util, platform, threading
import numpy as np
{inspect.getsource(float_mode)}
{inspect.getsource(denormals_exist)}
{inspect.getsource(in_new_thread)}
before = float_mode()
import lstmc, lstmc.layers
assert float_mode() == before == in_new_thread(float_mode)
assert denormals_exist() and in_new_thread(denormals_exist)
"""
    run_python(script)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("size", [1e-40, 1e-38, 1e-20])
def test_tiny_numbers_do_no_harm(make_layer, make_batch, size, threads):
    layer = make_layer(6, 40, num_layers=2, bidirectional=True)
    tiny = {name: np.float32(size) * a for name, a in layer.parameters.items()}
    layer.load_parameters(tiny)
    batch = make_batch(layer, [12] * 20)
    X, state, dY, dstate = ([np.float32(size) * a for a in part] for part in batch)
    Y, after, tape = layer.forward(X, tuple(state), threads=threads)
    dX, dbefore, grads = layer.backward(tape, dY, tuple(dstate), threads=threads)
    for array in (*Y, *after, *dX, *dbefore, *grads.values()):
        assert np.isfinite(array).all()
    # Gates are near a half and candidates near zero: nothing may have grown, but states
    # that are gates themselves, or sums of them.
    small = [s for name, s in zip(layer.state_names, after) if name in ("h", "c")]
    for array in (*Y, *small, *dX):
        assert np.abs(array).max() <= 1e-15 or size == 1e-20


def test_a_fading_cell_state(make_batch):
    """A forget gate of a half takes c to 1e-40 and below in 150 steps."""
    layer = Recurrent(1, 8)
    zeros = {name: np.zeros_like(a) for name, a in layer.parameters.items()}
    layer.load_parameters(zeros)
    state = tuple(np.ones((1, 1, 8), np.float32) for _ in layer.state_names)
    Y, (_, c) = layer(np.zeros((1, 200, 1), np.float32), state)
    halves = 0.5 * np.tanh(0.5 ** np.arange(1, 101))
    assert np.allclose(Y[0, :100, 0], halves, rtol=1e-5, atol=1e-7)
    assert (np.abs(c) < 1.2e-38).all() and np.isfinite(Y).all()
