"""Any other array API library, on the device of the given arrays."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from mnn_gpu.backends.arrays import is_non_numpy, to_host
from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.errors import DeviceError, UsageError
from mnn_gpu.nn.network import widest_float

SHARD_ROWS = 65536


@dataclass(frozen=True)
class PlainBackend(Backend):
    """The library and the device of an array; steps run uncompiled."""

    place: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, array: Any) -> PlainBackend:
        """Return the backend of an array's library and device."""
        xp, place = array_api_compat.array_namespace(array), array_api_compat.device(array)
        name = xp.__name__.removeprefix("array_api_compat.")
        return cls(name, str(place), xp, SHARD_ROWS, 1, place=place)

    @cached_property
    def has_float64(self) -> bool:
        """Whether the device has float64; PyTorch's mps does not, for example."""
        return bool(widest_float(self.xp, self.place) == self.xp.float64)

    def dtype(self, name: str) -> Any:
        if name == "float64" and not self.has_float64:
            raise UsageError(f"{self.device} has no float64.", "Use float32, or another device.")
        return super().dtype(name)

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        """Return a copy on the device; without ``dtype``, float64 becomes float32 if it must."""
        there: Any = array
        if not is_non_numpy(array):
            # Not all libraries accept arrays that are read-only or in another byte order.
            host = np.array(array, dtype)
            host = host.astype(host.dtype.newbyteorder("="), copy=False)
            if dtype is None and host.dtype == np.float64 and not self.has_float64:
                host = host.astype(np.float32)
            there, dtype = host, host.dtype
        wanted = None if dtype is None else self.dtype(np.dtype(dtype).name)
        return self.xp.asarray(there, dtype=wanted, device=self.place)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        return to_host(array)

    def synchronize(self) -> None:
        pass

    def memory(self) -> Memory:
        return Memory(None, None)

    def active(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def explain(self, error: BaseException) -> DeviceError | None:  # noqa: ARG002
        return None
