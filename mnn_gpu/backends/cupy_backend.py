"""CuPy on one CUDA GPU: a thin layer around the same mathematics.

`connect` probes the GPU. A run then copies its data with `asarray` and calls `compile` with its
step (`step/train_step.py`), which captures it in CUDA graphs: `compiler/cuda_graphs/compile.py`.
Values come back with `to_numpy`, for a record or a checkpoint only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy.typing as npt
from array_api_compat import array_namespace

from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.backends.gpu_errors import is_out_of_memory
from mnn_gpu.backends.gpu_probe import explain_running, probe
from mnn_gpu.compiler.cuda_graphs import cuda_graphs
from mnn_gpu.compiler.cuda_graphs.compile import SILENT, CapturedStep, first_failure
from mnn_gpu.compiler.cuda_graphs.cublas import Cublas, CublasError
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from mnn_gpu.compiler.cuda_graphs.current import current
from mnn_gpu.compiler.cuda_graphs.uncaptured import UncapturedStep
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.errors import DeviceError, TrainingWarning, warn
from mnn_gpu.nn.matmul_precision import rounded
from mnn_gpu.step.execution import AllGather, Run, Step, single_rank

# A GPU is fastest with few, large launches: 65,536 rows of 784 float32 are 196 MiB.
SHARD_ROWS = 65536
STEPS_PER_CALL = 64
TENSOR_CORE_BITS = 11
AMPERE = 80
"""Compute capability."""


@dataclass(frozen=True)
class CupyBackend(Backend):
    """CuPy arrays on GPU ``index``; made by `connect`, which probes the GPU.

    Transfers and waits set the device themselves, because CuPy's current device is thread-local
    and is lost between the cells of some notebooks; the rest runs in `active`. See `current` for
    a thread's current device afterwards.
    """

    index: int = 0
    cupy: Any = field(default=None, repr=False)

    @classmethod
    def connect(cls, index: int) -> CupyBackend:
        """Probe GPU ``index`` and return its backend.

        Raises
        ------
        DeviceError
            With the failed stage, the cause and the cure.
        """
        cupy = probe(index)
        namespace = importlib.import_module("array_api_compat.cupy")
        return cls("cupy", f"cuda:{index}", namespace, SHARD_ROWS, STEPS_PER_CALL, index, cupy)

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Any:
        with self.active():
            return self.cupy.asarray(array, dtype=dtype)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        with self.active():
            return cast("npt.NDArray[Any]", self.cupy.asnumpy(array))

    def synchronize(self) -> None:
        # The stream, not the device: that would end another thread's capture of a graph.
        with self.active():
            self.cupy.cuda.get_current_stream().synchronize()

    def memory(self) -> Memory:
        """Return the GPU's free memory, including CuPy's unused pool memory, and its total."""
        with self.active():
            free, total = self.cupy.cuda.runtime.memGetInfo()
            reserve = self.cupy.get_default_memory_pool().free_bytes()
        return Memory(int(free) + int(reserve), int(total))

    def active(self) -> AbstractContextManager[Any]:
        return current(self.cupy, self.index)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return is_out_of_memory(error)

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Any:
        """Multiply with tensor cores, which round operands to 11 bits themselves.

        For 8 bits the operands are rounded before: cuBLAS rounds float32 operands to 11 bits at
        least. GPUs before Ampere have no such tensor cores.
        """
        if not self.has_tensor_cores:
            return super().low_precision_matmul(A, B, bits)
        if bits < TENSOR_CORE_BITS:
            A, B, bits = rounded(A, bits), rounded(B, bits), TENSOR_CORE_BITS
        xp = array_namespace(A)
        if isinstance(xp, Tape):
            return xp.low_precision_matmul(A, B, bits)
        try:
            cublas = Cublas.current(self.cupy)
        except (OSError, CublasError):
            return super().low_precision_matmul(A, B, bits)
        C = self.cupy.empty((A.shape[0], B.shape[1]), A.dtype)
        cublas.product(A, B, C, bits)
        return C

    @cached_property
    def has_tensor_cores(self) -> bool:
        """Whether the GPU multiplies float32 operands rounded to 11 bits (TF32)."""
        return int(self.cupy.cuda.Device(self.index).compute_capability) >= AMPERE

    @cached_property
    def graphs(self) -> CudaGraphs:
        """Streams, cuBLAS handles and workspaces of all compiled steps, 270 MB."""
        with self.active():
            return CudaGraphs(self.cupy)

    def compile(self, step: Step, data: Any, allgather: AllGather = single_rank) -> Run:
        """Capture the step in CUDA graphs, unless MNN_CUDA_GRAPHS is 0; see `cuda_graphs`.

        With several ranks, graphs are used only if it is 1.

        Either all ranks capture or none: a captured update may round differently from an
        uncompiled one, and the parameters of all ranks must stay equal.
        """
        plain = super().compile(step, data)
        failures = allgather(self._why_no_graphs())
        failure = first_failure(failures)
        if failure is None and len(failures) > 1:
            failure = first_failure(allgather(cuda_graphs.why_disabled_for_ranks()))
        if failure is None:
            return CapturedStep(step, data, plain, self.graphs, allgather)
        if failure:
            warn(f"No CUDA graphs ({failure}).", TrainingWarning)
        return plain

    def compile_rare(self, step: Step) -> Callable[[Any, Any], Any]:
        if self._why_no_graphs() is not None:
            return super().compile_rare(step)
        return UncapturedStep(step, self.graphs)

    def _why_no_graphs(self) -> str | None:
        if not cuda_graphs.are_enabled():
            return SILENT
        try:
            self.graphs  # noqa: B018  # created here
        except (OSError, RuntimeError, MemoryError) as error:
            return str(error)
        return None

    def explain(self, error: BaseException) -> DeviceError | None:
        return explain_running(error, self.index)
