"""A stand-in for CuPy without a GPU: uses NumPy, and fails at configured stages.

It raises the errors of CuPy 14: names, modules, numbers and texts are from real runs without
a GPU and from CuPy's source.
"""

from __future__ import annotations

import importlib.metadata
import sys
import types
from typing import Any, ClassVar, cast

import numpy as np
import pytest


class CUDARuntimeError(RuntimeError):
    """Like CuPy's, with CUDA's error number."""

    TEXTS: ClassVar = {
        2: "cudaErrorMemoryAllocation: out of memory",
        3: "cudaErrorInitializationError: initialization error",
        35: "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime "
        "version",
        46: "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable",
        100: "cudaErrorNoDevice: no CUDA-capable device is detected",
        101: "cudaErrorInvalidDevice: invalid device ordinal",
        209: "cudaErrorNoKernelImageForDevice: no kernel image is available for execution on the "
        "device",
        803: "cudaErrorSystemDriverMismatch: system has unsupported display driver / cuda driver "
        "combination",
    }

    def __init__(self, status: int) -> None:
        super().__init__(self.TEXTS.get(status, f"cudaError {status}"))
        self.status = status


class OutOfMemoryError(MemoryError):
    """Like CuPy's, which is not a RuntimeError."""


class CompileException(Exception):  # noqa: N818
    """Like CuPy's, which derives directly from Exception."""


class DynamicLibNotFoundError(RuntimeError):
    """Like that of cuda-pathfinder."""


CUDARuntimeError.__module__ = "cupy_backends.cuda.api.runtime"
OutOfMemoryError.__module__ = "cupy.cuda.memory"
CompileException.__module__ = "cupy.cuda.compiler"
DynamicLibNotFoundError.__module__ = "cuda.pathfinder._dynamic_libs.load_dl_common"

NVRTC_MISSING = DynamicLibNotFoundError(
    'Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file: libnvrtc.so.13'
)
NVRTC_MISSING_13 = RuntimeError(
    "CuPy failed to load libnvrtc.so.12: OSError: libnvrtc.so.12: cannot open shared object file: "
    "No such file or directory"
)
CUBLAS_MISSING = ImportError(
    "libcublas.so.12: cannot open shared object file: No such file or directory"
)
HEADERS_MISSING = CompileException(
    '/tmp/tmp1/a.cubin.cu(14): catastrophic error: cannot open source file "cuda_fp16.h"\n'
    "1 catastrophic error detected in the compilation of the NVRTC program."
)
UNSUPPORTED_ARCHITECTURE = CompileException(
    "nvrtc: error: invalid value for --gpu-architecture (-arch)"
)


class Faults:
    """The stages that fail, their errors, and the GPUs on which they fail (None: all)."""

    def __init__(
        self, errors: dict[str, BaseException], only_on: int | tuple[int, ...] | None = None
    ) -> None:
        self.errors = errors
        self.only_on = (only_on,) if isinstance(only_on, int) else only_on
        self.current: int | None = None

    def strike(self, stage: str) -> None:
        if stage in self.errors and (self.only_on is None or self.current in self.only_on):
            raise self.errors[stage]


class StandinArray(np.ndarray[Any, Any]):
    """A NumPy array whose operations fail as configured."""

    faults: ClassVar = Faults({})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        self.faults.strike("matrix product" if ufunc is np.matmul else "elementwise kernel")
        plain = [np.asarray(x) if isinstance(x, StandinArray) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, **kwargs)
        return result.view(StandinArray) if isinstance(result, np.ndarray) else result


class Device:
    """A context, like CuPy's."""

    compute_capability = "90"

    def __init__(self, index: int | None = None) -> None:
        self.id = index

    def use(self) -> None:
        StandinArray.faults.current = self.id
        StandinArray.faults.strike("current")

    def __enter__(self) -> Device:
        self.use()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        StandinArray.faults.strike("synchronize")


def standin(
    *,
    driver: int = 12040,
    count: int | BaseException = 1,
    wrong_product: bool = False,
    only_on: int | tuple[int, ...] | None = None,
    **failures: BaseException,
) -> types.ModuleType:
    """Build the module.

    ``failures`` maps stages (with _ for spaces) to their errors, on GPU ``only_on`` if
    given.
    """
    errors = {name.replace("_", " "): error for name, error in failures.items()}
    StandinArray.faults = Faults(errors, only_on)

    def get_device_count() -> int:
        if isinstance(count, BaseException):
            raise count
        return count

    def asarray(array: Any, dtype: Any = None) -> Any:
        StandinArray.faults.strike("allocate")
        return np.asarray(array, dtype=dtype).view(StandinArray)

    module: Any = types.ModuleType("cupy")
    module.ndarray = StandinArray
    module.asarray = asarray
    module.asnumpy = lambda array: np.asarray(array) + (1 if wrong_product else 0)
    module.get_default_memory_pool = lambda: types.SimpleNamespace(free_bytes=lambda: 1 << 30)
    runtime = types.SimpleNamespace(
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 12090,
        getDeviceCount=get_device_count,
        getDeviceProperties=lambda _: {
            "name": b"Pretended GPU",
            "totalGlobalMem": 8 << 30,
            "major": 9,
            "minor": 0,
        },
        memGetInfo=lambda: (6 << 30, 8 << 30),
    )
    stream = types.SimpleNamespace(
        ptr=0, synchronize=lambda: StandinArray.faults.strike("synchronize")
    )
    module.cuda = types.SimpleNamespace(
        runtime=runtime,
        driver=types.SimpleNamespace(ctxGetCurrent=lambda: 0),
        Device=Device,
        get_current_stream=lambda: stream,
    )
    return cast("types.ModuleType", module)


def install(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None) -> None:
    """Install the stand-in as CuPy; None: as if CuPy were not installed."""
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setenv("MNN_CUDA_GRAPHS", "0")
    if module is not None:
        # The namespace of a backend; its arrays are NumPy's here.
        namespace = importlib.import_module("array_api_compat.numpy")
        monkeypatch.setitem(sys.modules, "array_api_compat.cupy", namespace)


def pretend_wheels(monkeypatch: pytest.MonkeyPatch, *wheels: str) -> None:
    """Pretend that these distributions are installed, given as "name version"."""

    def distributions() -> list[Any]:
        return [
            types.SimpleNamespace(metadata={"Name": name}, version=version)
            for name, version in (wheel.split() for wheel in wheels)
        ]

    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
