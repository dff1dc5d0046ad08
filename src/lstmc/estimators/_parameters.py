"""The parameters of the estimators: what each may be, and the error when it is not."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ..initializers import BY_NAME
from ..layers.options import GRADIENTS, OUTPUT_ACTIVATIONS, check_options
from ..layers.stack import registry
from ..network import POOLINGS
from ..transcription import DECODERS
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
_GENERATOR = Rule(
    lambda v: isinstance(v, np.random.RandomState | np.random.Generator),
    "a numpy RandomState or Generator",
)


def _pair(rule):
    return Rule(
        lambda v: isinstance(v, list | tuple) and [*map(rule.passes, v)] == [True] * 2,
        f"a pair of them, each {rule.wanted}",
    )


RULES = {
    "hidden_size": _integer(1),
    "cell": _options(*registry()),
    "num_layers": _integer(1),
    "bidirectional": _BOOL,
    "pooling": _options(*POOLINGS),
    "output_activation": _options(*OUTPUT_ACTIVATIONS),
    "proj_size": _integer(0),
    "num_heads": _integer(1),
    "block_size": _integer(1),
    "cell_bias": _BOOL,
    "gradient": _options(*GRADIENTS),
    "dropout": _real(0, 1),
    "variational": _BOOL,
    "recurrent_dropout": _real(0, 1),
    "zoneout": _either(_real(0, 1), _pair(_real(0, 1))),
    "drop_connect": _real(0, 1),
    "input_initializer": _options(*BY_NAME),
    "recurrent_initializer": _options(*BY_NAME),
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
    "levels": _either(
        _integer(1),
        Rule(
            lambda v: (
                isinstance(v, list | tuple)
                and len(v) > 0
                and all(_is_int(k) and k >= 1 for k in v)
            ),
            "a tuple of ints in the range [1, inf)",
        ),
        _NONE,
    ),
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


class Parameters(BaseEstimator):
    """An estimator's parameters, kept as they are given; a fit checks them."""

    def __init__(
        self, hidden_size=64, *, cell="lstm", num_layers=1, bidirectional=False,
        pooling="last", output_activation="tanh", proj_size=0, num_heads=1,
        block_size=1, cell_bias=True, gradient="full", dropout=0.0, variational=False,
        recurrent_dropout=0.0, zoneout=0.0, drop_connect=0.0,
        input_initializer="glorot_uniform", recurrent_initializer="orthogonal",
        forget_bias=1.0, solver="adam", alpha=0.0, batch_size="auto",
        learning_rate="constant", learning_rate_init=1e-3, power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=0, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_grad_norm=1.0, tbptt=None, checkpoint=False,
        dtype="float32", n_jobs=None,
    ):  # fmt: skip
        self.hidden_size = hidden_size
        self.cell = cell
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.output_activation = output_activation
        self.proj_size = proj_size
        self.num_heads = num_heads
        self.block_size = block_size
        self.cell_bias = cell_bias
        self.gradient = gradient
        self.dropout = dropout
        self.variational = variational
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.drop_connect = drop_connect
        self.input_initializer = input_initializer
        self.recurrent_initializer = recurrent_initializer
        self.forget_bias = forget_bias
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_grad_norm = max_grad_norm
        self.tbptt = tbptt
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.n_jobs = n_jobs


def check_parameters(estimator):
    """Raise ValueError for the first parameter that is not what it may be.

    What goes together and what a cell allows, the layer knows.

    Examples
    --------
    >>> from lstmc import LSTMClassifier
    >>> check_parameters(LSTMClassifier(max_iter=0))
    Traceback (most recent call last):
    ValueError: The 'max_iter' parameter of LSTMClassifier must be an int in the
    range [1, inf). Got 0 instead.
    """
    given = estimator.get_params(deep=False)
    for name, value in given.items():
        rule = RULES.get(name)  # a subclass may add parameters of its own
        if rule and not rule.passes(value):
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be "
                f"{rule.wanted}. Got {value!r} instead."
            )
    facts = registry()[estimator.cell][1]
    check_options(facts, input_size=1, static_size=facts["statics"], **given)
    check_truncation(estimator.tbptt, estimator.bidirectional)
    if given.get("levels") is not None and estimator.tbptt is not None:
        raise ValueError(
            f"tbptt: expected None with levels, got {estimator.tbptt}: a cut-off "
            "gradient does not reach the level below"
        )
