"""scikit-learn's own checks of an estimator: all of them, with no exceptions."""

import os
from collections import Counter
from importlib.util import find_spec

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import lstmc
from lstmc import LSTMClassifier, LSTMRegressor

ESTIMATORS = [LSTMClassifier(), LSTMRegressor()]
MOST_SKIPPED = 2 * (find_spec("pandas") is None) + ("SCIPY_ARRAY_API" not in os.environ)
RAN: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def one_thread():
    """The data are tiny: a second thread would only wait for the first."""
    lstmc.set_num_threads(1)
    yield
    lstmc.set_num_threads(None)


@parametrize_with_checks(ESTIMATORS)
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
    assert not any(item.get_closest_marker("xfail") for item in chosen)
    if len(chosen) < 60:
        pytest.fail(f"expected the whole file to run, got {len(chosen)} checks")
    # What needs pandas or SciPy's array API skips itself where these are missing.
    assert RAN[name] >= len(chosen) - MOST_SKIPPED
