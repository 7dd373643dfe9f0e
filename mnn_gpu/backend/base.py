"""What a backend is: an array namespace, a device, and the ways between host and device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy.typing as npt

from mnn_gpu.errors import DeviceError

Step = TypeVar("Step", bound=Callable[..., Any])


class Memory(NamedTuple):
    """A device's memory in bytes; None where the platform does not tell."""

    free: int | None
    total: int | None


@dataclass(frozen=True)
class Backend(ABC):
    """An array library on one device. Made by `select_backend`, held by the caller.

    Attributes
    ----------
    name : str
        The array library: ``"numpy"`` or ``"cupy"``.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    xp : module
        The array-API namespace of the device's arrays.
    shard_rows : int
        How many samples the device likes to work on at a time.
    """

    name: str
    device: str
    xp: Any = field(repr=False)
    shard_rows: int = field(repr=False)

    @abstractmethod
    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        """Bring a host array to the device, as ``dtype`` if given."""

    @abstractmethod
    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        """Bring a device array to the host."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""

    @abstractmethod
    def memory(self) -> Memory:
        """Return the device's free and total memory."""

    @abstractmethod
    def active(self) -> AbstractContextManager[Any]:
        """Return the context in which new arrays are made on this device."""

    @abstractmethod
    def explain(self, error: BaseException) -> DeviceError | None:
        """Return the cause and the cure if ``error`` came from the device, else None."""

    def compile(self, step: Step) -> Step:
        """Make a pure function ``(state, batch) -> state`` as fast as the device allows.

        Here it is handed back as it is.
        """
        return step
