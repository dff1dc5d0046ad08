"""The command line: `lstmc demo`, `lstmc config`, `lstmc version`."""

import argparse
import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments=None):
    """Run one verb of the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The words after the program's name; None takes them from `sys.argv`.

    Returns
    -------
    code : int
        0, or 1 where the file system or a missing package stands in the way, or 130
        after Ctrl-C. Wrong usage ends the program with 2, as argparse does.

    Examples
    --------
    >>> from lstmc.cli import main
    >>> main(["version"])  # doctest: +ELLIPSIS
    lstmc ...
    0
    """
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError) as error:
        print(f"lstmc {options.verb}: {error}", file=sys.stderr)
        return 1
    return 0


def make_parser():
    """The verbs, their options and what they say of themselves."""
    parser = argparse.ArgumentParser(
        prog="lstmc", description="The LSTM family, trained and served fast on CPUs."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    demo = verbs.add_parser(
        "demo",
        help="fit a classifier on real sequences, draw the result",
        description="Fit LSTMClassifier on 270 utterances of nine speakers (Japanese "
        "Vowels, UCI), print its accuracy on 370 others, and draw the loss curve and "
        "the confusion matrix.",
    )
    demo.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="S",
        help="random_state of the first fit (default: %(default)s)",
    )
    demo.add_argument(
        "--seeds",
        type=positive,
        default=1,
        metavar="N",
        help="how many fits to take the mean of (default: %(default)s)",
    )
    demo.add_argument(
        "--output",
        type=picture,
        default="japanese_vowels.png",
        metavar="FILE",
        help="the picture: .png, .svg or .pdf (default: %(default)s)",
    )
    demo.set_defaults(run=run_demo)

    config = verbs.add_parser(
        "config", help="show the instructions, the threads, and why they were chosen"
    )
    config.set_defaults(run=run_config)

    version = verbs.add_parser("version", help="print the version")
    version.set_defaults(run=run_version)
    return parser


def run_demo(options):
    from .demo import run_demo

    run_demo(options.seed, options.seeds, options.output)


def run_config(options):
    from . import show_config

    show_config()


def run_version(options):
    from . import __version__

    print(f"lstmc {__version__}")


def natural(text):
    """An int from 0 to the largest seed."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected 0 to 2**32 - 1, got {text!r}")
    return int(text)


def positive(text):
    """An int from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text!r}")
    return int(text)


def picture(text):
    """A file that a picture can be written to: better told before the fit."""
    path = Path(text)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"expected .png, .svg or .pdf, got {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected an existing folder, got {text!r}")
    return path
