"""How many threads: argument, setting, environment, affinity, quota."""

import json
import os

import pytest

import lstmc
from lstmc import _core, _threads

needs_proc = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="needs /proc"
)
needs_openmp = pytest.mark.skipif(not _core.has_openmp(), reason="built for one thread")


@pytest.fixture
def default_threads():
    """Whatever a test sets is taken back."""
    yield
    lstmc.set_num_threads(None)
    _core.set_quota(_threads.quota())


# --- precedence -----------------------------------------------------------------------

ASK = "from lstmc import _core; print(_core.threads(), _core.threads(5))"
SET = "import lstmc; lstmc.set_num_threads(4);" + ASK
RESET = "import lstmc; lstmc.set_num_threads(4); lstmc.set_num_threads(None);" + ASK
PIN = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
LSTMC, OMP = {"LSTMC_NUM_THREADS": "7"}, {"OMP_NUM_THREADS": "6"}


@needs_openmp
@pytest.mark.parametrize(
    ("script", "environment", "default"),
    [
        (SET, LSTMC | OMP, 4),  # and the argument, 5, above all
        (ASK, LSTMC | OMP, 7),
        (RESET, LSTMC | OMP, 7),
        (ASK, OMP, 6),
        (RESET, OMP, 6),
        (PIN + SET, {}, 4),
        (PIN + ASK, LSTMC, 7),
        (PIN + ASK, OMP, 6),
        (PIN + ASK, {}, 1),
    ],
)
def test_precedence(run_python, script, environment, default):
    assert run_python(script, **environment) == f"{default} 5"


@needs_openmp
def test_the_quota_caps_the_machine_alone(run_python):
    script = "from lstmc import _core; _core.set_quota(1);" + ASK.partition(";")[2]
    assert run_python(script) == "1 5"
    assert run_python(script, **OMP) == "6 5"
    assert run_python(script, **LSTMC) == "7 5"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_senseless_environment_is_an_error(run_python, text):
    said = run_python("import lstmc", fails=True, LSTMC_NUM_THREADS=text)
    assert f"LSTMC_NUM_THREADS: expected an integer >= 1, got {text!r}" in said


def test_an_empty_environment_is_none(run_python):
    assert run_python(ASK, LSTMC_NUM_THREADS="") == run_python(ASK)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_senseless_number_is_an_error(default_threads, n):
    with pytest.raises((ValueError, TypeError), match="expected an integer >= 1"):
        lstmc.set_num_threads(n)


@needs_openmp
def test_set_num_threads(default_threads):
    lstmc.set_num_threads(3)
    assert _core.threads() == 3
    lstmc.set_num_threads(None)
    assert _core.threads() >= 1


# --- quota ----------------------------------------------------------------------------


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def v2(cgroup, **limits):
    """A process in a cgroup, and cpu.max by folder; _ is the root, a_b is a/b."""
    places = {name.strip("_").replace("_", "/"): text for name, text in limits.items()}
    files = {f"sys/fs/cgroup/{p}/cpu.max": text for p, text in places.items()}
    return files | {"proc/self/cgroup": f"0::{cgroup}"}


def v1(cgroup, **limits):
    """The same of the first version; microseconds in a tenth of a second."""
    files = {}
    for name, limit in limits.items():
        place = f"sys/fs/cgroup/cpu,cpuacct/{name.strip('_').replace('_', '/')}"
        files[f"{place}/cpu.cfs_quota_us"] = str(limit)
        files[f"{place}/cpu.cfs_period_us"] = "100000"
    return files | {"proc/self/cgroup": f"5:memory:/m\n4:cpu,cpuacct:{cgroup}"}


CASES = {
    "nothing there": ({}, 0),
    "v2 no limit": (v2("/", _="max 100000"), 0),
    "v2 two": (v2("/", _="200000 100000"), 2),
    "v2 rounds down": (v2("/", _="399999 100000"), 3),
    "v2 at least one": (v2("/", _="1000 100000"), 1),
    "v2 another period": (v2("/", _="150000 50000"), 3),
    "v2 own group": (v2("/a/b", a_b="500000 100000"), 5),
    "v2 tightest of nested groups": (
        v2("/a/b", a_b="max 100000", a="300000 100000", _="800000 100000"),
        3,
    ),
    "v2 another's group": (v2("/a", b="100000 100000"), 0),
    "v2 a path of the host": (v2("/../pod/x", _="400000 100000"), 4),
    "v1 no limit": (v1("/", _=-1), 0),
    "v1 two": (v1("/", _=250000), 2),
    "v1 nested": (v1("/docker/x", docker_x=600000, docker=350000, _=-1), 3),
    "v1 a path of the host": (v1("/docker/x", _=100000), 1),
    "v1 and v2 together": (
        v2("/", _="600000 100000")
        | v1("/", _=200000)
        | {"proc/self/cgroup": "4:cpu,cpuacct:/\n0::/"},
        2,
    ),
}


@pytest.mark.parametrize(("files", "cpus"), CASES.values(), ids=CASES)
def test_quota(tmp_path, files, cpus):
    write(tmp_path, files)
    assert _threads.quota(tmp_path) == cpus


# --- how many really run --------------------------------------------------------------

COUNT = """
import json, sys, threading
import numpy as np
from lstmc.layers import Recurrent

def threads():
    for line in open("/proc/self/status"):
        if line.startswith("Threads:"):
            return int(line.split()[1])

small, large = Recurrent(4, 8), Recurrent(8, 64)
x, X = np.zeros((1, 5, 4), "f4"), np.zeros((64, 30, 8), "f4")
"""


@needs_proc
@needs_openmp
def test_small_work_enters_no_team(run_python):
    script = """
counts = [threads()]
for _ in range(10):
    Y, _, tape = small.forward(x, threads=8)
    small.backward(tape, Y, threads=8)
counts.append(threads())
large(X, threads=2)
counts.append(threads())
print(json.dumps(counts))
"""
    assert json.loads(run_python(COUNT + script)) == [1, 1, 2]


def test_an_absurd_number_of_threads_ends_no_process(run_python):
    script = """
Y, _, tape = large.forward(X, threads=100_000)
large.backward(tape, Y, threads=100_000)
print("alive")
"""
    assert run_python(COUNT + script) == "alive"


@needs_proc
@needs_openmp
def test_forty_callers_share_the_cores(run_python):
    script = """
CALLERS = 40
barrier, turn = threading.Barrier(CALLERS + 1), threading.Lock()

def call_often():
    barrier.wait()
    for _ in range(10):
        large(X)
    with turn:  # a caller that is alone may have all cores, but not keep them
        large(X)
    barrier.wait()  # all are there while the main thread counts
    barrier.wait()

callers = [threading.Thread(target=call_often) for _ in range(CALLERS)]
for caller in callers:
    caller.start()
barrier.wait()
barrier.wait()
count = threads()
barrier.wait()
print(count)
"""
    limit = 40 + len(os.sched_getaffinity(0)) + 2
    assert int(run_python(COUNT + script)) <= limit
