"""Ctrl-C in the middle of a long call of the kernels is heard, and nothing is lost."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from lstmc import ctc
from lstmc.layers import Recurrent

# 200 ms is the promise; a test on shared cores may wait as long again for a core.
PROMISE, SHARED_CORES = 0.2, 0.3


@pytest.fixture(scope="module")
def layer():
    # 8 MB and more of weights a direction: threads form crews where there are two.
    return Recurrent(600, 800, num_layers=2, random_state=0)


@pytest.mark.parametrize("phase", ["inference", "forward", "backward", "again"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_hears_an_interrupt(layer, phase, threads):
    rng = np.random.default_rng(0)
    few = rng.standard_normal((3, 5, 600)).astype(np.float32)
    before = layer(few)[0]
    X = rng.standard_normal((64, 120, 600)).astype(np.float32)  # seconds of work
    calls = {
        "inference": lambda: layer(X, threads=threads),
        "forward": lambda: layer.forward(X, threads=threads),
    }
    if phase in ("backward", "again"):  # again: forward once more, by segments
        Y, _, tape = layer.forward(X, checkpoint=phase == "again")
        calls[phase] = lambda: layer.backward(tape, Y, threads=threads)
    interrupt(calls[phase])
    assert layer(few)[0].tobytes() == before.tobytes()


@pytest.mark.parametrize("phase", ["inference", "forward", "backward"])
def test_layers_at_the_same_time_hear_an_interrupt(layer, phase):
    X = np.random.default_rng(0).standard_normal((1, 8000, 600)).astype(np.float32)
    calls = {
        "inference": lambda: layer(X, threads=2),
        "forward": lambda: layer.forward(X, threads=2),
    }
    if phase == "backward":
        Y, _, tape = layer.forward(X, threads=2)
        calls[phase] = lambda: layer.backward(tape, Y, threads=2)
    interrupt(calls[phase])
    assert np.isfinite(layer(X[:, :50], threads=2)[0]).all()


@pytest.mark.parametrize("call", [ctc.loss, ctc.align])
def test_a_long_sum_over_alignments_hears_an_interrupt(call):
    logits = np.zeros((200_000, 3), np.float32)  # seconds of work
    interrupt(lambda: call([logits], [np.tile([1, 2], 1500)]))


def interrupt(call, after=0.1):
    """The call ends soon after a signal, and raises what its handler does.

    The signal comes `after` so many seconds: the call has to take twice as long.
    """
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    assert time.perf_counter() - sent[0] < PROMISE + SHARED_CORES
    timer.join()
