"""Streams between the steps: states, copies, memory, threads and processes."""

import copy
import gc
import json
import os
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from test_stream import STEPS, bits, numbers, stepped

from lstmc.layers import Recurrent, Stream

# --- states ---------------------------------------------------------------------------


def test_reset(make_layer):
    layer = make_layer(2, 21, num_layers=2)
    x = numbers(layer, 40, 2)
    new, old = layer.stream(40), layer.stream(40)
    first = new.step(x).copy()
    old.step(x)
    second = old.step(x).copy()
    assert (first != second).any(axis=1).all()

    for rows in (3, [3], np.array([0, 39, 17]), (5, 5), [], range(40), np.uint8(4)):
        stream = layer.stream(40)
        stream.step(x)
        stream.reset(rows)
        wanted = second.copy()
        chosen = np.array(rows, int)
        wanted[chosen] = first[chosen]
        assert stream.step(x).tobytes() == wanted.tobytes()
    stream.reset()
    assert stream.step(x).tobytes() == first.tobytes()
    stream.set_state(None)
    assert stream.step(x).tobytes() == first.tobytes()


def test_wrong_rows():
    stream = Recurrent(2, 3, random_state=0).stream(4)
    stream.step(np.ones((4, 2)))
    before = bits(stream.get_state())
    for rows in (4, -1, [0, 7]):
        with pytest.raises(IndexError, match="rows: expected 0 to 3, got"):
            stream.reset(rows)
    for rows in (0.5, "all", [True, False, True, True], [[0]]):
        with pytest.raises(TypeError, match="rows: expected None, an int or ints, got"):
            stream.reset(rows)
    assert bits(stream.get_state()) == before


def test_states_go_to_and_fro(make_layer):
    layer = make_layer(3, 17, num_layers=2)
    X = numbers(layer, 5, 2 * STEPS, 3)
    Y = layer(X)[0]
    _, state = layer(X[:, :STEPS])
    stream = layer.stream(5)
    stream.set_state(state)
    assert stepped(stream, X[:, STEPS:]).tobytes() == Y[:, STEPS:].tobytes()
    stream.reset()
    stepped(stream, X[:, :STEPS])
    kept = stream.get_state()
    assert bits(kept) == bits(state)
    assert layer(X[:, STEPS:], kept)[0].tobytes() == Y[:, STEPS:].tobytes()
    stream.step(X[:, STEPS])
    assert bits(kept) == bits(state)  # a copy


def test_wrong_states(make_layer):
    layer = make_layer(3, 4, num_layers=2)
    stream = layer.stream(5)
    stream.step(numbers(layer, 5, 3))
    before = stream.get_state()
    with pytest.raises(ValueError, match=rf"state: expected {len(before)} arrays"):
        stream.set_state((*before, before[0]))
    with pytest.raises(ValueError, match=r"state h: expected \(2, 5, 4\), got \(1, 5"):
        stream.set_state((before[0][:1], *before[1:]))
    assert bits(stream.get_state()) == bits(before)


@pytest.mark.parametrize(
    "copied",
    [
        Stream.copy,
        copy.copy,
        copy.deepcopy,
        lambda stream: pickle.loads(pickle.dumps(stream)),
    ],
    ids=["copy", "copy.copy", "deepcopy", "pickle"],
)
def test_a_copy_goes_its_own_way(make_layer, copied):
    layer = make_layer(3, 17, num_layers=2)
    x, other = numbers(layer, 5, 3), numbers(layer, 5, 3, seed=9)
    stream = layer.stream(5, threads=1)
    stream.step(x)
    twin = copied(stream)
    assert (twin.batch_size, twin.threads) == (5, 1)
    wanted = stream.copy().step(other).tobytes()
    stream.step(x)
    assert twin.step(other).tobytes() == wanted


def test_changed_weights_are_seen(make_layer):
    layer = make_layer(3, 4)
    x = numbers(layer, 1, 3)
    stream = layer.stream()
    stream.step(x)
    layer.load_parameters({name: a / 2 for name, a in layer.parameters.items()})
    stream.reset()
    assert stream.step(x).tobytes() == layer(x[None])[0].tobytes()


def test_a_stream_keeps_what_it_reads():
    X = np.ones((1, STEPS, 3), np.float32)
    wanted = Recurrent(3, 300, random_state=0)(X)[0].tobytes()
    stream = Recurrent(3, 300, random_state=0).stream()
    gc.collect()
    filler = [np.full((300, 1200), np.nan, np.float32) for _ in range(8)]
    assert stepped(stream, X).tobytes() == wanted
    assert len(filler) == 8


def test_repr():
    text = repr(Recurrent(3, 4, "gru", num_layers=2).stream(5))
    assert text == "Stream(gru, batch_size=5, 3 inputs, 2 x 4 units, float32)"


# --- memory, threads, processes -------------------------------------------------------


@pytest.mark.parametrize(("units", "batch_size"), [(32, 1), (32, 1000)])
def test_a_step_allocates_nothing(make_layer, units, batch_size):
    stream = make_layer(1, units).stream(batch_size, threads=1)
    x = np.ones((batch_size, 1), np.float32)
    step, steps = stream.step, [None] * 200
    for _ in steps:
        step(x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in steps:
            step(x)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after == before
    # What NumPy notes while it lends out a buffer, and this function's own.
    assert peak - before < 1000


def test_two_streams_of_a_layer_in_two_threads(make_layer):
    # One with steps so long that they give up the GIL, and one with short ones.
    layer = make_layer(3, 64)
    batches = [numbers(layer, n, 40, 3) for n in (1, 150)]
    wanted = [layer(X)[0].tobytes() for X in batches]
    got = {}

    def run(k):
        stream = layer.stream(len(batches[k]))
        got[k] = [stepped(stream, batches[k]).tobytes() for _ in range(5)
                  if stream.reset() is None]  # fmt: skip

    threads = [threading.Thread(target=run, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {k: [wanted[k]] * 5 for k in (0, 1)}


def test_one_stream_in_two_threads_is_refused():
    """Steps that give up the GIL: whoever comes meanwhile is told so."""
    stream = Recurrent(64, 512, random_state=0).stream(300, threads=1)
    x = np.ones((300, 64), np.float32)
    stop, refused = threading.Event(), []

    def run():
        while not stop.is_set():
            try:
                stream.step(x)
            except RuntimeError as error:
                refused.append(str(error))
                stop.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(refused) == {"stream: another thread is in the middle of its step"}
    stream.step(x)


FORK = """
import hashlib, json, os, signal
import numpy as np
from lstmc.layers import Recurrent

layers = Recurrent(3, 64, random_state=0), Recurrent(3, 900, random_state=0)
streams = layers[0].stream(500, threads=2), layers[1].stream(threads=2)
x = [np.ones((s.batch_size, 3), np.float32) for s in streams]

def steps():
    y = [s.step(x[k]).tobytes() for k, s in enumerate(streams) for _ in range(5)]
    return hashlib.sha256(b"".join(y)).hexdigest()

steps()
ours, theirs = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os.write(theirs, steps().encode())
    os._exit(0)
os.close(theirs)
with open(ours) as pipe:
    answer = pipe.read()
os.waitpid(child, 0)
print(json.dumps([answer, steps()]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_stream_goes_on_after_a_fork(run_python):
    child, parent = json.loads(run_python(FORK))
    assert child == parent
