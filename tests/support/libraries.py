"""The array libraries on which tests run."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt
import pytest


@dataclass(frozen=True)
class Library:
    """An array library on one of its devices."""

    name: str
    xp: Any
    device: Any

    def asarray(self, array: npt.ArrayLike, dtype: str | None = None) -> Any:
        """Copy a host array to the device; by default in its own dtype."""
        host = np.asarray(array)
        wanted = getattr(self.xp, dtype or str(host.dtype))
        return self.xp.asarray(host.tolist(), dtype=wanted, device=self.device)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        """Copy an array to the host."""
        if self.name == "array_api_strict":
            array = array_api_compat.to_device(array, self.xp.Device("CPU_DEVICE"))
        elif self.name in ("torch", "cupy"):
            array = array_api_compat.to_device(array, "cpu")
        return np.asarray(array)

    def owns(self, array: Any) -> bool:
        """Return whether an array is of this library and on this device."""
        return bool(
            array_api_compat.array_namespace(array) is self.xp
            and array_api_compat.device(array) == self.device
        )


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def library(name: str) -> Library:
    """Load a library by name; array_api_strict on its second simulated device."""
    if name == "numpy":
        return Library(name, importlib.import_module("array_api_compat.numpy"), "cpu")
    if name == "array_api_strict":
        strict = importlib.import_module(name)
        return Library(name, strict, strict.Device("device1"))
    if name == "torch":
        torch = importlib.import_module(name)
        return Library(name, importlib.import_module("array_api_compat.torch"), torch.device("cpu"))
    if name == "jax":
        jax = importlib.import_module(name)
        return Library(name, jax.numpy, jax.devices("cpu")[0])
    cupy = importlib.import_module("cupy")
    return Library(name, importlib.import_module("array_api_compat.cupy"), cupy.cuda.Device(0))


def without_float64() -> Library:
    """Return array_api_strict on a simulated device that refuses float64, as PyTorch's mps does."""
    strict = importlib.import_module("array_api_strict")
    try:
        return Library("array_api_strict", strict, strict.Device("no_float64"))
    except ValueError:
        pytest.skip("array_api_strict 2.6 simulates a device without float64")
