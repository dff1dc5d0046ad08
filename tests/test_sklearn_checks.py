"""scikit-learn's own checks of an estimator: all, but for a reason given here."""

import os
from collections import Counter
from importlib.util import find_spec

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import lstmc
from lstmc import (
    HighwayClassifier,
    HighwayRegressor,
    LSTMClassifier,
    LSTMFCNClassifier,
    LSTMRegressor,
    LSTMTranscriber,
)

# The paper's LSTM-FCN would take hours: narrower, in fewer and larger steps. Without
# balanced class weights, which partial_fit cannot have.
SMALL_FCN = LSTMFCNClassifier(
    8, filters=(8, 8), kernel_sizes=(5, 3), max_iter=100, learning_rate_init=0.02,
    norm_momentum=0.9, class_weight=None,
)  # fmt: skip
ESTIMATORS = [
    LSTMClassifier(),
    SMALL_FCN,
    LSTMRegressor(),
    LSTMTranscriber(),
    HighwayClassifier(num_layers=5),
    HighwayRegressor(num_layers=5),
]
# A transcriber is neither classifier nor regressor, so fewer checks concern it.
FEWEST = {LSTMTranscriber: 49}
# Its targets are sequences of labels: the checks give it tables of one column.
EXCEPTIONS = {
    LSTMTranscriber: {
        "check_sample_weights_pandas_series": (
            "y of the check is a number a sample, and no sequence of labels"
        ),
        "check_n_features_in_after_fitting": (
            "partial_fit needs the labels there will be, which the check gives to "
            "classifiers alone"
        ),
    }
}
MOST_SKIPPED = 2 * (find_spec("pandas") is None) + ("SCIPY_ARRAY_API" not in os.environ)
RAN: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda est: EXCEPTIONS.get(type(est), {})
)
def test_check(estimator, check):
    check(estimator)
    RAN[type(estimator).__name__] += 1


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_enough_checks_ran(estimator, request):
    # scikit-learn yields none at all for an estimator that takes no 2-D arrays.
    name = type(estimator).__name__
    chosen = [
        item
        for item in request.session.items
        if item.nodeid.partition("::test_check[")[2].startswith(name)
    ]
    failing = sum(item.get_closest_marker("xfail") is not None for item in chosen)
    assert failing == len(EXCEPTIONS.get(type(estimator), {}))
    if len(chosen) < FEWEST.get(type(estimator), 60):
        pytest.fail(f"expected the whole file to run, got {len(chosen)} checks")
    # What needs pandas or SciPy's array API skips itself where these are missing.
    assert RAN[name] >= len(chosen) - failing - MOST_SKIPPED
