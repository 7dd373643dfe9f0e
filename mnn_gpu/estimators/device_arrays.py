"""Arrays that are already on a GPU: detecting, validating and using them in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import array_api_compat
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.backends.arrays import is_lazy, is_on_host, to_host, without_gradients
from mnn_gpu.backends.select import backend_of
from mnn_gpu.errors import DataError
from mnn_gpu.storage.safetensors_file import data_digest

Array: TypeAlias = Any


@dataclass(frozen=True)
class DeviceRows:
    """Rows of features on a device, with the attributes of a NumPy array that scikit-learn reads.

    Attributes
    ----------
    array : (rows, features), floating
    dtype : numpy.dtype
    backend : Backend
        The backend of the array's library and device.
    """

    array: Array
    dtype: np.dtype[Any]
    backend: Backend

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def stand_in(self) -> npt.NDArray[Any]:
        """Return zeros of this shape and dtype that need no memory, for checks of the shape."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def taken(self, rows: npt.NDArray[np.integer[Any]]) -> DeviceRows:
        """Return some of the rows."""
        index = self.backend.asarray(rows)
        return DeviceRows(self.backend.xp.take(self.array, index, axis=0), self.dtype, self.backend)


def device_rows(X: Any) -> DeviceRows | None:
    """Return the rows of an array on a GPU, None for anything else.

    Arrays on the CPU are left to scikit-learn, unless its ``array_api_dispatch`` is enabled:
    then they too are used with their own library. Other dtypes are converted to float32.

    Raises
    ------
    DataError
        If it contains values that are not finite.
    """
    array = _array_of(X)
    if array is None:
        return None
    backend = backend_of(array)
    xp = backend.xp
    with backend.translate_errors():
        if not xp.isdtype(array.dtype, (xp.float32, xp.float64)):
            array = xp.astype(array, xp.float32)
        finite = bool(xp.all(xp.isfinite(array)))
    if not finite:
        raise DataError("X contains NaN or infinity.", "Remove such rows, or fill them in.")
    dtype = np.dtype("float64" if xp.isdtype(array.dtype, xp.float64) else "float32")
    return DeviceRows(array, dtype, backend)


def _array_of(X: Any) -> Array | None:
    """Return the array of an object whose data are on a device, else None."""
    if type(X).__module__.partition(".")[0] == "cudf":
        return X.values
    if not array_api_compat.is_array_api_obj(X) or is_sparse(X) or is_lazy(X):
        return None
    from sklearn import get_config

    if array_api_compat.is_numpy_array(X):
        return None
    there = get_config()["array_api_dispatch"] or not is_on_host(X)
    return without_gradients(X) if there else None


def on_host(values: Any) -> Any:
    """Bring targets or weights to the host, from a device, cuDF or Dask (which is computed)."""
    if type(values).__module__.partition(".")[0] == "cudf":
        return values.to_pandas()
    if isinstance(values, np.generic):  # One weight for all samples.
        return values
    if array_api_compat.is_array_api_obj(values) and not is_sparse(values):
        return to_host(values)
    return values


def is_sparse(X: Any) -> bool:
    """Return whether it is a SciPy sparse matrix or array."""
    from scipy.sparse import issparse

    return bool(issparse(X))


def digest_of(X: Any, y: npt.NDArray[Any], weights: npt.NDArray[Any] | None) -> str:
    """Return a digest of the data of a fit."""
    if isinstance(X, DeviceRows):
        parts = [X.backend.to_numpy(X.array)]
    elif is_sparse(X):
        rows = X.tocsr()
        parts = [np.array(rows.shape), rows.data, rows.indices, rows.indptr]
    else:
        parts = [X]
    return data_digest(*parts, y, *([] if weights is None else [weights]))
