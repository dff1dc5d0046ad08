"""The model file: what is written is read, and no crash loses the old file."""

import errno
import importlib.util
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from lstmc.models import file as model_file
from lstmc.models.file import DTYPES, read_model, write_model

KINDS = ("classifier", "regressor")
CONFIG = {"cell": "lstm", "hidden_size": 2, "alpha": 0.5, "names": ["ä", None, True]}
TENSORS = {
    "b": np.float32([0.5, -1.5, 2.0]),
    "W": np.float64([[1.0, 2.0], [3.0, -4.0]]),
    "classes_": np.int64([3, 7]),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def assert_same(tensors, expected):
    assert sorted(tensors) == sorted(expected)
    for name, tensor in expected.items():
        found = tensors[name]
        assert found.dtype == tensor.dtype.newbyteorder("=")
        assert found.shape == tensor.shape
        assert found.tobytes() == tensor.astype(found.dtype).tobytes()


# --- what is written is read -------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(path, kind):
    write_model(path, kind, TENSORS, CONFIG)
    found_kind, tensors, config = read_model(path)
    assert (found_kind, config) == (kind, CONFIG)
    assert_same(tensors, TENSORS)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_and_layout(path, dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    tensors = {
        "plain": values,
        "scalar": np.array(1, dtype),
        "strided": values[::-1, :, ::2],
        "fortran": np.asfortranarray(values[0]),
        "swapped": values.astype(dtype.newbyteorder(">")),
        "eight": values.reshape(1, 1, 2, 1, 3, 1, 1, 4),
    }
    tensors["plain"].flags.writeable = False
    write_model(path, KINDS[0], tensors, {})
    found = read_model(path)[1]
    assert_same(found, tensors)
    assert all(a.flags.carray and a.dtype.isnative for a in found.values())


def by_hand(path):
    """The tensors as the specification of safetensors says, in six lines."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:end])
    assert all(type(v) is str for v in header.pop("__metadata__").values())
    spans = {k: slice(*(end + o for o in v["data_offsets"])) for k, v in header.items()}
    return {
        k: np.frombuffer(content[spans[k]], DTYPES[v["dtype"]]).reshape(v["shape"])
        for k, v in header.items()
    }


def by_safetensors(path):
    from safetensors.numpy import load_file

    return load_file(path)


installed = importlib.util.find_spec("safetensors") is not None
READERS = [by_hand, by_safetensors] if installed else [by_hand]


@pytest.mark.parametrize("reader", READERS)
def test_other_readers_of_the_format_agree(path, reader):
    write_model(path, KINDS[0], TENSORS, CONFIG)
    assert_same(reader(path), TENSORS)
    assert by_hand(path)["b"].flags.aligned


# --- what cannot be read back is not written ---------------------------------


@pytest.mark.parametrize(
    ("kind", "tensors", "config", "error", "match"),
    [
        ("os/exec", {}, {}, ValueError, "kind: expected a name"),
        (None, {}, {}, ValueError, "kind: expected a name"),
        (KINDS[0], {"a b": np.ones(1)}, {}, ValueError, "expected a name like"),
        (KINDS[0], {"x" * 129: np.ones(1)}, {}, ValueError, "expected a name like"),
        (KINDS[0], {1: np.ones(1)}, {}, ValueError, "expected a name like"),
        (KINDS[0], {"x": np.array(["a"])}, {}, ValueError, "x: expected one of"),
        (KINDS[0], {"x": np.array([{}])}, {}, ValueError, "x: expected one of"),
        (KINDS[0], {"x": np.complex64([1])}, {}, ValueError, "got complex64"),
        (KINDS[0], {"x": np.float64([np.nan])}, {}, ValueError, "x: expected finite"),
        (KINDS[0], {"x": np.float32([np.inf])}, {}, ValueError, "x: expected finite"),
        (KINDS[0], {"x": np.ones((2, 0))}, {}, ValueError, r"got shape \(2, 0\)"),
        (KINDS[0], {"x": np.ones((1,) * 9)}, {}, ValueError, "at most 8 dimensions"),
        (KINDS[0], {}, {"alpha": np.nan}, ValueError, "JSON"),
        (KINDS[0], {}, {"f": print}, TypeError, "JSON"),
        (KINDS[0], {}, {"shape": (1, 2)}, TypeError, "config: expected a dict"),
        (KINDS[0], {}, {1: 2}, TypeError, "config: expected a dict"),
        (KINDS[0], {}, [], ValueError, "expected a JSON object"),
        (KINDS[0], {}, {"x": "x" * (1 << 20)}, ValueError, "header: expected at most"),
    ],
)
def test_unreadable_arguments_leave_the_old_file(
    path, kind, tensors, config, error, match
):
    path.write_bytes(b"old")
    with pytest.raises(error, match=match):
        write_model(path, kind, tensors, config)
    assert [*path.parent.iterdir()] == [path]
    assert path.read_bytes() == b"old"


def test_missing_file_is_the_file_systems_error(path):
    with pytest.raises(FileNotFoundError):
        read_model(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_model(path.parent / "nowhere" / "m", KINDS[0], TENSORS, CONFIG)


# --- a crash loses nothing ---------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_failing_call_keeps_the_old_file(path, monkeypatch, call, code):
    write_model(path, KINDS[0], TENSORS, CONFIG)
    old = path.read_bytes()

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(model_file.os, call, fail)
    with pytest.raises(OSError, match=r"model\.safetensors") as caught:
        write_model(path, KINDS[1], TENSORS, {})
    assert caught.value.errno == code
    assert [*path.parent.iterdir()] == [path]
    assert path.read_bytes() == old


def test_interrupt_removes_the_temporary_file(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_file.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_model(path, KINDS[0], TENSORS, CONFIG)
    assert not [*path.parent.iterdir()]


posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and RLIMIT_FSIZE")


def run(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@posix
def test_full_disk_keeps_the_old_file(path):
    """A limit on the size of a file makes write() itself fail, as a full disk does."""
    write_model(path, KINDS[0], TENSORS, CONFIG)
    old = path.read_bytes()
    script = """
import resource, sys
import numpy as np
from lstmc.models.file import write_model
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_model(sys.argv[1], "classifier", {"W": np.ones((100, 100))}, {})
except OSError as error:
    print(error.filename)
"""
    assert run(script, path).strip() == str(path)
    assert [*path.parent.iterdir()] == [path]
    assert path.read_bytes() == old


@posix
def test_kill_while_saving_leaves_a_whole_file(path):
    """100 children save in a loop and are killed after a random delay."""
    script = """
import os, random, signal, sys, time
import numpy as np
from lstmc.models.file import read_model, write_model
path, rng, seen = sys.argv[1], random.Random(0), set()
write_model(path, "classifier", {"W": np.full((50, 50), 0)}, {"value": 0})
for kill in range(100):
    child = os.fork()
    if child == 0:
        value = 1000 * kill
        while True:
            value += 1
            tensors = {"W": np.full((50, 50), value)}
            write_model(path, "classifier", tensors, {"value": value})
    time.sleep(rng.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kind, tensors, config = read_model(path)
    assert (tensors["W"] == config["value"]).all()
    seen.add(config["value"])
print(len(seen))
"""
    assert int(run(script, path)) > 10  # the children did save


def test_a_link_stays_a_link(path):
    target = path.with_name("target")
    write_model(target, KINDS[0], TENSORS, CONFIG)
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("this account may not create links")
    write_model(path, KINDS[1], TENSORS, CONFIG)
    assert path.is_symlink()
    assert read_model(target)[0] == KINDS[1]


def test_only_a_regular_file_is_replaced(path):
    with pytest.raises(FileExistsError, match="regular file"):
        write_model(path.parent, KINDS[0], TENSORS, CONFIG)
    with pytest.raises(FileExistsError, match="regular file"):
        write_model(os.devnull, KINDS[0], TENSORS, CONFIG)


# --- a file is data ----------------------------------------------------------


def test_reading_executes_nothing(path):
    """Auditing sees one event: that file opened."""
    write_model(path, KINDS[0], TENSORS, CONFIG)
    script = """
import sys
from lstmc.models.file import read_model
read_model(sys.argv[1])  # whatever NumPy imports on first use
events = []
def hook(event, arguments):
    events.append((event, arguments[0] if arguments else None))
sys.addaudithook(hook)
read_model(sys.argv[1])
seen = list(events)
assert seen == [("open", sys.argv[1])], seen
"""
    run(script, path)
