"""The model file refuses: any damage, any forgery, with a ModelFileError."""

import hashlib
import io
import json
import struct

import numpy as np
import pytest

from lstmc.models import file as model_file
from lstmc.models.file import ModelFileError, read_model, write_model

# The file as the format demands it, typed by hand: a later version that writes
# other bytes has changed the format, one that cannot read them has broken it.
GOLDEN_HEADER = (
    b'{"__metadata__":{"format":"lstmc-1","kind":"regressor","config":'
    b'"{\\"cell\\": \\"gru\\"}","sha256":'
    b'"%s"},'
    b'"W":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},'
    b'"b":{"dtype":"F32","shape":[1,1],"data_offsets":[16,20]}}'
)
GOLDEN_DATA = bytes.fromhex("000000000000f03f 00000000000000c0 0000003f")


def seal(header, data, length=None):
    """A file of this header and data with the checksum that belongs to them."""
    header = header % (b"0" * 64) if b"%s" in header else header
    prefix = struct.pack("<Q", len(header) if length is None else length)
    digest = hashlib.sha256(prefix + header + data).hexdigest().encode()
    return prefix + header.replace(b"0" * 64, digest, 1) + data


def golden():
    return seal(GOLDEN_HEADER + b" " * (-(len(GOLDEN_HEADER) + 62) % 8), GOLDEN_DATA)


def forge(change=None, data=None, metadata=None):
    """The golden file with a changed header, and its checksum in order again."""
    header = json.loads(GOLDEN_HEADER % (b"0" * 64))
    header["__metadata__"].update(metadata or {})
    header.update(change or {})
    return seal(json.dumps(header).encode(), GOLDEN_DATA if data is None else data)


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def refused(path, content, match=None):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=match) as caught:
        read_model(path)
    assert str(path) in str(caught.value)


def test_golden_bytes(path):
    tensors = {"b": np.float32([[0.5]]), "W": np.float64([1.0, -2.0])}
    write_model(path, "regressor", tensors, {"cell": "gru"})
    assert path.read_bytes() == golden()
    kind, found, config = read_model(path)
    assert (kind, config) == ("regressor", {"cell": "gru"})
    assert found["W"].tolist() == [1.0, -2.0]
    assert found["b"].tolist() == [[0.5]]


# --- damage ------------------------------------------------------------------


def test_every_truncation_is_refused(path):
    content = golden()
    for end in range(len(content)):
        refused(path, content[:end])


def decode(content):
    return model_file.decode(io.BytesIO(content), len(content))


def refuses_flip(content, position, bit):
    damaged = bytearray(content)
    damaged[position] ^= 1 << bit
    with pytest.raises(ModelFileError):
        decode(damaged)


def test_every_flipped_bit_is_refused():
    content = golden()
    for position in range(len(content)):
        for bit in range(8):
            refuses_flip(content, position, bit)


def test_random_flips_in_data_are_refused(path):
    rng = np.random.default_rng(0)
    write_model(path, "classifier", {"W": rng.standard_normal((64, 64))}, {})
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    for position in rng.integers(start, len(content), 2000):
        refuses_flip(content, position, rng.integers(8))


def test_plain_safetensors_is_not_a_model(path):
    header = json.dumps({"b": entry()}).encode()
    refused(path, struct.pack("<Q", len(header)) + header + b"\0" * 4, "__metadata__")


def test_newer_version_says_so(path):
    refused(path, forge(metadata={"format": "lstmc-2"}), "a newer lstmc is needed")
    refused(path, forge(metadata={"format": "pt"}), "format 'lstmc-1', got 'pt'")


# --- a forged file whose checksum is right -----------------------------------

HEADER = GOLDEN_HEADER % (b"0" * 64)
DEEP = b'{"a":' + b"[" * 100_000
NAN = struct.pack("<d", np.nan)
FORGED = {
    "empty": (b"", "8 bytes of header length, got 0"),
    "header over the cap": (struct.pack("<Q", (1 << 20) + 1) + b"{}" * (1 << 20), "at"),
    "header beyond the file": (seal(HEADER, b"", 1 << 19), "header of at most"),
    "length near 2**64": (seal(HEADER, GOLDEN_DATA, 2**64 - 1), "header of at most"),
    "no header": (seal(b"", GOLDEN_DATA), "begins with"),
    "begins with a space": (seal(b" " + HEADER, GOLDEN_DATA), "begins with"),
    "byte order mark": (seal(b"\xef\xbb\xbf" + HEADER, GOLDEN_DATA), "begins with"),
    "an array": (seal(b"[]", b""), "begins with"),
    "not UTF-8": (seal(HEADER.replace(b"gru", b"gr\xff"), GOLDEN_DATA), "UTF-8"),
    "UTF-16": (seal(HEADER.decode().encode("utf-16-le"), GOLDEN_DATA), "JSON"),
    "not JSON": (seal(HEADER.replace(b":[0", b";[0"), GOLDEN_DATA), "JSON"),
    "NaN in JSON": (seal(HEADER.replace(b"[2]", b"[NaN]"), GOLDEN_DATA), "finite"),
    "1e999 in JSON": (seal(HEADER.replace(b"[2]", b"[1e999]"), GOLDEN_DATA), "finite"),
    "5000 digits": (seal(HEADER.replace(b"[2]", b"[%s]" % (b"9" * 5000)), b""), "JSON"),
    "100000 brackets": (seal(DEEP, b""), "JSON"),
    "two documents": (seal(HEADER + b"{}", GOLDEN_DATA), "JSON"),
    "duplicate key": (seal(HEADER.replace(b'"b"', b'"W"'), GOLDEN_DATA), "unique keys"),
    "duplicate inner": (seal(HEADER.replace(b"shape", b"dtype"), b""), "unique keys"),
    "no metadata": (seal(b"{}", b""), "__metadata__"),
    "metadata a list": (forge({"__metadata__": ["0" * 64]}), "__metadata__"),
    "metadata key too many": (forge(metadata={"x": ""}), "in __metadata__"),
    "kind with a slash": (forge(metadata={"kind": "../x"}), "a kind like"),
    "kind a list": (forge(metadata={"kind": []}), "a kind like"),
    "config an object": (forge(metadata={"config": {}}), "config that is a string"),
    "config not JSON": (forge(metadata={"config": "{"}), "JSON"),
    "config a list": (forge(metadata={"config": "[]"}), "a JSON object"),
    "config key twice": (forge(metadata={"config": '{"a":1,"a":2}'}), "unique keys"),
    "config NaN": (forge(metadata={"config": '{"a":NaN}'}), "finite"),
    "sha256 short": (forge(metadata={"sha256": "0" * 63}), "64 hexadecimal digits"),
    "sha256 a number": (forge(metadata={"sha256": 0}), "64 hexadecimal digits"),
    "sha256 upper": (forge(metadata={"sha256": "A" * 64}), "64 hexadecimal digits"),
    "name with a slash": (forge({"../W": entry(offsets=(20, 24))}), "a name like"),
    "name empty": (forge({"": entry(offsets=(20, 24))}), "a name like"),
    "tensor a number": (forge({"b": 1}), "b: "),
    "tensor without dtype": (forge({"b": {"shape": [], "data_offsets": []}}), "b: "),
    "tensor with more": (forge({"b": {**entry(), "x": 1}}), "b: "),
    "dtype unknown": (forge({"b": entry("F8_E4M3")}), "b: a dtype of"),
    "dtype a list": (forge({"b": entry([])}), "b: a dtype of"),
    "shape a number": (forge({"b": {**entry(), "shape": 1}}), "b: dimensions"),
    "shape zero": (forge({"b": entry(shape=(0,), offsets=(16, 16))}), "b: dimensions"),
    "shape negative": (forge({"b": entry(shape=(-1, -1))}), "b: dimensions"),
    "shape true": (forge({"b": entry(shape=(True,))}), "b: dimensions"),
    "shape float": (forge({"b": entry(shape=(1.0,))}), "b: dimensions"),
    "shape overflows": (forge({"b": entry(shape=(2**62, 4))}), "b: dimensions"),
    "shape 4000 digits": (forge({"b": entry(shape=(10**4000,))}), "b: dimensions"),
    "product overflows": (forge({"b": entry(shape=(20,) * 8)}), "b: the data_offsets"),
    "nine dimensions": (forge({"b": entry(shape=(1,) * 9)}), "at most 8 dimensions"),
    "shape disagrees": (forge({"b": entry(offsets=(16, 19))}), "b: the data_offsets"),
    "hole": (forge({"b": entry(offsets=(17, 21))}), "b: the data_offsets"),
    "overlap": (forge({"b": entry(offsets=(12, 16))}), "b: the data_offsets"),
    "backwards": (forge({"b": entry(offsets=(20, 16))}), "b: the data_offsets"),
    "offsets true": (forge({"W": entry(offsets=(False, 4))}), "W: the data_offsets"),
    "offsets a string": (forge({"W": entry(offsets="04")}), "W: the data_offsets"),
    "bytes missing": (forge(data=GOLDEN_DATA[:-1]), "bytes of tensors|dimensions"),
    "bytes trailing": (forge(data=GOLDEN_DATA + b"\0"), "20 bytes of tensors, got 21"),
    "NaN weight": (forge(data=NAN + GOLDEN_DATA[8:]), "finite values in W"),
}


@pytest.mark.parametrize(("content", "match"), FORGED.values(), ids=FORGED)
def test_forged_files_are_refused(path, content, match):
    refused(path, content, match)


def test_the_forger_forges(path):
    """Control: with nothing changed its files are accepted."""
    path.write_bytes(forge())
    assert read_model(path)[0] == "regressor"


def test_random_headers_give_a_model_or_the_error():
    """Characters of the header are replaced, removed, doubled; the sum is right."""
    rng = np.random.default_rng(0)
    alphabet = np.frombuffer(b'{}[]",:0123456789eE.-+truefalsnIW\\\x00\xff ', "u1")
    refusals = 0
    for _ in range(2000):
        header = bytearray(HEADER)
        for _ in range(rng.integers(1, 4)):
            begin, end = np.sort(rng.integers(0, len(header), 2))
            end = min(end, begin + rng.integers(4))
            header[begin:end] = rng.choice(alphabet, rng.integers(4)).tobytes()
        try:
            decode(seal(bytes(header), GOLDEN_DATA))
        except ModelFileError:
            refusals += 1
    assert refusals > 1000
