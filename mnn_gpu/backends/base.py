"""What a backend is: an array namespace, a device, and the ways between host and device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu.compiler.operations import ExternalCall
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.errors import DeviceError, MnnGpuError
from mnn_gpu.nn.matmul_precision import low_precision_matmul
from mnn_gpu.step.execution import (
    AllGather,
    AllReduce,
    PartFunction,
    Run,
    Step,
    Update,
    all_reduce,
    entries,
    single_rank,
)


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
        The array library: ``"numpy"``, ``"cupy"`` or ``"jax"``.
    device : str
        ``"cpu"``, ``"cuda:N"``, or what JAX calls another device.
    xp : module
        The array-API namespace of the device's arrays.
    shard_rows : int
        How many samples the device likes to work on at a time.
    cached : int
        How many numbers a passing result may have to stay in the device's cache.
    steps_per_call : int
        How many steps a compiled step likes to be given at a time.
    workers : int
        How many shards it works on side by side.
    prescales_pixels : bool
        Whether it rather keeps pixels in the dtype that it computes with, if they are
        used whole again and again and there is the memory.
    is_host : bool
        Whether its arrays lie in the host's memory, so that looking at one costs nothing.
    is_distributed : bool
        Whether several processes can train one model on it.
    """

    is_distributed = True

    name: str
    device: str
    xp: Any = field(repr=False)
    shard_rows: int = field(repr=False)
    steps_per_call: int = field(repr=False)
    cached: int = field(repr=False, default=2**31, kw_only=True)
    workers: int = field(repr=False, default=1, kw_only=True)
    prescales_pixels: bool = field(repr=False, default=True, kw_only=True)
    is_host: bool = field(repr=False, default=False, kw_only=True)

    def dtype(self, name: str) -> Any:
        """Return the namespace's dtype of this name.

        Raises
        ------
        UsageError
            If the device cannot compute in it.
        """
        return getattr(self.xp, name)

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

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether a step failed for want of memory and left its state as it was."""
        return isinstance(error, MemoryError)

    def translate_errors(self) -> AbstractContextManager[None]:
        """Work on this device; turn what it raises into a DeviceError with cause and cure."""
        return _TranslateErrors(self)

    def compile(self, step: Step, data: Any, allgather: AllGather = single_rank) -> Run:  # noqa: ARG002
        """Make a pure step ``(data, state, batch) -> state`` as fast as the device allows.

        Parameters
        ----------
        step : callable
            Over the namespace; it may not decide by what is in its arrays.
        data : tuple or list of arrays
            What every step sees and none changes.
        allgather : callable, optional
            Where the step exchanges sums with other ranks. All ranks compile the step, and call
            it, the same number of times. Default: there is no other rank.

        Returns
        -------
        run : callable ``(state, batches) -> state``
            Does one step for each entry along the first axis of the arrays of
            ``batches``. It may reuse the memory of the state that it is given.
        """

        def run(state: Any, batches: Any) -> Any:
            for batch in entries(batches):
                state = step(data, state, batch)
            return state

        return run

    def parallel_map(self, function: PartFunction, array: Any, items: Sequence[Any]) -> list[Any]:
        """Return ``function(array, part)`` of each run of items that it works on in turn.

        There are `workers` runs, which do not depend on each other, or as many as there
        are items.
        """
        runs = min(self.workers, len(items))
        ends = [len(items) * i // runs for i in range(runs + 1)]
        return [function(array, items[start:stop]) for start, stop in pairwise(ends)]

    def fuse(self, update: Update) -> Update:
        """Make an elementwise function of long vectors fast; here it is handed back."""
        return update

    def all_reduce(self, exchange: AllReduce, own: Sequence[Any], dtype: Any) -> Any:
        """Return what an exchange with other ranks makes of this rank's sums, as ``dtype``.

        A compiled step does the exchange where the plain step does.
        """
        xp = array_namespace(own[0])
        if isinstance(xp, Tape):
            return xp.do(ExternalCall(exchange, own[0].shape, np.dtype(dtype)), *own)
        return all_reduce(exchange, own, dtype)

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Any:
        """Return ``A @ B`` of operands with so many significant bits, see `precision`."""
        return low_precision_matmul(A, B, bits)

    def single_threaded(self) -> AbstractContextManager[Any]:
        """Return the context in which a matrix product is one thread's, whoever asks for it."""
        return nullcontext()


class _TranslateErrors(AbstractContextManager[None]):
    """See `Backend.translate_errors`; a class enters faster than a generator."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __enter__(self) -> None:
        try:
            self.active = self.backend.active()
            self.active.__enter__()
        except Exception as error:
            self._explain(error)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.active.__exit__(kind, error, traceback)
        except Exception as raised:
            self._explain(raised)
            raise
        if isinstance(error, Exception):
            self._explain(error)

    def _explain(self, error: Exception) -> None:
        """Raise what explains an error, if something does."""
        explained = None if isinstance(error, MnnGpuError) else self.backend.explain(error)
        if explained is not None:
            raise explained from error
