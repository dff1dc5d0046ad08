"""The command: ``python -m bench [grid | fit | render | plot]``."""

from __future__ import annotations

import argparse
import functools
import sys

from bench import check, fit, grid, peers, run
from bench.machine import describe_machine
from bench.peak import BUILD
from bench.record import RESULTS, open_record


def main(arguments=None) -> int:
    """Run one command; the exit code is 1 if a peer answered wrongly."""
    options = _parser().parse_args(arguments)
    if options.command == "render":
        from bench.render import render_readme

        render_readme()
        return 0
    if options.command == "plot":
        from bench.plot import plot_speed

        plot_speed()
        return 0
    try:
        return 0 if measure(options) else 1
    except ValueError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured is kept, --resume continues")


def measure(options) -> bool:
    """Measure the grid or the fits, as the command line says."""
    fits = options.command == "fit"
    known = fit.FITS if fits else peers.PEERS
    unknown = [name for name in options.peers or () if name not in known]
    if unknown:
        raise ValueError(f"peers: expected some of {', '.join(known)}, got {unknown}")

    def crews(case):
        return [
            peer
            for peer in known
            if (options.peers is None or peer in options.peers)
            and (fits or case.kind in peers.PEERS[peer])
        ]

    if fits:
        cases = fit.plan_fits(options.threads)
    else:
        shapes = options.shapes or (grid.QUICK if options.quick else None)
        cases = grid.plan(shapes, options.cells, options.kinds, options.threads)
    cases = [case for case in cases if crews(case)]
    rounds = options.rounds or (2 if options.quick else 5)
    settings = {"rounds": rounds, "seconds": 0.01 if options.quick else 0.3}
    folder = BUILD if options.quick else RESULTS
    path = folder / f"{options.name or ('fit' if fits else 'speed')}.json"
    record = open_record(path, describe_machine(), settings)
    judge = fit.judge if fits else check.judge
    return run.run(
        cases,
        record,
        path,
        crews=crews,
        judge=judge,
        resume=options.resume,
        say=functools.partial(print, flush=True),
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Check every peer's answer, time it in turns with the others, "
        "write bench/results/NAME.json.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        default="grid",
        choices=["grid", "fit", "render", "plot"],
        help="grid (default): one call; fit: whole fits; render: the tables of "
        "README.md; plot: docs/speed.png",
    )
    names = _separated(str)
    parser.add_argument("--shapes", type=names, help=",".join(grid.SHAPES))
    parser.add_argument("--cells", type=names, help=",".join(grid.GATES))
    parser.add_argument("--kinds", type=names, help=",".join(grid.KINDS))
    parser.add_argument("--threads", type=_separated(int), help="default: 1,2")
    parser.add_argument(
        "--peers", type=names, help=", ".join([*peers.PEERS, *fit.FITS])
    )
    parser.add_argument("--rounds", type=int, help="turns of each peer; default: 5")
    parser.add_argument("--name", help="of the result file; default: speed or fit")
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
