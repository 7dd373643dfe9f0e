"""Backends: an array namespace, a device, and transfers between host and device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
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
    """A device's memory in bytes; None if the platform does not report it."""

    free: int | None
    total: int | None


@dataclass(frozen=True)
class Backend(ABC):
    """An array library on one device. Made by `select_backend`.

    Attributes
    ----------
    name : str
        The array library, such as ``"numpy"``, ``"cupy"`` or ``"jax"``.
    device : str
        ``"cpu"``, ``"cuda:N"``, or the library's name of another device.
    xp : module
        The array-API namespace of the device's arrays.
    shard_rows : int
        Preferred maximum number of samples of a microbatch.
    cached : int
        Number of elements of an intermediate result that fit in the device's cache.
    steps_per_call : int
        Preferred number of steps per call of a compiled step.
    workers : int
        Number of microbatches that are independent of each other, so that they can be processed
        in parallel. Their gradients are summed in an order that depends on it.
    threads : int
        Number of threads that compute. The results do not depend on it.
    prescales_pixels : bool
        Whether pixels are better stored in the dtype of the computation, if they are used
        repeatedly and there is enough memory.
    is_host : bool
        Whether its arrays are in host memory, so that reading one costs nothing.
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
    threads: int = field(repr=False, default=1, kw_only=True)
    prescales_pixels: bool = field(repr=False, default=True, kw_only=True)
    is_host: bool = field(repr=False, default=False, kw_only=True)

    def dtype(self, name: str) -> Any:
        """Return the namespace's dtype of this name.

        Raises
        ------
        UsageError
            If the device does not support it.
        """
        return getattr(self.xp, name)

    @abstractmethod
    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        """Return a host array on the device, as ``dtype`` if given; it may share memory."""

    @abstractmethod
    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        """Return a device array on the host; it may share memory."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work submitted to the device is done."""

    @abstractmethod
    def memory(self) -> Memory:
        """Return the device's free and total memory."""

    @abstractmethod
    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which new arrays are created on this device."""

    @abstractmethod
    def explain(self, error: BaseException) -> DeviceError | None:
        """Return the cause and the cure if ``error`` came from the device, else None."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether a step ran out of memory and left its state unchanged."""
        return isinstance(error, MemoryError)

    def translate_errors(self) -> AbstractContextManager[None]:
        """Return a context on this device that turns its errors into DeviceErrors."""
        return _TranslateErrors(self)

    def compile(self, step: Step, data: Any, allgather: AllGather = single_rank) -> Run:  # noqa: ARG002
        """Compile a pure step ``(data, state, batch) -> state``, as far as the device can.

        Parameters
        ----------
        step : callable
            Over the namespace; it must not branch on the values of its arrays.
        data : tuple or list of arrays
            Constant inputs of every step.
        allgather : callable, optional
            Required if the step exchanges sums with other ranks. All ranks compile the step, and
            call it, the same number of times. Default: no other rank.

        Returns
        -------
        run : callable ``(state, batches) -> state``
            Runs one step for each entry along the first axis of the arrays of ``batches``.
            It may reuse the memory of the state.
        """

        def run(state: Any, batches: Any) -> Any:
            for batch in entries(batches):
                state = step(data, state, batch)
            return state

        return run

    def compile_rare(self, step: Step) -> Callable[[Any, Any], Any]:
        """Compile a step without data that runs rarely: ``(state, batch) -> state``.

        Unlike `compile`, for one batch at a time, which may be anywhere in memory. The state that
        it is given is unchanged. By default uncompiled.
        """
        return partial(step, ())

    def parallel_map(self, function: PartFunction, array: Any, items: Sequence[Any]) -> list[Any]:
        """Return ``function(array, part)`` for consecutive parts of the items.

        There are `workers` independent parts, or as many as there are items if these are
        fewer.
        """
        runs = min(self.workers, len(items))
        ends = [len(items) * i // runs for i in range(runs + 1)]
        return [function(array, items[start:stop]) for start, stop in pairwise(ends)]

    def fuse(self, update: Update) -> Update:
        """Make an elementwise function of long vectors faster; unchanged by default."""
        return update

    def all_reduce(self, exchange: AllReduce, own: Sequence[Any], dtype: Any) -> Any:
        """Return the result of an exchange of this rank's sums with other ranks, as ``dtype``.

        A compiled step makes the exchange at the same point as the uncompiled step.
        """
        xp = array_namespace(own[0])
        if isinstance(xp, Tape):
            return xp.do(ExternalCall(exchange, own[0].shape, np.dtype(dtype)), *own)
        return all_reduce(exchange, own, dtype)

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Any:
        """Return ``A @ B`` with operands rounded to ``bits`` bits, see `matmul_precision`."""
        return low_precision_matmul(A, B, bits)

    def single_threaded(self) -> AbstractContextManager[Any]:
        """Return a context in which each matrix product uses one thread, in all threads."""
        return nullcontext()


class _TranslateErrors(AbstractContextManager[None]):
    """See `Backend.translate_errors`; entering a class is faster than entering a generator."""

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
        """Raise the DeviceError that explains an error, if there is one."""
        explained = None if isinstance(error, MnnGpuError) else self.backend.explain(error)
        if explained is not None:
            raise explained from error
