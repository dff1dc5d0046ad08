"""Make the data file of load_japanese_vowels again, from the package aeon's copy.

    pip download --no-deps aeon==1.6.0
    python examples/make_japanese_vowels.py aeon-1.6.0-py3-none-any.whl

The result is the same byte for byte wherever zlib is the same, and always the same
once loaded.
"""

import argparse
import hashlib
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np

FOLDER = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_"
DIGESTS = {
    "TRAIN": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "TEST": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
TARGET = Path("src/lstmc/datasets/data/japanese_vowels.npz")


def read_part(wheel, part):
    """Series of (12, T) whole millionths and their speakers, from one .ts file."""
    content = wheel.read(f"{FOLDER}{part}.ts")
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGESTS[part]:
        raise ValueError(f"{part}: expected the sha256 {DIGESTS[part]}, got {digest}")
    _, _, body = content.decode().partition("@data")
    series, speakers = [], []
    for line in body.split():
        *features, speaker = line.split(":")
        # Decimal keeps the printed figure, and what int() drops is seen below.
        scaled = [[Decimal(x) * 10**6 for x in row.split(",")] for row in features]
        values = np.array([[int(x) for x in row] for row in scaled], np.int32)
        if (values != np.array(scaled)).any():
            raise ValueError(f"{part}: expected at most six decimals, got {line}")
        series.append(values)
        speakers.append(int(speaker))
    return series, speakers


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", help="aeon-1.6.0-py3-none-any.whl")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    with zipfile.ZipFile(arguments.wheel) as wheel:
        parts = [read_part(wheel, part) for part in DIGESTS]
    series = [x for part, _ in parts for x in part]
    millionths = np.concatenate(series, axis=1).astype("<i4")  # (12, sum T)
    arrays = {
        "planes": np.moveaxis(millionths[..., None].view(np.uint8), -1, 0),
        "lengths": np.array([x.shape[1] for x in series], np.uint8),
        "speakers": np.array([k for _, part in parts for k in part], np.uint8),
    }
    with zipfile.ZipFile(arguments.output, "w") as target:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, np.ascontiguousarray(array))
            # A ZipInfo of its own has a fixed date: the same bytes on any day.
            info = zipfile.ZipInfo(f"{name}.npy")
            target.writestr(info, file.getvalue(), zipfile.ZIP_DEFLATED, 9)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
