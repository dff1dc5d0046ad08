"""What all layers share: one flat master copy of weights, which a solver updates."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .. import _core

ALIGNMENT = 64  # bytes: a cache line, what the kernels ask for

LARGE, fresh = _core.LARGE, _core.fresh

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def aligned(size: int, dtype) -> np.ndarray:
    """An uninitialised 1-D array whose first element starts a cache line."""
    dtype = np.dtype(dtype)
    if size * dtype.itemsize >= LARGE:
        return fresh((size,), dtype)
    spare = ALIGNMENT // dtype.itemsize
    whole = np.empty(size + spare, dtype)
    start = -whole.__array_interface__["data"][0] % ALIGNMENT // dtype.itemsize
    return whole[start : start + size]


def checked_dtype(dtype) -> np.dtype:
    """float32 or float64 as a dtype, or TypeError."""
    found = np.dtype(dtype)
    if found not in FLOATS:
        raise TypeError(f"dtype: expected float32 or float64, got {found}")
    return found


class Layer(ABC):
    """Base of the layers: a flat master copy of the weights, and names for its parts.

    A subclass sets `n_weights`, `dtype` and `weights`, lists its parameters in
    `shapes`, and translates in `_read` and `_write`.
    """

    n_weights: int
    dtype: np.dtype
    weights: np.ndarray
    shapes: dict[str, tuple[int, ...]]

    @property
    @abstractmethod
    def penalised(self) -> list[slice]:
        """The parts of `weights` that an L2 penalty touches: all but the biases."""

    @abstractmethod
    def _read(self) -> dict[str, np.ndarray]:
        """Copies of the parameters out of `weights`."""

    @abstractmethod
    def _write(self, parameters: dict[str, np.ndarray]) -> None:
        """Parameters of the right shapes into `weights`."""

    def bind(self, weights: np.ndarray) -> None:
        """Move the weights into the given 1-D array, and use that from now on."""
        weights[:] = self.weights
        self.weights = weights

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Copies by PyTorch's names, read-only; see load_parameters."""
        parameters = self._read()
        for array in parameters.values():
            array.flags.writeable = False
        return parameters

    def load_parameters(self, parameters: dict[str, np.ndarray]) -> None:
        """Set all parameters.

        Parameters
        ----------
        parameters : dict of str to array
            Every name of `parameters`, with its shape.

        Raises
        ------
        ValueError
            A name is missing or unknown, a shape differs, or a value is not finite.
        """
        if set(parameters) != set(self.shapes):
            raise ValueError(
                f"parameters: expected {sorted(self.shapes)}, got {sorted(parameters)}"
            )
        clean = {}
        for name, shape in self.shapes.items():
            array = np.ascontiguousarray(parameters[name], dtype=self.dtype)
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name}: expected finite values, got NaN or infinity")
            clean[name] = array
        self._write(clean)

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        del state["weights"]
        return state | {"parameters": self._read()}

    def __setstate__(self, state: dict) -> None:
        parameters = state.pop("parameters")
        self.__dict__.update(state)
        self.weights = aligned(self.n_weights, self.dtype)
        self.weights[:] = 0
        self._write(parameters)
