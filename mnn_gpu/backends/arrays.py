"""Whose an array is, and where: its library, its device, its backend."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt


def is_non_numpy(array: Any) -> bool:
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
    if not is_non_numpy(array) or is_lazy(array):
        return np.asarray(array)
    return np.from_dlpack(without_gradients(array), device="cpu")


def is_lazy(array: Any) -> bool:
    """Whether it is an array whose values NumPy has computed when it reads them, such as Dask's."""
    return bool(array_api_compat.is_dask_array(array))


def without_gradients(array: Any) -> Any:
    """Return a torch tensor without the record that it keeps to differentiate; else the array."""
    return array.detach() if getattr(array, "requires_grad", False) else array
