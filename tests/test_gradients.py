"""Every gradient against central differences in float64."""

import numpy as np
import pytest
import reference
from conftest import FACTS, OPTIONS

STEP = 1e-6  # truncation about STEP^2, rounding about 1e-16 |loss| / STEP
LIMIT = 1e-6

SHAPES = [  # inputs, units, layers, both directions, lengths
    (2, 3, 1, True, [3, 0, 1, 4]),
    (2, 3, 3, False, [2, 3]),
    (9, 9, 1, False, [2, 3]),  # 8 float64 fill a panel
    (3, 70, 2, True, [5]),
]


class Case:
    """A layer, what goes in, and the loss: sum Y dY + sum state dstate."""

    def __init__(self, layer, batch, extras, key=None):
        self.layer, self.extras, self.key = layer, extras, key
        self.X, self.state, self.dY, self.dstate = batch

    def loss(self, Y, after):
        total = sum(np.vdot(y, dy) for y, dy in zip(Y, self.dY, strict=True))
        ends = zip(after, self.dstate, strict=True)
        return total + sum(np.vdot(s, ds) for s, ds in ends)

    def evaluate(self):
        if self.key is None:
            return self.loss(*self.layer(self.X, self.state, **self.extras, threads=1))
        return self.loss(*self.forward()[:2])

    def forward(self):
        key = {} if self.key is None else {"dropout_key": self.key}
        return self.layer.forward(self.X, self.state, **self.extras, **key, threads=1)

    def gradients(self):
        """By name: an array to vary, what to do after that, and its gradient."""
        tape = self.forward()[2]
        dX, dbefore, grads = self.layer.backward(tape, self.dY, self.dstate)
        out = {f"x[{j}]": (x, None, dx) for j, (x, dx) in enumerate(zip(self.X, dX))}
        for name, s, ds in zip(self.layer.state_names, self.state, dbefore):
            out[name] = s, None, ds
        if "static" in self.extras:
            out["static"] = self.extras["static"], None, tape.dstatic
        parameters = {
            name: array.copy() for name, array in self.layer.parameters.items()
        }
        assert grads.keys() == parameters.keys()
        for name, array in parameters.items():
            out[name] = (
                array,
                lambda: self.layer.load_parameters(parameters),
                grads[name],
            )
        return out

    def difference(self, array, after, direction):
        """The change of the loss along a direction through the array."""
        saved, losses = array.copy(), []
        for sign in (1, -1):
            array[...] = saved + sign * STEP * direction
            if after:
                after()
            losses.append(self.evaluate())
        array[...] = saved
        if after:
            after()
        return (losses[0] - losses[1]) / (2 * STEP)

    def check(self, elements=False):
        """Along a random direction through each array, or through every element."""
        rng = np.random.default_rng(6)
        for name, (array, after, gradient) in self.gradients().items():
            assert gradient.shape == array.shape, name
            directions = [rng.standard_normal(array.shape) / max(1, array.size) ** 0.5]
            if elements and array.size:
                directions = np.eye(array.size).reshape(-1, *array.shape)
            for direction in directions:
                wanted = self.difference(array, after, direction)
                got = np.vdot(gradient, direction)
                assert abs(got - wanted) < LIMIT * max(1, abs(wanted)), name


@pytest.fixture
def make_case(make_layer, make_batch, make_extras):
    def make(inputs, units, lengths, *, key=None, **more):
        layer = make_layer(inputs, units, dtype="float64", **more)
        extras = make_extras(layer, lengths)
        return Case(layer, make_batch(layer, lengths), extras, key)

    return make


@pytest.mark.every_cell
def test_every_element(make_case):
    make_case(2, 2, [2, 0, 1], num_layers=2).check(elements=True)
    make_case(1, 2, [1], bidirectional=True).check(elements=True)


@pytest.mark.every_cell
@pytest.mark.parametrize(("inputs", "units", "num_layers", "both", "lengths"), SHAPES)
def test_gradients(make_case, inputs, units, num_layers, both, lengths):
    make_case(inputs, units, lengths, num_layers=num_layers, bidirectional=both).check()


NOISE = {
    "dropout": {"dropout": 0.4},
    "variational": {"dropout": 0.4, "variational": True},
    "recurrent": {"recurrent_dropout": 0.3},
    "zoneout": {"zoneout": (0.3, 0.2)},
    "drop-connect": {"drop_connect": 0.4},
    "all": {
        "dropout": 0.2, "recurrent_dropout": 0.3, "zoneout": (0.1, 0.3),
        "drop_connect": 0.2, "num_heads": 2,
    },
}  # fmt: skip


def refused_noise(facts, noise):
    """The start of the error for noise on connections that a cell does not have."""
    if "recurrent_dropout" in noise and not facts["reads_h"]:
        return "recurrent_dropout: expected 0"
    if "drop_connect" in noise and not facts["r_blocks"]:
        return "drop_connect: expected 0"
    return None


@pytest.mark.every_cell
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_gradients_with_noise(make_case, option, noise):
    refused = refused_noise(FACTS[option[0]], noise)
    if refused:
        with pytest.raises(ValueError, match=refused):
            make_case(2, 4, [3], **noise)
        return
    case = make_case(
        2, 4, [3, 0, 2], num_layers=2, bidirectional=True, key=(3, 5), **noise
    )
    case.check()
    case.key = (3, 6)  # other masks
    other = case.evaluate()
    case.key = (3, 5)
    assert other != case.evaluate()


@pytest.mark.every_cell
def test_gradients_of_heads(make_case):
    make_case(3, 12, [3, 0, 2], num_layers=2, bidirectional=True, num_heads=3).check()
    make_case(3, 34, [4], num_heads=2).check()


@pytest.mark.every_cell
def test_gradients_of_a_projection(make_case, option):
    if not FACTS[option[0]]["projects"]:
        with pytest.raises(ValueError, match="has no projection"):
            make_case(3, 6, [2], proj_size=4)
        return
    make_case(3, 6, [3, 0, 2], num_layers=2, bidirectional=True, proj_size=4).check()
    make_case(3, 40, [4], proj_size=19, zoneout=0.2, key=(1, 2)).check()
    make_case(3, 7, [4, 2], proj_size=5, recurrent_dropout=0.3, key=(1, 2)).check()


# --- truncated ------------------------------------------------------------------------


def truncated_loss(layer, case, kept):
    """The loss where R reads what the states were before anything was varied.

    kept: per step the states before it; recorded if it is empty.
    """
    own = reference.weights_of(layer, 0, 0)
    step = reference.find(layer.cell)
    [x], rows = case.X, FACTS[layer.cell]["rows"]
    states = tuple(s[0, 0].copy() for s in case.state)
    if "static" in case.extras:
        states = (*states, own.S @ case.extras["static"][0] + own.s)
    outputs, record = [], not kept
    names = FACTS[layer.cell]["states"]
    for t in range(len(x)):
        if record:
            kept.append(states)
        seen = tuple(
            before if name in rows else s
            for name, before, s in zip(names, kept[t], states, strict=True)
        )
        [weights] = own.own
        weights.squash = own.squash
        states = step(x[t], seen, weights)
        outputs.append(states[0])
    after = [s[None, None] for s in states[: len(case.dstate)]]
    return case.loss([np.array(outputs)], after)


def carries_c_alone(facts):
    """Whether c is carried apart from what R reads, and nothing else looks at it."""
    inner = "c" in facts["states"] and "c" not in facts["rows"]
    return inner and not facts["vectors"]


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if carries_c_alone(FACTS[o[0]])], ids="-".join
)
def test_truncated_gradients(make_case, option):
    case = make_case(3, 5, [6], gradient="truncated")
    kept: list = []
    plain = case.evaluate()
    assert truncated_loss(case.layer, case, kept) == pytest.approx(plain, rel=1e-12)
    case.evaluate = lambda: truncated_loss(case.layer, case, kept)
    for name, (array, after, gradient) in case.gradients().items():
        direction = np.random.default_rng(7).standard_normal(array.shape)
        wanted = case.difference(array, after, direction)
        assert abs(np.vdot(gradient, direction) - wanted) < LIMIT * max(
            1, abs(wanted)
        ), name


def frozen_peephole(x, states, w):
    """`reference.peephole` whose peepholes see what c was; states: h, c, both c's."""
    h, c0, seen0, seen = states
    i, f, z, o = np.split(w.W @ x + w.R @ h + w.b, 4)
    p_i, p_f, p_o = w.v
    sigmoid = reference.sigmoid
    c = sigmoid(f + p_f * seen0) * c0 + sigmoid(i + p_i * seen0) * np.tanh(z)
    return sigmoid(o + p_o * (c if seen is None else seen)) * w.squash(c), c


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o[0] == "peephole"], ids="-".join
)
def test_truncated_gradients_do_not_pass_peepholes(make_case, option):
    case = make_case(3, 5, [6], gradient="truncated")
    kept: list = []

    def evaluate():
        own = reference.weights_of(case.layer, 0, 0)
        [w], [x] = own.own, case.X
        w.squash = own.squash
        h, c = (s[0, 0].copy() for s in case.state)
        outputs, record = [], len(kept) == 0
        for t in range(len(x)):
            if record:
                seen = frozen_peephole(x[t], (h, c, c, None), w)[1]
                kept.append((h, c, seen))
            old_h, old_c, seen = kept[t]
            h, c = frozen_peephole(x[t], (old_h, c, old_c, seen), w)
            outputs.append(h)
        return case.loss([np.array(outputs)], [h[None, None], c[None, None]])

    plain = case.evaluate()
    assert evaluate() == pytest.approx(plain, rel=1e-12)
    case.evaluate = evaluate
    for name, (array, after, gradient) in case.gradients().items():
        direction = np.random.default_rng(7).standard_normal(array.shape)
        wanted = case.difference(array, after, direction)
        assert abs(np.vdot(gradient, direction) - wanted) < LIMIT * max(
            1, abs(wanted)
        ), name


# --- ends -----------------------------------------------------------------------------


def test_what_is_not_given_is_zero(make_layer, make_batch):
    layer = make_layer(3, 5, dtype="float64", num_layers=2, bidirectional=True)
    X, state, dY, dstate = make_batch(layer, [3, 1])
    zero_dY = [np.zeros_like(dy) for dy in dY]
    zero_dstate = tuple(np.zeros_like(ds) for ds in dstate)
    for short, full in [
        ((None, dstate), (zero_dY, dstate)),
        ((dY, None), (dY, zero_dstate)),
    ]:
        results = []
        for ends in (short, full):
            tape = layer.forward(X, state)[2]
            dX, dbefore, grads = layer.backward(tape, *ends)
            results.append([*dX, *dbefore, *grads.values()])
        for a, b in zip(*results, strict=True):
            # -0 may stand for 0
            assert np.array_equal(a, b)


def test_the_gradient_of_a_float32_layer(make_layer, make_batch):
    layers = [make_layer(5, 17, dtype=d, bidirectional=True) for d in ("f4", "f8")]
    layers[1].load_parameters(layers[0].parameters)
    X, state, dY, dstate = make_batch(layers[0], [6, 0, 9, 1])
    results = []
    for layer in layers:
        tape = layer.forward(X, state)[2]
        dX, dbefore, grads = layer.backward(tape, dY, dstate)
        results.append([*dX, *dbefore, *grads.values()])
    for a, b in zip(*results, strict=True):
        # Sums over 22 products a step and 16 steps, each off by a rounding or so.
        limit = 64 * np.finfo(np.float32).eps * max(1, np.abs(b).max(initial=0))
        assert np.abs(a - b).max(initial=0) < limit
