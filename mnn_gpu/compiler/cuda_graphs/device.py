"""What `capture` wants of a device that launches what was asked of it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import numpy as np

from mnn_gpu.compiler.cuda_graphs.kernels import KernelSpec
from mnn_gpu.compiler.cuda_graphs.scheduling import ScheduleEntry
from mnn_gpu.compiler.operations import Operation

Array: TypeAlias = Any
Launcher: TypeAlias = Callable[[Sequence[Array], Sequence[Array]], None]
"""Does something with inputs and writes to outputs, see `launches.Launch`."""


class Device(Protocol):
    """What a device does with its own arrays."""

    def memory(self, size: int) -> Array:
        """Return so many bytes that are kept."""

    def view(
        self,
        buffer: Array,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int],
    ) -> Array:
        """Return what lies so many bytes behind the first element of ``home``, as an array."""

    def copy(self, array: Array) -> Array:
        """Return a copy of an array, the host's too, row-major in memory that is kept."""

    def overwrite(self, place: Array, array: Array) -> None:
        """Write an array to a place of its shape."""

    def launcher(self, spec: KernelSpec) -> Launcher:
        """Return what asks for this, at each call; it may allocate nothing."""

    def captured(
        self, operations: Sequence[Operation], schedule: Sequence[ScheduleEntry]
    ) -> Operation | None:
        """Return what does the operations in their turns; here none may be done.

        None where the capture was ended from outside, and may be tried again.
        """

    def is_lost(self, error: Exception) -> bool:
        """Return whether nothing can be done on the device any more after this error."""

    def active(self) -> AbstractContextManager[Any]:
        """Return the context in which all this is done."""
