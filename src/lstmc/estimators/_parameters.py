"""The parameters of the estimators: what each may be, and the error when it is not."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from ..initializers import BY_NAME
from ..layers.highway import ACTIVATIONS, GATES
from ..layers.options import GRADIENTS, OUTPUT_ACTIVATIONS
from ..layers.stack import registry
from ..layers.xlstm import parse_cell
from ..models.transcriber import DECODERS
from ..networks.recurrent import POOLINGS


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
_GENERATOR = Rule(
    lambda v: isinstance(v, np.random.RandomState | np.random.Generator),
    "a numpy RandomState or Generator",
)


def _pair(rule):
    return Rule(
        lambda v: isinstance(v, list | tuple) and [*map(rule.passes, v)] == [True] * 2,
        f"a pair of them, each {rule.wanted}",
    )


# For rules of parameters that one estimator alone has.
BOOL, integer_rule, real_rule, option_rule = _BOOL, _integer, _real, _options


def sizes_rule():
    """Of a tuple of sizes.

    Examples
    --------
    >>> sizes_rule().passes((8, 5, 3)), sizes_rule().passes((8, 0))
    (True, False)
    """
    return Rule(
        lambda v: (
            isinstance(v, list | tuple)
            and len(v) > 0
            and all(_is_int(k) and k >= 1 for k in v)
        ),
        "a tuple of ints in the range [1, inf)",
    )


RULES = {
    "hidden_size": _integer(1),
    "cell": _either(
        _options(*registry()),
        Rule(lambda v: isinstance(v, str) and parse_cell(v), '"mlstm" or "xlstm[a:b]"'),
    ),
    "num_layers": _integer(1),
    "bidirectional": _BOOL,
    "pooling": _options(*POOLINGS),
    "output_activation": _options(*OUTPUT_ACTIVATIONS),
    "proj_size": _integer(0),
    "num_heads": _integer(1),
    "block_size": _integer(1),
    "cell_bias": _BOOL,
    "gradient": _options(*GRADIENTS),
    "residual": _BOOL,
    "highway": _BOOL,
    "dropout": _real(0, 1),
    "variational": _BOOL,
    "recurrent_dropout": _real(0, 1),
    "zoneout": _either(_real(0, 1), _pair(_real(0, 1))),
    "drop_connect": _real(0, 1),
    "input_initializer": _options(*BY_NAME),
    "recurrent_initializer": _options(*BY_NAME),
    "activation": _options(*ACTIVATIONS),
    "gates": _options(*GATES),
    "transform_bias": _real(-np.inf, closed="neither"),
    "forget_bias": _either(_real(-np.inf, closed="neither"), _options("power_law")),
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
    "levels": _either(_integer(1), sizes_rule(), _NONE),
    "label_smoothing": _real(0, 1),
    "on_infeasible": _options("raise", "skip"),
    "decoder": _options(*DECODERS),
    "beam_size": _integer(1),
    "language_weight": _real(0),
    "label_bonus": _real(-np.inf, closed="neither"),
    "dtype": _options("float32", "float64"),
    "n_jobs": _either(
        Rule(lambda v: _is_int(v) and v != 0, "an int other than 0"), _NONE
    ),
}


def keep(estimator, arguments):
    """Set as attributes what ``__init__`` was given, its ``locals()``, as it was given.

    Examples
    --------
    >>> from lstmc import LSTMClassifier
    >>> LSTMClassifier(hidden_size=3).hidden_size
    3
    """
    given = {name: value for name, value in arguments.items() if name != "self"}
    vars(estimator).update(given)


def check_parameters(estimator):
    """Raise ValueError for the first parameter that is not what it may be.

    What goes together and what an architecture allows, the layers know.

    Examples
    --------
    >>> from lstmc import LSTMClassifier
    >>> check_parameters(LSTMClassifier(max_iter=0))
    Traceback (most recent call last):
    ValueError: The 'max_iter' parameter of LSTMClassifier must be an int in the
    range [1, inf). Got 0 instead.
    """
    for name, value in estimator.get_params(deep=False).items():
        # A subclass may add parameters, and rules, of its own.
        rule = getattr(estimator, "_rules", RULES).get(name, RULES.get(name))
        if rule and not rule.passes(value):
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be "
                f"{rule.wanted}. Got {value!r} instead."
            )
