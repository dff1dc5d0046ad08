"""The process a peer lives in: builds a step, answers, runs it against the clock.

Started by `bench.run.Worker` as ``python -m bench.worker PEER``. Requests and replies
are pickles on stdin and stdout: ``("check", case)`` builds the step of a case and
replies its answer; ``("time", seconds)`` replies the seconds of each call, or of what
it repeats: the epochs of a fit, the steps of a stream.
"""

from __future__ import annotations

import gc
import math
import os
import pickle
import signal
import sys
import time
import traceback

from bench import peers

STRETCH = 2e-4  # seconds; calls shorter than this are timed several together
WARM_UP = 3


def serve(peer: str, requests, replies) -> None:
    """Answer requests until the pipe closes; an exception is a reply too."""
    step = case = calls = None
    while True:
        try:
            request, argument = pickle.load(requests)
        except EOFError:
            return
        try:
            if request == "check":
                step = None  # frees the last case's memory before the next is built
                case = argument
                step, answer = build_step(peer, case)
                calls = calls_per_stretch(step)
                reply = "done", answer
            else:
                samples = time_calls(step, calls, argument)
                reply = "done", [seconds / case.repeats for seconds in samples]
        except Exception as error:
            traceback.print_exc()  # the reply goes into a file, which holds no paths
            reply = "failed", f"{type(error).__name__}: {error}"
        pickle.dump(reply, replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


def build_step(peer: str, case):
    """Build the step of a case; return it with the answer of its first call."""
    step, read = peers.build(peer, case, case.make_problem())
    return step, read(step())


def calls_per_stretch(step) -> int:
    """Warm up, then choose how many calls one look at the clock should cover."""
    duration = math.inf
    for _ in range(WARM_UP):
        start = time.perf_counter()
        step()
        duration = min(duration, time.perf_counter() - start)
        if duration > 0.1:  # long steps are warm after one call
            break
    return max(1, math.ceil(STRETCH / duration))


def time_calls(step, calls: int, seconds: float) -> list[float]:
    """Seconds per call of stretches of `calls` calls, for at least `seconds`."""
    clock, samples = time.perf_counter, []
    gc.collect()
    gc.disable()
    end = clock() + seconds
    while not samples or clock() < end:
        start = clock()
        for _ in range(calls):
            step()
        samples.append((clock() - start) / calls)
    gc.enable()
    return samples


def main() -> None:
    """Keep stdout for replies: whatever a peer prints goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
