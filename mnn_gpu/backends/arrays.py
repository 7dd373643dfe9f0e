"""Whose an array is, and where: its library, its device, its backend."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends.base import Backend
from mnn_gpu.backends.select import select_backend


def is_foreign(array: Any) -> bool:
    """Whether it is an array, but none of NumPy's."""
    return array_api_compat.is_array_api_obj(array) and not array_api_compat.is_numpy_array(array)


def is_on_host(array: Any) -> bool:
    """Whether NumPy can read the array where it is."""
    place = array_api_compat.device(array)
    if array_api_compat.is_jax_array(array):
        return bool(place.platform == "cpu")
    return str(getattr(place, "type", place)).lower() in ("cpu", "cpu_device")


def to_host(array: Any) -> npt.NDArray[Any]:
    """Bring an array of any library to the host; anything else as NumPy understands it."""
    if not is_foreign(array) or is_lazy(array):
        return np.asarray(array)
    return np.from_dlpack(without_gradients(array), device="cpu")


def is_lazy(array: Any) -> bool:
    """Whether it is an array whose values NumPy has computed when it reads them, such as Dask's."""
    return bool(array_api_compat.is_dask_array(array))


def without_gradients(array: Any) -> Any:
    """Return a torch tensor without the record that it keeps to differentiate; else the array."""
    return array.detach() if getattr(array, "requires_grad", False) else array


def backend_of(array: Any) -> Backend:
    """Return the backend on which an array is worked on where it is.

    Raises
    ------
    DeviceError
        If its GPU does not run.
    """
    from mnn_gpu.backends.array_api_backend import PlainBackend

    place = array_api_compat.device(array)
    if array_api_compat.is_cupy_array(array):
        return select_backend(f"cuda:{place.id}")
    if array_api_compat.is_jax_array(array) and place.platform in ("cpu", "gpu"):
        return select_backend("cpu" if place.platform == "cpu" else f"cuda:{place.id}", "jax")
    return PlainBackend.of(array)
