"""Language models in Python as a search in C asks them: by numbers, and once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


class FunctionModel:
    """A function of a prefix and a token as a model with states: the prefixes."""

    def __init__(self, function: Callable[[tuple[Any, ...], Any], float]):
        self.function = function

    def start(self) -> tuple[Any, ...]:
        return ()

    def score(
        self, state: tuple[Any, ...], token: Any
    ) -> tuple[float, tuple[Any, ...]]:
        return self.function(state, token), (*state, token)

    def finish(self, state: tuple[Any, ...]) -> float:
        return 0.0


class NumberedModel:
    """A model whose states and tokens have numbers; answers are kept for a sample.

    A state is that of one prefix, so that a model is asked once for each prefix and
    token. `error` holds what the model raised.
    """

    def __init__(self, model: Any, tokens: Sequence[Any]):
        self.model, self.tokens = model, tokens
        self.sample = 0
        self.error: BaseException | None = None

    def begin(self, sample: int) -> None:
        """Forget the sample before."""
        self.sample = sample
        self.known: dict[tuple[int, int], tuple[float, int]] = {}
        self.ends: dict[int, float] = {}
        self.states = [self.model.start()]

    def score(self, state: int, token: int) -> tuple[float, int]:
        """Log probability and the number of the next state."""
        key = state, token
        if key not in self.known:
            answer = self.model.score(self.states[state], self.tokens[token])
            try:
                score, after = answer
            except (TypeError, ValueError):
                raise TypeError(
                    "language_model: expected score to return a log probability and "
                    f"a state, got {answer!r}"
                ) from None
            self.known[key] = self._checked(score, token), len(self.states)
            self.states.append(after)
        return self.known[key]

    def finish(self, state: int) -> float:
        """Log probability of the end."""
        if state not in self.ends:
            score = self.model.finish(self.states[state])
            self.ends[state] = self._checked(score, None)
        return self.ends[state]

    def _checked(self, score: Any, token: int | None) -> float:
        try:
            number = float(score)
        except (TypeError, ValueError):
            number = math.nan
        # Rounding may leave a logarithm of 1 a little above 0.
        if not number <= 1e-6:
            what = "the end" if token is None else repr(self.tokens[token])
            raise ValueError(
                f"language_model: expected a log probability of {what}, a number of "
                f"at most 0, got {score!r}"
            )
        return min(number, 0.0)


def number_states(model: Any, tokens: Sequence[Any]) -> NumberedModel:
    """Any model in Python as the search asks it."""
    if all(callable(getattr(model, k, None)) for k in ("start", "score", "finish")):
        return NumberedModel(model, tokens)
    if callable(model):
        return NumberedModel(FunctionModel(model), tokens)
    raise TypeError(
        "language_model: expected an NGram, an object with start, score and finish, or "
        f"a function of a prefix and a token, got {type(model).__name__}"
    )
