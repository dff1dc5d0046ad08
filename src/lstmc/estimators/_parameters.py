"""What each parameter of an estimator may be, and the error when it is not."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from ..network import POOLINGS
from ..truncation import check_truncation


class Rule(NamedTuple):
    """A test of a value and the words for what passes it."""

    passes: Callable[[Any], bool]
    wanted: str


def _is_int(value):
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _is_real(value):
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _integer(low):
    return Rule(lambda v: _is_int(v) and v >= low, f"an int in the range [{low}, inf)")


def _real(low, high=np.inf, closed="left"):
    def passes(value):
        return (
            _is_real(value)
            and (value >= low if closed in ("left", "both") else value > low)
            and (value <= high if closed == "both" else value < high)
        )

    brackets = {"left": "[)", "both": "[]", "neither": "()"}[closed]
    return Rule(passes, f"a float in the range {brackets[0]}{low}, {high}{brackets[1]}")


def _options(*names):
    return Rule(
        lambda v: isinstance(v, str) and v in names, f"a str among {sorted(names)}"
    )


def _either(*rules):
    return Rule(
        lambda v: any(rule.passes(v) for rule in rules),
        " or ".join(rule.wanted for rule in rules),
    )


_NONE = Rule(lambda v: v is None, "None")
_BOOL = Rule(lambda v: isinstance(v, bool | np.bool_), "a bool")
_TEXT = Rule(lambda v: isinstance(v, str), "a str")
_GENERATOR = Rule(
    lambda v: isinstance(v, np.random.RandomState | np.random.Generator),
    "a numpy RandomState or Generator",
)

RULES = {
    "hidden_size": _integer(1),
    "cell": _TEXT,
    "num_layers": _integer(1),
    "bidirectional": _BOOL,
    "pooling": _options(*POOLINGS),
    "dropout": _real(0, 1),
    "output_activation": _TEXT,
    "solver": _options("adam", "sgd"),
    "alpha": _real(0),
    "batch_size": _either(_options("auto"), _integer(1), _NONE),
    "learning_rate": _options("constant", "invscaling", "adaptive"),
    "learning_rate_init": _real(0, closed="neither"),
    "power_t": _real(0),
    "max_iter": _integer(1),
    "shuffle": _BOOL,
    "random_state": _either(_integer(0), _GENERATOR, _NONE),
    "tol": _real(0),
    "verbose": _either(_integer(0), _BOOL),
    "warm_start": _BOOL,
    "momentum": _real(0, 1, closed="both"),
    "nesterovs_momentum": _BOOL,
    "early_stopping": _BOOL,
    "validation_fraction": _real(0, 1, closed="neither"),
    "beta_1": _real(0, 1),
    "beta_2": _real(0, 1),
    "epsilon": _real(0, closed="neither"),
    "n_iter_no_change": _either(
        _integer(1), Rule(lambda v: _is_real(v) and v == np.inf, "inf")
    ),
    "max_grad_norm": _either(_real(0, closed="neither"), _NONE),
    "tbptt": _either(_integer(1), _NONE),
    "checkpoint": _BOOL,
    "class_weight": _either(
        _options("balanced"), Rule(lambda v: isinstance(v, dict), "a dict"), _NONE
    ),
    "dtype": _options("float32", "float64"),
    "n_jobs": _either(
        Rule(lambda v: _is_int(v) and v != 0, "an int other than 0"), _NONE
    ),
}


def check_parameters(estimator):
    """Raise ValueError for the first parameter that is not what it may be.

    The names of cells and output activations are checked by the layer, which knows
    them.

    Examples
    --------
    >>> from lstmc import LSTMClassifier
    >>> check_parameters(LSTMClassifier(max_iter=0))
    Traceback (most recent call last):
    ValueError: The 'max_iter' parameter of LSTMClassifier must be an int in the
    range [1, inf). Got 0 instead.
    """
    for name, value in estimator.get_params(deep=False).items():
        rule = RULES.get(name)  # a subclass may add parameters of its own
        if rule and not rule.passes(value):
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be "
                f"{rule.wanted}. Got {value!r} instead."
            )
    check_truncation(estimator.tbptt, estimator.bidirectional)
