"""Dropout of every kind, zoneout and DropConnect: what is drawn, and when."""

import numpy as np
import pytest
from conftest import FACTS

from lstmc.layers import Recurrent

X = [np.random.default_rng(0).standard_normal((30, 3)).astype("f4") for _ in range(40)]
KEY = (5, 9)


def run(layer, key=KEY, **more):
    return layer.forward(X, dropout_key=key, **more)[:2]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a[0], b[0], strict=True))


KINDS = {
    "dropout": {"dropout": 0.3, "num_layers": 2},
    "variational": {"dropout": 0.3, "num_layers": 2, "variational": True},
    "recurrent": {"recurrent_dropout": 0.3},
    "zoneout": {"zoneout": (0.4, 0.2)},
    "drop-connect": {"drop_connect": 0.3},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_key_decides_and_nothing_else(kind):
    layer = Recurrent(3, 20, random_state=0, bidirectional=True, **kind)
    first = run(layer)
    assert same(first, run(layer))
    assert not same(first, run(layer, (5, 10))) and not same(first, run(layer, (6, 9)))
    for threads in (1, 2, 3, 8):
        assert same(first, run(layer, threads=threads))
    assert same(layer(X), layer(X))
    assert not same(first, layer(X))


def test_zoneout_keeps_a_share_of_the_values():
    layer = Recurrent(3, 64, zoneout=(0.3, 0), random_state=0)
    Y = np.stack(run(layer)[0])
    kept = Y[:, 1:] == Y[:, :-1]
    # 40 * 29 * 64 draws: a deviation of 0.0017.
    assert abs(kept.mean() - 0.3) < 0.01
    assert len(np.unique(kept.reshape(-1, 64), axis=0)) > 1000  # anew at each step


def test_zoneout_of_c_alone_leaves_no_h_as_it_was():
    Y = np.stack(run(Recurrent(3, 64, zoneout=(0, 0.5), random_state=0))[0])
    assert (Y[:, 1:] == Y[:, :-1]).mean() < 0.01


def test_recurrent_dropout_is_the_same_at_all_steps():
    """With R = 1 and h after a step given, a unit sees itself always or never."""
    layer = Recurrent(1, 64, "rnn", recurrent_dropout=0.25, random_state=0)
    parameters = {k: np.zeros_like(v) for k, v in layer.parameters.items()}
    parameters["weight_hh_l0"] = np.eye(64, dtype="f4") * 0.1
    parameters["bias_l0"][:] = 0.01
    layer.load_parameters(parameters)
    zeros = [np.zeros((12, 1), "f4")] * 50
    Y = np.stack(layer.forward(zeros, dropout_key=KEY)[0])
    blind = np.isclose(Y, np.tanh(0.01), rtol=1e-6)[:, 1:]
    assert (blind.all(axis=1) | ~blind.any(axis=1)).all()
    assert abs(blind.mean() - 0.25) < 0.03  # 3200 draws: a deviation of 0.008
    # What is seen is scaled up.
    seen = Y[:, 1][~blind[:, 0]]
    np.testing.assert_allclose(seen, np.tanh(0.01 + 0.1 / 0.75 * np.tanh(0.01)), 1e-5)


def test_variational_dropout_is_the_same_at_all_steps():
    layer = Recurrent(
        3, 32, num_layers=2, dropout=0.5, variational=True, random_state=0
    )
    tape = layer.forward(X, dropout_key=KEY)[2]
    dropped = tape.inputs[1].values.reshape(40, 30, 32) == 0
    assert (dropped.all(axis=1) | ~dropped.any(axis=1)).all()
    assert abs(dropped.mean() - 0.5) < 0.06  # 1280 draws: a deviation of 0.014


def test_drop_connect_touches_r_alone():
    layer = Recurrent(3, 32, drop_connect=0.5, random_state=0)
    noisy = layer._unpacked(layer._noisy_weights(KEY))
    for name, array in layer.parameters.items():
        if not name.startswith("weight_hh"):
            assert noisy[name].tobytes() == array.tobytes()
    dropped = noisy["weight_hh_l0"] == 0
    assert abs(dropped.mean() - 0.5) < 0.03  # 4096 draws: a deviation of 0.008
    wanted = 2 * layer.parameters["weight_hh_l0"][~dropped]
    assert np.array_equal(noisy["weight_hh_l0"][~dropped], wanted)


def test_noise_on_what_a_cell_lacks_is_refused(option, make_layer):
    facts = FACTS[option[0]]
    for name, has in (
        ("recurrent_dropout", facts["reads_h"]), ("drop_connect", facts["r_blocks"]),
    ):  # fmt: skip
        if has:
            assert getattr(make_layer(3, 4, **{name: 0.5}), name) == 0.5
            continue
        with pytest.raises(ValueError, match=f"{name}: expected 0 with the cell"):
            make_layer(3, 4, **{name: 0.5})


@pytest.mark.parametrize("wrong", [1, -0.1, (0.1, 1.0), (0.1, 0.2, 0.3), np.nan])
def test_wrong_zoneout(wrong):
    with pytest.raises(ValueError, match="zoneout: expected"):
        Recurrent(3, 4, zoneout=wrong)
