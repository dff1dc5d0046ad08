"""The command: ``python -m bench [COMMAND]``; ``--help`` lists them."""

from __future__ import annotations

import argparse
import functools
import sys

from bench import footprint, grid, limits, run
from bench.machine import describe_machine
from bench.peak import BUILD
from bench.record import RESULTS, open_record
from bench.suites import SUITES

OTHERS = {
    "limits": "how fast one core reads weights out of its caches",
    "footprint": "import time and the size of the wheel, which is built",
    "all": "every command above, one after the other",
    "render": "rewrite the tables of README.md and docs/performance.md",
    "plot": "draw the pictures in docs/",
}
say = functools.partial(print, flush=True)


def main(arguments=None) -> int:
    """Run one command; the exit code is 1 if a peer answered wrongly."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "render":
            from bench.render import render_files

            render_files()
            return 0
        if options.command == "plot":
            from bench.plot import plot_all

            plot_all()
            return 0
        alone = {"footprint": footprint.measure, "limits": limits.measure}
        if options.command in alone:
            alone[options.command](_folder(options), say)
            return 0
        sound = measure(options)
        if options.command == "all" and not options.quick:
            for command in alone.values():
                command(_folder(options), say)
        return 0 if sound else 1
    except ValueError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured is kept, --resume continues")


def measure(options) -> bool:
    """Measure one suite or all of them, as the command line says."""
    names = SUITES if options.command == "all" else [options.command]
    if options.name and len(names) > 1:
        raise ValueError(f"name: expected none with all, got {options.name}")
    machine = describe_machine()
    jobs = [_job(SUITES[name], options, machine) for name in names]
    sound = True
    for name in names:
        plan, crews, record, path, judge = jobs.pop(0)
        later = sum(
            run.weight(case, len(their_crews(case)), their_record["settings"])
            for their_plan, their_crews, their_record, *_ in jobs
            for case in their_plan
        )
        say(f"{name}, {SUITES[name].about}: {len(plan)} cases")
        sound &= run.run(
            plan, record, path, crews=crews, judge=judge, later=later, say=say
        )
    return sound


def _job(suite, options, machine):
    """What `run.run` needs for a suite; a name it does not know is a ValueError."""
    unknown = [peer for peer in options.peers or () if peer not in suite.peers]
    if unknown:
        raise ValueError(
            f"peers: expected some of {', '.join(suite.peers)}, got {unknown}"
        )

    def crews(case):
        return [p for p in suite.crew(case) if p in (options.peers or suite.peers)]

    plan = suite.cases(options.threads)
    plan = grid.choose(plan, options.shapes, options.cells, options.kinds)
    if options.quick:
        plan = grid.smallest(plan, suite.quick)
    plan = [case for case in plan if crews(case)]
    suite.prepare(plan)
    seconds = 0.01 if options.quick else suite.seconds
    rounds = 2 if options.quick else suite.rounds
    settings = {
        "rounds": options.rounds or rounds,
        "seconds": options.seconds or seconds,
    }
    path = _folder(options) / f"{options.name or suite.file}.json"
    record = open_record(path, machine, settings)
    if options.resume:
        plan = run.remaining(plan, record)
    return plan, crews, record, path, suite.judge


def _folder(options):
    """Where the result files go; made if need be."""
    folder = BUILD if options.quick else RESULTS / options.folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _parser():
    about = {name: suite.about for name, suite in SUITES.items()} | OTHERS
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Check every peer's answer, time it in turns with the others\n"
        "beside the machine's peak, write bench/results/NAME.json.",
        epilog="commands:\n"
        + "".join(f"  {name:<12}{text}\n" for name, text in about.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        default="grid",
        choices=list(about),
        metavar="COMMAND",
        help="what to do, see below; default: grid",
    )
    names = _separated(str)
    parser.add_argument(
        "--shapes", type=names, help=f"of the command; grid: {','.join(grid.SHAPES)}"
    )
    parser.add_argument("--cells", type=names, help="names of lstmc.cells()")
    parser.add_argument("--kinds", type=names, help=",".join(grid.KINDS))
    parser.add_argument("--threads", type=_separated(int), help="default: 1,2")
    parser.add_argument("--peers", type=names, help="default: all that can do it")
    parser.add_argument("--rounds", type=int, help="turns of each peer; usually 5")
    parser.add_argument("--seconds", type=float, help="of a turn; default: 0.3 or less")
    parser.add_argument("--name", help="of the result file; not with all")
    parser.add_argument(
        "--folder", default="", help="under results/, of another machine than theirs"
    )
    parser.add_argument(
        "--resume", action="store_true", help="skip what the result file has"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small shapes, short turns, results under build/: does it run?",
    )
    return parser


def _separated(kind):
    """Parse ``a,b`` into a list."""
    return lambda text: [kind(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
