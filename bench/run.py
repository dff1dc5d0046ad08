"""The orchestra: peers in processes of their own, played in turns beside the peak."""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.peak import fma_peak
from bench.record import (
    OURS,
    Turn,
    add_entry,
    case_key,
    figures,
    key,
    save_record,
    summarise,
)

ROOT = Path(__file__).parents[1]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "LSTMC_NUM_THREADS",
)
SETTLE = 0.01  # seconds; the last peer's threads stop spinning within this


class PeerError(RuntimeError):
    """A peer's process raised an exception; the text says which."""


class Worker:
    """One peer in a process of its own, for a fixed number of threads."""

    def __init__(self, peer: str, threads: int):
        self.peer = peer
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", peer],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, request: str, argument):
        """Send a request and wait for its reply; raise PeerError if it failed."""
        try:
            pickle.dump((request, argument), self.process.stdin)
            self.process.stdin.flush()
            status, reply = pickle.load(self.process.stdout)
        except (BrokenPipeError, EOFError) as error:
            code = self.process.wait()
            raise PeerError(f"{self.peer}: process ended with code {code}") from error
        if status != "done":
            raise PeerError(reply)
        return reply

    def stop(self) -> None:
        """End the process, also in the middle of a step."""
        self.process.kill()
        self.process.wait()


def turns(peers: list, rounds: int) -> Iterator:
    """Peers in the order they are timed: A B C, A B C, ...

    Examples
    --------
    >>> "".join(turns(["A", "B", "C"], rounds=2))
    'ABCABC'
    """
    for _ in range(rounds):
        yield from peers


def take_turn(worker: Worker, case, seconds: float) -> Turn:
    """Let the machine settle, sample its peak, then time one peer."""
    time.sleep(SETTLE)
    # A vector has half as many doubles as floats.
    peak = fma_peak(case.threads) / (2 if case.shape.dtype == "float64" else 1)
    samples = worker.ask("time", seconds)
    return Turn(statistics.median(samples), min(samples), peak)


def measure(case, crew: list[Worker], judge: Callable, settings: dict) -> dict:
    """Check every peer of a case, time the right ones in turns, return the entry.

    Parameters
    ----------
    case : Case
        What to measure.
    crew : list of Worker
        The peers that can do it.
    judge : callable
        ``judge(case, answers) -> errors, faults``, dicts by peer.
    settings : dict
        ``rounds``, and ``seconds`` for each peer in each round.
    """
    answers, failures = {}, {}
    for worker in crew:
        try:
            answers[worker.peer] = worker.ask("check", case.of(worker.peer))
        except PeerError as error:
            failures[worker.peer] = str(error)
    errors, faults = judge(case, answers)
    right = [worker for worker in crew if worker.peer in errors]
    timed = {worker.peer: [] for worker in right}
    for worker in turns(right, settings["rounds"]):
        timed[worker.peer].append(take_turn(worker, case, settings["seconds"]))
    return summarise(case, timed, errors, failures | faults)


def run(plan, record, path, *, crews, judge, later=0.0, say=print) -> bool:
    """Measure a plan, writing the record after each case.

    Parameters
    ----------
    plan : list of Case
        Cases, those with the same number of threads together.
    record : dict
        From `bench.record.open_record`; a new entry replaces that of the same case.
    path : Path
        Where the record is written.
    crews : callable
        ``crews(case) -> names of the peers that can do it``.
    judge : callable
        See `measure`.
    later : float, default=0.0
        `weight` of what will be measured after this plan, for the time left.
    say : callable, default=print
        Receives one line of progress at a time.

    Returns
    -------
    bool
        Whether every peer of every case answered rightly.
    """
    settings, clock, spent = record["settings"], time.monotonic(), 0.0
    weights = [weight(case, len(crews(case)), settings) for case in plan]
    workers, sound = {}, True
    try:
        for number, case in enumerate(plan):
            crew = _crew(workers, crews(case), case.threads)
            entry = measure(case, crew, judge, settings)
            add_entry(record, entry)
            save_record(path, record)
            sound = sound and "faults" not in entry
            spent += weights[number]
            left = (time.monotonic() - clock) * (sum(weights) + later - spent) / spent
            if case.kind == "checkpoint":  # memory is that of a fresh process
                _crew(workers, (), None)
            say(f"[{number + 1}/{len(plan)}, {_duration(left)}] {report(case, entry)}")
    finally:
        for worker in workers.values():
            worker.stop()
    return sound


def remaining(plan, record) -> list:
    """The cases of a plan that a record does not have."""
    done = {key(entry) for entry in record["cases"]}
    return [case for case in plan if case_key(case) not in done]


def report(case, entry) -> str:
    """One line on what a case gave, and one for each peer that was not timed."""
    parts = [
        f"{peer} {figures(1e3 * found['median'])} ms"
        for peer, found in entry["peers"].items()
    ]
    if "ratio" in entry:
        share = entry["peers"][OURS]["percent_of_peak"]
        parts.append(f"{entry['ratio']:.2f} x {entry['best_peer']}, {share:.0f} % peak")
    if "to_lstm" in entry:
        parts.append(f"{entry['to_lstm']:.2f} x lstm's time per operation")
    lines = [f"{case}: {', '.join(parts)}"]
    for peer, reason in entry.get("faults", {}).items():
        lines.append(f"  {peer}, not timed: {reason.strip()}")
    return "\n".join(lines)


def _crew(workers, names, threads):
    """Workers of these names and threads; those of another count are stopped."""
    for stale in [k for k in workers if k[1] != threads]:
        workers.pop(stale).stop()
    for name in names:
        if (name, threads) not in workers:
            workers[name, threads] = Worker(name, threads)
    return [workers[name, threads] for name in names]


def weight(case, peers: int, settings: dict) -> float:
    """Seconds a case may take, up to a factor that the first cases will tell."""
    step = case.flops * case.repeats / (2e10 * case.threads)
    return peers * (3 * step + settings["rounds"] * max(step, settings["seconds"]))


def _duration(seconds):
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
