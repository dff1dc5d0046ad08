"""Without memory there is a MemoryError that names the bytes; with it, no leak."""

import json
import os
import re

import numpy as np
import pytest
from conftest import needed_by

from lstmc import _core
from lstmc.layers import Recurrent
from lstmc.layers.layer import LARGE, fresh

needs_proc = pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="needs /proc"
)


@pytest.mark.parametrize("sizes", [(2**40, 2**40), (2**60, 1), (1, 2**62)])
def test_sizes_beyond_any_address(option, sizes):
    cell, _ = option
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        Recurrent(*sizes, cell=cell, **needed_by(cell))


def test_a_tape_beyond_any_address():
    layer = _core.Layer(0, False, 8, 8, 1, False)
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        layer.tape_size(2**58)


# The workspace is the one thing that is allocated under the limit; none waits.
LIMITED = """
import resource, sys
import numpy as np
from lstmc import _core
from lstmc.layers.layer import aligned

samples, units, mode = 2000, 512, sys.argv[1]
layer = _core.Layer(0, False, 8, units, 1, False)
offsets = np.arange(samples + 1)
x = np.ones((samples, 8), "f4")
y, dx = np.zeros((samples, units), "f4"), np.zeros_like(x)
weights, gradient = (aligned(layer.packed_size, "f4") for _ in range(2))
weights[:] = gradient[:] = 0
tape = aligned(layer.tape_size(samples), "f4")
tape[:] = 0

def forward():
    return _core.forward(layer, offsets, x, weights, y, None, None, tape, 1)

def backward(slabs):
    _core.backward(layer, offsets, x, weights, y, None, tape, slabs, y, None,
                            dx, None, gradient, 1)

slabs = forward()
_core.release_memory()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limits = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 2**19, limits[1]))
try:
    forward() if mode == "forward" else backward(slabs)
except MemoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, limits)
backward(forward())
"""


@needs_proc
@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_no_memory_is_an_error_and_life_goes_on(run_python, mode):
    # glibc gives memory that it mapped back at once; what it keeps it would use again.
    said = run_python(LIMITED, mode, MALLOC_MMAP_THRESHOLD_="65536")
    numbers = r"not enough memory: ([\d,]+) bytes wanted, the machine has ([\d,]+)"
    wanted, there = re.fullmatch(numbers, said).groups()
    assert int(wanted.replace(",", "")) > 2**20
    assert int(there.replace(",", "")) > 2**27


LEAK = """
import json, random, resource, threading
import numpy as np
from lstmc.layers import Recurrent

layers = [Recurrent(3, 17, bidirectional=True, num_layers=2), Recurrent(3, 8)]
random.seed(0)

random.seed(0)

def call(task, shape=None):
    layer = random.choice(layers)
    X = np.zeros(shape or (random.randint(1, 40), random.randint(0, 30), 3), "f4")
    if task == "predict":
        layer(X, threads=random.randint(1, 3))
    else:
        Y, _, tape = layer.forward(X, threads=random.randint(1, 3))
        layer.backward(tape, Y, threads=random.randint(1, 3))

def in_a_thread():
    thread = threading.Thread(target=call, args=("train",))
    thread.start()
    thread.join()

def pages():
    return int(open("/proc/self/statm").read().split()[1])

def growth(work, count):
    for _ in range(count // 3):
        work()
    for _ in range(20):  # the heap has seen the largest call of every layer
        call("train", (40, 30, 3))
    before = pages()
    for _ in range(count):
        work()
    return (pages() - before) * resource.getpagesize()

print(json.dumps([
    growth(lambda: call("predict"), 3000),
    growth(lambda: call("train"), 1500),
    growth(in_a_thread, 300),
]))
"""


@needs_proc
def test_memory_stays_flat(run_python):
    # A page a call would be 12 MB; what is left is the heap's own coming and going.
    # One arena, since each thread would otherwise open a heap of its own.
    for grown in json.loads(run_python(LEAK, MALLOC_ARENA_MAX="1")):
        assert grown < 3e6


def large(value):
    """An output that is large enough for a block of its own."""
    array = fresh((LARGE // 8, 2), np.dtype(np.float32))
    array[:] = value
    return array


def test_outputs_that_live_share_no_memory():
    arrays = [large(k) for k in range(6)]
    assert all((array == k).all() for k, array in enumerate(arrays))


def test_a_view_keeps_the_memory_of_an_output():
    view = large(1)[::2]
    others = [large(2) for _ in range(3)]
    assert (view == 1).all() and all((array == 2).all() for array in others)


POOL = """
import json, lstmc
from lstmc.layers.layer import fresh
import numpy as np, resource

def resident():
    _, pages = open("/proc/self/statm").read().split()[:2]
    return int(pages) * resource.getpagesize()

def use(megabytes):
    fresh((megabytes << 18,), np.dtype("f4"))[:] = 1

use(1)
start = resident()
use(64)
kept = resident() - start
for _ in range(20):
    use(64)
again = resident() - start
for size in range(60, 260, 20):
    use(size)
several = resident() - start
use(600)
beyond = resident() - start
lstmc.release_memory()
print(json.dumps([kept, again, several, beyond, resident() - start]))
"""


@needs_proc
def test_what_waits_is_used_again_bounded_and_released(run_python):
    kept, again, several, beyond, released = json.loads(run_python(POOL))
    page = 4 << 20  # what pages of 2 MB and the heap round up to
    assert 64e6 < kept < (64 << 20) + page
    assert again < kept + page
    assert several < (512 << 20) + page and beyond < (512 << 20) + page
    assert released < page
