"""A whole fit with LSTMClassifier."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning

from bench.fit import LEARNING_RATE, MAX_GRAD_NORM
from lstmc import LSTMClassifier


def build(case, data, variant):
    """Build a fit of a fixed number of epochs."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # it is told when to stop

    def step():
        return LSTMClassifier(
            hidden_size=case.shape.h,
            cell=case.cell,
            batch_size=case.shape.B,
            learning_rate_init=LEARNING_RATE,
            max_grad_norm=MAX_GRAD_NORM,
            max_iter=case.repeats,
            n_iter_no_change=case.repeats,
            n_jobs=case.threads,
            random_state=0,
        ).fit(data.X_train, data.y_train)

    def read(classifier):
        return {
            "losses": classifier.loss_curve_,
            "accuracy": classifier.score(data.X_test, data.y_test),
        }

    return step, read
