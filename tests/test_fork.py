"""Children work after a fork, whatever the parent did before: none may hang."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARENTS = ["cold", "one thread", "two threads", "two threads, one predicting"]
STARTS = ["os.fork", "fork", "forkserver", "spawn", "executor"]

# Run as a program, since spawn wants to import it. The answer of every child must have
# the bits of the parent's; SIGALRM ends a child that hangs.
PROGRAM = '''
import hashlib, json, multiprocessing, os, signal, sys, threading
from concurrent.futures import ProcessPoolExecutor
import numpy as np
from lstmc.layers import Recurrent

SECONDS = 20
rng = np.random.default_rng(0)
X = rng.standard_normal((40, 30, 8)).astype("f4")
layer = Recurrent(8, 32, random_state=0)


def predict(threads=2):
    Y, _ = layer(X, threads=threads)
    return hashlib.sha256(Y.tobytes()).hexdigest()


def train(threads=2):
    Y, _, tape = layer.forward(X, threads=threads)
    dX, _, grads = layer.backward(tape, Y, threads=threads)
    arrays = [dX, *grads.values()]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


TASKS = {"predict": predict, "train": train}


def fork(work):
    """The result of work() in a forked child, or how the child ended."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(SECONDS)
            os.write(theirs, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(text) if text else f"the child ended with {status}"


def task(name):
    """In the child: the task, and the task once more in a grandchild."""
    signal.alarm(SECONDS)
    return [TASKS[name](), fork(TASKS[name])]


def process(context, name):
    pipe, end = context.Pipe(duplex=False)
    child = context.Process(target=answer_for, args=(end, name))
    child.start()
    end.close()
    try:
        answer = pipe.recv()
    except EOFError:
        answer = "no answer"
    child.join()
    return answer if child.exitcode == 0 else f"the child ended with {child.exitcode}"


def answer_for(end, name):
    end.send(task(name))


def start(how, name):
    if how == "os.fork":
        return fork(lambda: task(name))
    if how == "executor":
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            return pool.submit(task, name).result()
    return process(multiprocessing.get_context(how), name)


def main(parent, how):
    if parent != "cold":
        predict(1 if parent == "one thread" else 2)
    stop = threading.Event()

    def keep_predicting():
        while not stop.is_set():
            predict()

    if parent.endswith("predicting"):
        threading.Thread(target=keep_predicting).start()
    try:
        answers = {name: start(how, name) for name in TASKS}
    finally:
        stop.set()
    wanted = {name: [work()] * 2 for name, work in TASKS.items()}
    print(json.dumps([answers, wanted]))


if __name__ == "__main__":
    main(*sys.argv[1:])
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("fork") / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("parent", PARENTS)
def test_children_predict_and_train(program, parent, start):
    # A child that hangs is ended by its alarm; the time-out is for a parent that does.
    done = subprocess.run(
        [sys.executable, program, parent, start],
        capture_output=True, text=True, timeout=100,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    answers, wanted = json.loads(done.stdout)
    assert answers == wanted


# Forking again and again while other threads are inside the kernels.
STORM = (
    PROGRAM.partition("def main")[0]
    + """
stop = threading.Event()

def keep_training():
    while not stop.is_set():
        train()

threads = [threading.Thread(target=keep_training) for _ in range(3)]
for thread in threads:
    thread.start()
answers = [fork(predict) for _ in range(30)]
stop.set()
print(json.dumps([answers, [predict()] * 30]))
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_others_train(run_python):
    answers, wanted = json.loads(run_python(STORM))
    assert answers == wanted


# After the fork the pool is made anew: one thread alone would not hang either.
TEAM = (
    PROGRAM.partition("def main")[0]
    + """
from lstmc import _core

def team():
    predict()
    return [_core.threads(2), len(os.listdir("/proc/self/task"))]

predict()
print(json.dumps([fork(team), team()]))
"""
)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_child_has_a_team_of_its_own(run_python):
    child, parent = json.loads(run_python(TEAM))
    assert child == parent
