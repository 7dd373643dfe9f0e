"""Interface of a device that can capture and replay kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import numpy as np

from mnn_gpu.compiler.cuda_graphs.kernels import KernelSpec
from mnn_gpu.compiler.cuda_graphs.scheduling import ScheduleEntry
from mnn_gpu.compiler.operations import Operation

Array: TypeAlias = Any
Launcher: TypeAlias = Callable[[Sequence[Array], Sequence[Array]], Operation]
"""Returns the launch that computes the outputs from the inputs, see `kernels.Kernel`."""


class Device(Protocol):
    """Operations of a device on its arrays."""

    def memory(self, size: int) -> Array:
        """Allocate ``size`` bytes for the device's lifetime."""

    def view(
        self,
        buffer: Array,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int],
    ) -> Array:
        """Return an array ``offset`` bytes after the first element of ``buffer``."""

    def copy(self, array: Array) -> Array:
        """Return a row-major copy of an array, also of a host array, in lasting memory."""

    def overwrite(self, place: Array, array: Array) -> None:
        """Copy ``array`` to ``place``, which has the same shape."""

    def launcher(self, spec: KernelSpec) -> Launcher:
        """Return a function that returns launches of this kernel; these must not allocate."""

    def compile(self) -> None:
        """Compile the kernels of all launches together; each is compiled only once."""

    def captured(
        self, operations: Sequence[Operation], schedule: Sequence[ScheduleEntry]
    ) -> Operation | None:
        """Capture the operations by their schedule, without running them; return the replay.

        None if the capture was ended from outside and may be retried.
        """

    def is_lost(self, error: Exception) -> bool:
        """Return whether the device is unusable after this error."""

    def active(self) -> AbstractContextManager[Any]:
        """Return the context in which all of this is called."""
