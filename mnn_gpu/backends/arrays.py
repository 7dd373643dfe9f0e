"""Properties of arrays of any library: where they are, and how to convert them."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

READS_DEVICES = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
"""Whether NumPy's `from_dlpack` takes ``device``."""


def is_non_numpy(array: Any) -> bool:
    """Return whether this is an array of a library other than NumPy."""
    return array_api_compat.is_array_api_obj(array) and not array_api_compat.is_numpy_array(array)


def is_on_host(array: Any) -> bool:
    """Return whether NumPy can read the array in place."""
    place = array_api_compat.device(array)
    if array_api_compat.is_jax_array(array):
        return bool(place.platform == "cpu")
    return str(getattr(place, "type", place)).lower() in ("cpu", "cpu_device")


def to_host(array: Any) -> npt.NDArray[Any]:
    """Copy an array of any library to the host; convert anything else with NumPy."""
    if not is_non_numpy(array) or is_lazy(array):
        return np.asarray(array)
    if not READS_DEVICES:
        return _moved_to_host(without_gradients(array))
    return np.from_dlpack(without_gradients(array), device="cpu")


def _moved_to_host(array: Any) -> npt.NDArray[Any]:
    """Copy an array to the host with the functions of its array library."""
    if array_api_compat.is_jax_array(array):
        return np.asarray(array)
    host: Any = "cpu"
    if not (array_api_compat.is_cupy_array(array) or array_api_compat.is_torch_array(array)):
        devices = array_api_compat.array_namespace(array).__array_namespace_info__().devices()
        host = next(device for device in devices if "cpu" in str(device).lower())
    return np.asarray(array_api_compat.to_device(array, host))


def is_lazy(array: Any) -> bool:
    """Return whether this is an array that NumPy evaluates on reading, such as Dask's."""
    return bool(array_api_compat.is_dask_array(array))


def without_gradients(array: Any) -> Any:
    """Return a torch tensor detached from its gradient record; any other array unchanged."""
    return array.detach() if getattr(array, "requires_grad", False) else array
