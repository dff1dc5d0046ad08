"""Instruction sets: one can be forced, an absent one is an error, all agree."""

import numpy as np
import pytest

from lstmc import _core

SHOW = "import lstmc; lstmc.show_config()"


@pytest.mark.parametrize("name", _core.targets())
def test_one_can_be_forced(run_python, name):
    said = run_python(SHOW, LSTMC_TARGET=name)
    assert f"{name}: asked for by LSTMC_TARGET" in said


def test_the_best_is_the_default(run_python):
    best = _core.targets()[0]
    assert f"{best}: the best that this machine runs" in run_python(SHOW)
    assert f"{best}: the best" in run_python(SHOW, LSTMC_TARGET="")


@pytest.mark.parametrize("name", ["sse9", "AVX2", "amx", "avx512", "avx2"])
def test_an_absent_one_is_an_error_at_import(run_python, name):
    if name in _core.targets():
        pytest.skip(f"this machine runs {name}")
    said = run_python("import lstmc", fails=True, LSTMC_TARGET=name)
    assert "LSTMC_TARGET: expected one of " + ", ".join(_core.targets()) in said
    assert f"got {name!r}" in said


def test_the_baseline_is_always_there():
    assert _core.targets()[-1] == "baseline"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_agree(make_layer, make_batch, dtype):
    layer = make_layer(5, 19, dtype=dtype, num_layers=2, bidirectional=True)
    X, state, dY, dstate = make_batch(layer, [4, 0, 9, 1])
    chosen = _core.target()
    results = []
    for name in _core.targets():
        _core.choose_target(name)
        Y, after, tape = layer.forward(X, state)
        dX, dbefore, grads = layer.backward(tape, dY, dstate)
        results.append([*Y, *after, *dX, *dbefore, *grads.values()])
    _core.choose_target(chosen)
    # They sum in one order, but only some fuse products: a rounding here and there.
    limit = 100 * np.finfo(dtype).eps
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            size = max(1, np.abs(b).max(initial=0))
            assert np.abs(a - b).max(initial=0) <= limit * size
