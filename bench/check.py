"""The check before the clock: a peer's answer against tests/reference.py, float64."""

from __future__ import annotations

import functools

import numpy as np

from bench.equations import step_of, weights_of_heads
from bench.problem import Problem, make_problem, real_steps, suffixes

# Approximate tanh and sigmoid: about 1e-6 in float32 at most on this grid, and some
# 1e-15 a step in float64. Of the largest output, where outputs have no bound.
OUTPUT_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
# Cells that never forget carry each rounding on, and norms magnify it: up to twice what
# one rounding of the inputs does was seen.
ROUNDINGS = 10
# Gradients are float32 sums over T*B rows: up to 1e-5 of their norm was seen. In
# float64 the error of the central difference is all there is.
GRADIENT_TOLERANCE = {"float32": 1e-4, "float64": 1e-5}


class WrongAnswerError(AssertionError):
    """A peer's answer differs from the reference by more than its tolerance."""


def judge(case, answers: dict) -> tuple[dict, dict]:
    """Check the answers of a case; return errors and faults, both by peer."""
    errors, faults = {}, {}
    for peer, answer in answers.items():
        own = case.of(peer)
        problem, reference = _solved_problem(own.shape, own.cell)
        try:
            errors[peer] = check_answer(problem, reference, answer)
        except WrongAnswerError as error:
            faults[peer] = str(error)
    return errors, faults


def check_answer(problem: Problem, reference, answer: dict) -> dict[str, float]:
    """Compare a peer's answer with the reference.

    Parameters
    ----------
    problem : Problem
        What the peer was given.
    reference : ndarray of shape (T, B, directions * h)
        The outputs by `forward`.
    answer : dict
        ``"Y"``: outputs (T, B, directions * h). After a training step also
        ``"gradients"``: a dict with one array for each of the problem's inputs. X and
        Y are zero in the padding. ``"memory"``, a dict, is passed on.

    Returns
    -------
    dict
        ``"output_error"``, after training ``"gradient_error"``, and the memory.

    Raises
    ------
    WrongAnswerError
        Beyond a tolerance, or when a name, a shape or a finite number is missing.
    """
    errors = {"output_error": _output_error(answer["Y"], reference)}
    dtype = problem.shape.dtype
    tolerance = OUTPUT_TOLERANCE[dtype]
    if errors["output_error"] > tolerance:
        tolerance += ROUNDINGS * rounding_error(problem, reference)
    _demand("outputs", errors["output_error"], tolerance)
    if "gradients" in answer:
        errors["gradient_error"] = gradient_error(problem, answer["gradients"])
        _demand("gradients", errors["gradient_error"], GRADIENT_TOLERANCE[dtype])
    return errors | answer.get("memory", {})


def rounding_error(problem: Problem, reference) -> float:
    """What the outputs move by if each input does by a rounding of its type."""
    draw, eps = np.random.default_rng(2), np.finfo(problem.shape.dtype).eps
    moved = {
        name: array * (1 + eps * draw.standard_normal(array.shape))
        for name, array in problem.inputs.items()
    }
    return _output_error(forward(problem.with_inputs(moved)), reference)


def gradient_error(problem: Problem, gradients: dict[str, np.ndarray]) -> float:
    """Error of a peer's gradients along one random direction, in units of their norm.

    The direction gives each array the same weight: it is random within the array
    and divided by the norm of the peer's gradient, unless that is zero (R where
    T = 1). The derivative along it comes from central differences in float64.
    """
    inputs = problem.inputs
    shapes = {name: array.shape for name, array in inputs.items()}
    found = {name: np.shape(array) for name, array in gradients.items()}
    if found != shapes:
        raise WrongAnswerError(f"gradients: expected {shapes}, got {found}")
    draw = np.random.default_rng(1)
    direction = {
        name: draw.standard_normal(shapes[name])
        / (np.linalg.norm(gradients[name]) or 1.0)
        for name in inputs
    }
    claimed = sum(np.vdot(direction[name], gradients[name]) for name in inputs)
    # No number moves by more than 1e-5: the error of the difference is about 1e-9, and
    # 1e-7 where a norm bends.
    step = 1e-5 / max(np.abs(part).max() for part in direction.values())

    def loss(sign):
        moved = {name: inputs[name] + sign * step * direction[name] for name in inputs}
        return np.vdot(problem.dY, forward(problem.with_inputs(moved)))

    return float(abs(claimed - (loss(1) - loss(-1)) / (2 * step)))


def forward(problem: Problem) -> np.ndarray:
    """Outputs (T, B, directions * h) of the whole stack in float64.

    The reference has samples one by one; here they are the columns of a matrix. In
    the padding states and outputs are zero, so that backwards, too, a sample starts
    from zero at its own end.
    """
    shape, facts, step = problem.shape, problem.facts, step_of(problem.facts)
    moving = len(facts["states"]) - facts["statics"]  # the last ones stay
    Y, sides, real = np.asarray(problem.X, np.float64), [], real_steps(shape)
    for suffix, _ in suffixes(shape):
        heads = weights_of_heads(problem, suffix)
        side = np.empty((shape.T, shape.B, shape.h))
        for t in range(shape.T)[:: -1 if suffix.endswith("_reverse") else 1]:
            for w in heads:
                if problem.time is not None:
                    w.time = np.asarray(problem.time[t], np.float64)
                after = step(Y[t].T, w.states, w)
                w.states = [
                    s * real[t] if k < moving else s for k, s in enumerate(after)
                ]
            side[t] = np.concatenate([w.states[0] for w in heads]).T
        sides.append(side)
        if len(sides) == shape.directions:
            Y, sides = np.concatenate(sides, axis=2), []
    return Y


# The kinds of one shape and cell follow each other, beside those of `Case.of`.
@functools.lru_cache(maxsize=3)
def _solved_problem(shape, cell):
    problem = make_problem(shape, cell)
    return problem, forward(problem)


def _output_error(Y, reference):
    if np.shape(Y) != reference.shape:
        raise WrongAnswerError(f"Y: expected {reference.shape}, got {np.shape(Y)}")
    return float(np.abs(Y - reference).max() / max(1.0, np.abs(reference).max()))


def _demand(what, error, tolerance):
    if not error <= tolerance:  # NaN is wrong too
        raise WrongAnswerError(
            f"{what}: expected an error of at most {tolerance:g}, got {error:.3g}"
        )
