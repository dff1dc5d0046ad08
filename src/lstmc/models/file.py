"""One model in one file: safetensors with a version, a kind and a checksum.

The layout is that of safetensors, so other readers of the format can open it:

    8 bytes      length N of the header, little-endian
    N bytes      the header: JSON, UTF-8, padded with spaces to a multiple of 8
    the rest     the tensors, little-endian, C order, no gap, no overlap

`__metadata__` of the header carries what makes the tensors a model: `format`
(the version), `kind` (a name that the caller knows), `config` (JSON) and `sha256`,
the checksum of the whole file with its own 64 digits read as zeros. A file is data:
nothing in it is imported, evaluated or executed.

Source: https://github.com/huggingface/safetensors, section Format.
"""

import errno
import hashlib
import json
import math
import os
import re
import reprlib
import secrets
import struct
from pathlib import Path

import numpy as np

__all__ = ["ModelFileError", "read_model", "write_model"]

FORMAT = "lstmc-1"
DTYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}

MAX_HEADER = 1 << 20  # bytes; a thousand layers need a tenth of it
MAX_NDIM = 8
NAME = re.compile(r"[A-Za-z0-9_.]{1,128}", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
NO_DIGEST = "0" * 64


class ModelFileError(ValueError):
    """The file is not a model that this version of lstmc can read.

    The message names the file, what was expected and what was found.

    Examples
    --------
    >>> from lstmc.models.file import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """


def write_model(path, kind, tensors, config):
    """Write a model to one safetensors file, atomically.

    The bytes go to a temporary file in the same folder, reach the disk, and only
    then take the place of `path`: a crash leaves the old file or the new one.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write; an older one is replaced.
    kind : str
        Which model it is.
    tensors : dict of str to ndarray
        Arrays of float32, float64 or int64; finite, of any shape without a zero.
    config : dict
        Parameters: whatever JSON gives back as it was.

    Raises
    ------
    ValueError, TypeError
        If an argument could not be read back. Nothing is written.
    OSError
        If the file system refuses. The old file is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from lstmc.models.file import read_model, write_model
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> write_model(path, "regressor", {"b": np.zeros(2)}, {"cell": "gru"})
    >>> read_model(path)
    ('regressor', {'b': array([0., 0.])}, {'cell': 'gru'})
    """
    if type(kind) is not str or not NAME.fullmatch(kind):
        raise ValueError(f"kind: expected a name like {NAME.pattern}, got {kind!r}")
    text = json.dumps(config, allow_nan=False)
    if parse_json(text) != config:
        raise TypeError(f"config: expected a dict that JSON gives back, got {config!r}")
    arrays = {name: check_tensor(name, tensors[name]) for name in tensors}
    # Widest first, so that every tensor lies at a multiple of its own item size.
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    header = encode_header(kind, arrays, text, NO_DIGEST)
    digest = hashlib.sha256(header)
    for array in arrays.values():
        digest.update(array)
    header = encode_header(kind, arrays, text, digest.hexdigest())
    replace_file(Path(path).resolve(), [header, *arrays.values()])


def read_model(path):
    """Read a model file, or say what is wrong with it.

    Parameters
    ----------
    path : str or os.PathLike
        The file to read.

    Returns
    -------
    kind : str
        Which model it is: for the caller to look up in a fixed table.
    tensors : dict of str to ndarray
        Finite C-contiguous arrays in the machine's byte order.
    config : dict
        The parameters that were written.

    Raises
    ------
    ModelFileError
        If any bit differs from what was written, or it was not written by lstmc.
    OSError
        If the file system refuses.

    Examples
    --------
    >>> import os, tempfile
    >>> from lstmc.models.file import read_model
    >>> path = os.path.join(tempfile.mkdtemp(), "empty")
    >>> open(path, "wb").close()
    >>> read_model(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lstmc.models.file.ModelFileError: ...: expected 8 bytes of header length, got 0
    """
    with open(path, "rb") as file:
        try:
            return decode(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from None


def check_tensor(name, tensor):
    """The tensor as it is stored: little-endian, C-contiguous."""
    array = np.asarray(tensor, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if type(name) is not str or not NAME.fullmatch(name):
        raise ValueError(f"tensors: expected a name like {NAME.pattern}, got {name!r}")
    if array.dtype not in CODES:
        raise ValueError(f"{name}: expected one of {[*DTYPES]}, got {array.dtype}")
    if array.size == 0 or array.ndim > MAX_NDIM:
        raise ValueError(
            f"{name}: expected at most {MAX_NDIM} dimensions, none of them 0, "
            f"got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    return array


def encode_header(kind, arrays, config, digest):
    """The length and the JSON header, padded so that the tensors are aligned."""
    metadata = {"format": FORMAT, "kind": kind, "config": config, "sha256": digest}
    header, end = {"__metadata__": metadata}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": CODES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(
            f"header: expected at most {MAX_HEADER} bytes of names, shapes and "
            f"parameters, got {len(text)}"
        )
    return struct.pack("<Q", len(text)) + text


def replace_file(path, chunks):
    """Write the chunks to `path` such that a crash leaves the old or the new file."""
    if path.exists() and not path.is_file():  # os.replace would remove a device
        raise FileExistsError(errno.EEXIST, "expected a regular file", str(path))
    temporary = path.with_name(f"{path.name}.tmp.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    # The rename itself is durable once the folder is; Windows has no such call.
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def decode(file, size):
    """The kind, tensors and parameters in a file of `size` bytes."""
    prefix = file.read(8)
    expect(len(prefix) == 8, "8 bytes of header length", len(prefix))
    (length,) = struct.unpack("<Q", prefix)
    limit = min(MAX_HEADER, size - 8)
    expect(length <= limit, f"a header of at most {limit} bytes", length)
    raw = file.read(length)
    header = parse_header(raw)
    kind, config, digest = check_metadata(header.pop("__metadata__", None))
    layout = check_layout(header, size - 8 - length)
    raw = raw.replace(digest.encode(), NO_DIGEST.encode(), 1)
    tensors, found = read_tensors(file, layout, hashlib.sha256(prefix + raw))
    expect(found == digest, f"the sha256 {digest} (the file is damaged)", found)
    for name, array in tensors.items():
        expect(np.isfinite(array).all(), f"finite values in {name}", "NaN or infinity")
    return kind, tensors, parse_json(config)


def expect(condition, expected, got):
    """Refuse the file unless the condition holds."""
    if not condition:
        raise ModelFileError(f"expected {expected}, got {reprlib.repr(got)}")


def parse_header(raw):
    """The JSON object in the bytes of the header."""
    expect(raw.startswith(b"{"), "a header that begins with '{'", raw)
    try:
        return parse_json(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ModelFileError(f"expected a header in UTF-8, got {error}") from None


def parse_json(text):
    """A JSON object, strictly: no duplicate key, no NaN, no infinity."""

    def unique(pairs):
        result = dict(pairs)
        expect(len(result) == len(pairs), "unique keys", [key for key, _ in pairs])
        return result

    def finite(digits):
        value = float(digits)
        expect(math.isfinite(value), "finite numbers", digits)
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_float=finite, parse_constant=finite
        )
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"expected JSON, got {error}") from None
    expect(type(value) is dict, "a JSON object", value)
    return value


def check_metadata(metadata):
    """The kind, the JSON of the parameters and the checksum."""
    expect(type(metadata) is dict, "the __metadata__ of a model of lstmc", metadata)
    version = metadata.get("format")
    newer = type(version) is str and re.fullmatch("lstmc-[0-9]+", version)
    hint = " (a newer lstmc is needed)" if newer else ""
    expect(version == FORMAT, f"the format {FORMAT!r}{hint}", version)
    keys = ["format", "kind", "config", "sha256"]
    expect(sorted(metadata) == sorted(keys), f"{keys} in __metadata__", [*metadata])
    kind, config, digest = (metadata[key] for key in keys[1:])
    named = type(kind) is str and NAME.fullmatch(kind)
    expect(named, f"a kind like {NAME.pattern}", kind)
    expect(type(config) is str, "a config that is a string", config)
    hexadecimal = type(digest) is str and DIGEST.fullmatch(digest)
    expect(hexadecimal, "a sha256 of 64 hexadecimal digits", digest)
    return kind, config, digest


def check_layout(header, size):
    """Name -> (dtype, shape) of tensors that fill `size` bytes exactly, in order."""
    keys = ["dtype", "shape", "data_offsets"]
    layout, end = {}, 0
    for name, entry in header.items():
        expect(NAME.fullmatch(name), f"a name like {NAME.pattern}", name)
        described = type(entry) is dict and sorted(entry) == sorted(keys)
        expect(described, f"{name}: {keys}", entry)
        code, shape, offsets = (entry[key] for key in keys)
        known = type(code) is str and code in DTYPES
        expect(known, f"{name}: a dtype of {[*DTYPES]}", code)
        # No dimension exceeds the bytes there are: the product cannot run away.
        bounded = is_integers(shape) and all(0 < k <= size for k in shape)
        expect(bounded, f"{name}: dimensions from 1 to {size}", shape)
        expect(len(shape) <= MAX_NDIM, f"{name}: at most {MAX_NDIM} dimensions", shape)
        span = [end, end + math.prod(shape) * DTYPES[code].itemsize]
        exact = is_integers(offsets) and offsets == span
        expect(exact, f"{name}: the data_offsets {span}", offsets)
        layout[name], end = (DTYPES[code], shape), span[1]
    expect(end == size, f"{end} bytes of tensors", size)
    return layout


def is_integers(value):
    """Whether the value is a list of int: bool is none, though Python says so."""
    return type(value) is list and all(type(k) is int for k in value)


def read_tensors(file, layout, digest):
    """The arrays, and the checksum continued over their bytes."""
    tensors = {}
    for name, (dtype, shape) in layout.items():
        array = np.empty(shape, dtype)
        values = array.reshape(-1).view(np.uint8)
        file.readinto(values)
        digest.update(values)
        tensors[name] = array.astype(dtype.newbyteorder("="), copy=False)
    return tensors, digest.hexdigest()
