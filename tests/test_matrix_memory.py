"""The matrix memory of the mLSTM: forms, gradients, bits, streams, extremes."""

import copy
import pickle

import numpy as np
import pytest
import reference_mlstm as reference
from test_denormals import float_mode, needs_glibc
from test_interrupt import interrupt

from lstmc import _core
from lstmc.layers.matrix_memory import FORMS, MatrixMemory

GATES = {
    "exponential": {},
    "both exponential": {"forget_gate": "exponential"},
    "sigmoid": {"input_gate": "sigmoid"},
    "plain": {"input_gate": "sigmoid", "normalise": False},
}
SIZES = [(1, 4, 4), (2, 5, 7), (3, 16, 24), (1, 33, 8)]  # heads, d_k, d_v
LENGTHS = [1, 0, 37, 64, 130]  # one step, none, whole chunks and broken ones


class Case:
    """What goes into a memory, all its parts random, states and gates included."""

    def __init__(self, heads, d_k, d_v, lengths, dtype="float64", seed=0, **options):
        self.memory = MatrixMemory(heads, d_k, d_v, dtype=dtype, **options)
        self.heads, self.options = heads, options
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        rng = np.random.default_rng(seed)
        steps = self.offsets[-1]
        widths = {"q": d_k, "k": d_k, "v": d_v, "i": 1, "f": 1, "o": d_v}
        self.arrays = {
            name: rng.standard_normal((steps, heads * width)).astype(dtype)
            for name, width in widths.items()
        }
        self.arrays["f"] += 1 if "forget_gate" not in options else -0.5
        like = self.memory.empty_state(len(lengths))
        self.state = tuple(rng.standard_normal(s.shape).astype(dtype) for s in like)
        self.dstate = tuple(rng.standard_normal(s.shape).astype(dtype) for s in like)
        if "input_gate" in options:  # which has no m
            self.state[2][:] = self.dstate[2][:] = 0
        self.dh = rng.standard_normal(self.arrays["v"].shape).astype(dtype)

    def given(self):
        return {**self.arrays, "offsets": self.offsets, "state": self.state}

    def apply(self, **more):
        return self.memory.apply(**self.given() | more)

    def train(self, **more):
        """h, states, gradients of inputs, gradients of states."""
        h, after, tape = self.memory.record(**self.given() | more)
        out, before = self.memory.pull(tape, self.dh, self.dstate)
        return h, *after, *out, *before

    def reference(self):
        kinds = {
            "sigmoid": "input_gate" in self.options,
            "exponential": "forget_gate" in self.options,
            "plain": "normalise" in self.options,
        }
        arrays = {name: a for name, a in self.arrays.items() if name != "o"}
        h, after = reference.every_head(
            **arrays, offsets=self.offsets, state=self.state, heads=self.heads, **kinds
        )
        return h / (1 + np.exp(-self.arrays["o"].astype(float))), after


def error(got, wanted):
    return np.abs(got - wanted).max() / max(1, np.abs(wanted).max())


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("gates", GATES)
def test_three_forms_are_the_reference(sizes, gates, target):
    case = Case(*sizes, LENGTHS, **GATES[gates])
    h, after = case.reference()
    for form in FORMS:
        for chunk_size in (0, 16, 50):
            case.memory = MatrixMemory(
                *sizes,
                dtype="float64",
                form=form,
                chunk_size=chunk_size,
                **GATES[gates],
            )
            got, state = case.apply()
            assert error(got, h) < 1e-9  # what the forms are promised to agree to
            assert max(map(error, state, after)) < 1e-12


def test_the_references_agree():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 40, 6))
    i, f = rng.standard_normal((2, 40))
    h = reference.recurrent(q, k, v, i, f)[0]
    # The parallel one has the least m there can be, and so another epsilon.
    assert error(reference.parallel(q, k, v, i, f), h) < 1e-5
    exact = reference.recurrent(q, k, v, i, f, epsilon=0)[0]
    assert error(reference.parallel(q, k, v, i, f, epsilon=0), exact) < 1e-12


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gates", GATES)
def test_gradients_are_differences(form, gates):
    case = Case(2, 5, 7, [1, 0, 37, 50], form=form, chunk_size=16, **GATES[gates])
    found = case.train()[4:]
    names = [*case.arrays, "C", "n", "m"]
    varied = dict(zip(names, [*case.arrays.values(), *case.state], strict=True))
    rng = np.random.default_rng(1)
    for name, gradient in zip([*"qkvifo", "C", "n", "m"], found, strict=True):
        array = varied[name]
        if name == "m" and "input_gate" in case.options:
            assert not gradient.any()
            continue
        direction = rng.standard_normal(array.shape) / np.sqrt(array.size)
        losses = []
        for sign in (1, -1):
            array += sign * 1e-6 * direction
            h, after = case.apply()
            array -= sign * 1e-6 * direction
            ends = zip(after, case.dstate, strict=True)
            losses.append(np.vdot(h, case.dh) + sum(np.vdot(*pair) for pair in ends))
        difference = (losses[0] - losses[1]) / 2e-6
        assert abs(np.vdot(gradient, direction) - difference) < 1e-6 * max(
            1, np.abs(gradient).max()
        ), name


@pytest.mark.parametrize("gates", GATES)
def test_two_pieces_are_the_whole(gates):
    whole = Case(2, 4, 4, [70], **GATES[gates])
    h, *rest = whole.train()
    pieces = [Case(2, 4, 4, [n], **GATES[gates]) for n in (33, 37)]
    for piece, rows in zip(pieces, (slice(33), slice(33, None)), strict=True):
        piece.arrays = {name: a[rows] for name, a in whole.arrays.items()}
        piece.dh = whole.dh[rows]
    first, second = pieces
    first.state, second.dstate = whole.state, whole.dstate
    second.state = first.apply()[1]
    out = second.train()
    first.dstate = out[-3:]
    before = first.train()
    assert error(np.concatenate([before[0], out[0]]), h) < 1e-11
    for k in range(3):
        assert error(out[1 + k], rest[k]) < 1e-12
        assert error(before[-3 + k], rest[-3 + k]) < 1e-9
    for k in range(6):
        both = np.concatenate([before[4 + k], out[4 + k]])
        assert error(both, rest[3 + k]) < 1e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_bits_depend_on_neither_threads_nor_company(dtype, form, target):
    # 3e6 operations are the least that get a team.
    case = Case(3, 16, 24, [90, 300, 7, 0, 200], dtype, form=form)
    alone = [a.tobytes() for a in case.train(threads=1)]
    for threads in (2, 3):
        assert [a.tobytes() for a in case.train(threads=threads)] == alone
    h = case.apply()[0]
    rows = slice(case.offsets[1], case.offsets[2])
    single = case.memory.apply(
        **{name: a[rows] for name, a in case.arrays.items()},
        offsets=np.array([0, 300]),
        state=tuple(s[1:2].copy() for s in case.state),
    )[0]
    assert single.tobytes() == h[rows].tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_slices_of_wider_rows_have_the_same_bits(form):
    case = Case(2, 5, 7, LENGTHS, "float32", form=form)
    apart = Case(2, 5, 7, LENGTHS, "float32", form=form)
    wide = np.concatenate(list(case.arrays.values()), axis=1)
    ends = np.cumsum([0] + [a.shape[1] for a in case.arrays.values()])
    apart.arrays = {
        name: wide[:, a:b]
        for name, a, b in zip(case.arrays, ends, ends[1:], strict=False)
    }
    for one, other in zip(case.train(), apart.train(), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("form", FORMS)
def test_extreme_gates_stay_finite_and_right(gates, form, target):
    for size in (30, 1e3):
        case = Case(2, 8, 8, [200], "float32", form=form, **GATES[gates])
        rng = np.random.default_rng(3)
        for name in "if":
            case.arrays[name] = rng.choice([-size, 0, size], (200, 2)).astype("f4")
        if "forget_gate" in case.options:
            case.arrays["f"] = -np.abs(case.arrays["f"])
        exact = Case(2, 8, 8, [200], "float64", form=form, **GATES[gates])
        exact.arrays = {name: a.astype(float) for name, a in case.arrays.items()}
        exact.state = tuple(s.astype(float) for s in case.state)
        exact.dh, exact.dstate = (
            case.dh.astype(float), tuple(s.astype(float) for s in case.dstate)
        )  # fmt: skip
        found, wanted = case.train(), exact.train()
        assert all(np.isfinite(a).all() for a in found)
        # What divides may be near zero, so that roundings are seen many times larger.
        differences = np.abs(found[0] - wanted[0])
        assert np.median(differences) < 1e-6
        assert np.quantile(differences, 0.99) < 1e-3 * np.abs(wanted[0]).max()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["q", "k", "v", "i", "f", "o"])
def test_nan_comes_out_where_it_went_in_and_not_before(form, name):
    case = Case(1, 4, 4, [90], form=form)
    clean = case.apply()[0]
    case.arrays[name][50] = np.nan
    h, after = case.apply()
    assert h[:50].tobytes() == clean[:50].tobytes()
    assert np.isnan(h[50]).all()
    if name in "kvif":
        assert np.isnan(h[51:]).all() and np.isnan(after[0]).all()
    else:
        assert h[51:].tobytes() == clean[51:].tobytes()


def test_memory_of_training_grows_with_the_steps():
    memory = MatrixMemory(4, 32)
    sizes = [memory._kernel.tape_size(np.array([0, n])) for n in (1000, 10_000)]
    assert 9.5 < sizes[1] / sizes[0] < 10.5
    assert sizes[0] < 1000 * 3 * 128  # q, k and v take more


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_has_the_bits_of_the_recurrent_form(dtype, target):
    case = Case(2, 5, 20, [40, 40, 40], dtype, form="recurrent")
    h, after = case.apply()
    stream = case.memory.stream(3)
    stream.set_state(case.state)
    other = None
    for t in range(40):
        rows = {name: a[t::40] for name, a in case.arrays.items()}
        assert stream.step(**rows).tobytes() == h[t::40].tobytes()
        if t == 20:
            other = stream.copy()
        elif t > 20:
            assert other.step(**rows).tobytes() == h[t::40].tobytes()
    for a, b in zip(stream.get_state(), after, strict=True):
        assert a.tobytes() == b.tobytes()
    stream.reset([1])
    state = stream.get_state()
    assert not state[0][1].any() and state[0][0].any() and state[0][2].any()
    stream.set_state(None)
    assert not any(s.any() for s in stream.get_state())


def test_a_large_stream_shares_its_rows_among_threads():
    case = Case(4, 64, 64, [1] * 64, "float32", form="recurrent")
    before = _core.threads()
    answers = []
    for threads in (1, 2, 3):
        _core.set_threads(threads)
        stream = case.memory.stream(64)
        stream.set_state(case.state)
        answers.append(stream.step(**case.arrays).tobytes())
    _core.set_threads(0)
    assert _core.threads() == before
    assert answers[0] == answers[1] == answers[2] == case.apply()[0].tobytes()


@needs_glibc
def test_the_mode_comes_back():
    case = Case(2, 4, 4, [30] * 20, "float32")
    before = float_mode()
    case.train(threads=2)
    case.memory.stream(20).step(**{k: a[::30] for k, a in case.arrays.items()})
    assert float_mode() == before


def test_a_call_writes_nothing_but_its_output():
    case = Case(2, 4, 4, LENGTHS)
    before = pickle.dumps((case.arrays, case.state))
    held = dict(vars(case.memory))
    case.apply()
    assert vars(case.memory) == held
    case.train()
    assert pickle.dumps((case.arrays, case.state)) == before
    again = pickle.loads(pickle.dumps(case.memory))
    case.memory.release()
    assert (
        copy.copy(again).apply(**case.given())[0].tobytes() == case.apply()[0].tobytes()
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_long_call_hears_an_interrupt(form):
    steps = 12_000 if form == "parallel" else 90_000
    case = Case(1, 256, 256, [1], "float32", form=form)
    case.arrays = {
        name: np.broadcast_to(a, (steps, a.shape[1])) for name, a in case.arrays.items()
    }
    case.offsets = np.array([0, steps])
    tape = case.memory.record(**case.given())[2]
    # From a sixth of a second of work on, on a processor of 260 GFLOP/s.
    interrupt(lambda: case.apply(threads=1), after=0.04)
    interrupt(lambda: case.memory.pull(tape, None, threads=1), after=0.04)


def test_the_door_names_both_numbers():
    case = Case(2, 4, 6, [5])
    for name, a in case.arrays.items():
        given = case.given() | {name: a[:, 1:]}
        match = rf"{name}: expected \(5, {a.shape[1]}\), got \(5, {a.shape[1] - 1}\)"
        with pytest.raises(ValueError, match=match):
            case.memory.apply(**given)
    with pytest.raises(ValueError, match="elements of a row side by side"):
        case.apply(q=np.repeat(case.arrays["q"], 2, axis=1)[:, ::2])
    with pytest.raises(ValueError, match=r"C: expected \(1, 2, 6, 4\)"):
        case.apply(state=(case.state[0][:, :1].copy(), *case.state[1:]))
    with pytest.raises(ValueError, match="offsets that start at 0 and never decrease"):
        case.apply(offsets=np.array([0, 4, 3, 5]), state=None)
    with pytest.raises(MemoryError, match=r"fit an address: about .* bytes"):
        MatrixMemory(1, 2**40, 2**40)


@pytest.mark.parametrize("form", ["chunkwise", "recurrent"])
def test_xlstm_gives_the_same(form):
    torch = pytest.importorskip("torch", reason="a peer, installed by `make bench`")
    backends = pytest.importorskip("xlstm.blocks.mlstm.backends")
    case = Case(3, 8, 8, [100], "float32", form=form)
    del case.arrays["o"]
    case.state = None

    def heads_first(x):
        return torch.tensor(x).view(1, 100, 3, -1).transpose(1, 2)

    theirs = [heads_first(case.arrays[name]) for name in "qkvif"]
    h = backends.parallel_stabilized_simple(*theirs)
    got, (C, n, m) = case.apply()
    assert error(got, h.transpose(1, 2).reshape(100, 24).numpy()) < 1e-5
    state = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 1), torch.zeros(1, 3, 1, 1)
    for t in range(100):
        step = [x[:, :, t : t + 1].clone() for x in theirs]
        h, state = backends.recurrent_step_stabilized_simple(*state, *step)
    assert error(got[-1], h.reshape(24).numpy()) < 1e-5
    # Theirs is (d_k, d_v).
    assert error(C, state[0].transpose(2, 3).numpy()) < 1e-5
    assert error(n, state[1][..., 0].numpy()) < 1e-5
    assert error(m, state[2][..., 0, 0].numpy()) < 1e-5
