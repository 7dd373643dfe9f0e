"""Probe of a GPU: run the operations of training in stages, and report the first failure."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.metadata
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mnn_gpu.backends.gpu_errors import Evidence, WrongVersionError, explain
from mnn_gpu.backends.kernel_cache import ensure_kernel_cache
from mnn_gpu.compiler.cuda_graphs.cublas import CublasError
from mnn_gpu.compiler.cuda_graphs.current import current
from mnn_gpu.errors import DeviceError
from mnn_gpu.utils.packages import PACKAGES

STAGES = (
    "import",
    "driver",
    "device count",
    "index in range",
    "allocate",
    "elementwise kernel",
    "matrix product",
    "synchronize",
)
PER_GPU_STAGES = STAGES[4:]
"""The stages that may fail on one GPU and pass on another."""


class Stage(NamedTuple):
    """The outcome of one stage; cause and cure are empty if it passed."""

    name: str
    passed: bool
    cause: str = ""
    cure: str = ""


def cupy_wheels() -> tuple[str, ...]:
    """Return the installed CuPy distributions with versions; there should be at most one."""
    found = {
        f"{name.lower()} {distribution.version}"
        for distribution in importlib.metadata.distributions()
        if (name := distribution.metadata["Name"] or "").lower() == "cupy"
        or name.lower().startswith(("cupy-cuda", "cupy-rocm"))
    }
    return tuple(sorted(found))


def import_cupy() -> Any:
    """Import CuPy and check that it is complete.

    Raises
    ------
    ImportError
        Also for the remains of a removed wheel: an empty package named cupy.
    WrongVersionError
        If its version is not supported.
    """
    ensure_kernel_cache()
    with warnings.catch_warnings():
        # CuPy's own warning about two wheels; the probe reports this with the cure.
        warnings.simplefilter("ignore")
        cupy = importlib.import_module("cupy")
    if not hasattr(cupy, "cuda") or not hasattr(cupy, "ndarray"):
        # Other packages (array_api_compat) would find this empty cupy here.
        sys.modules.pop("cupy", None)
        raise ImportError("the cupy package is empty; a removed wheel left it behind")
    if problem := PACKAGES["cupy"].problem(getattr(cupy, "__version__", "")):
        raise WrongVersionError(problem)
    return cupy


def driver_version(cupy: Any | None = None) -> int | None:
    """Return the highest CUDA version that the NVIDIA driver supports, 12040 for 12.4.

    Asks CuPy, or without it the driver's library; 0 or None without a driver.
    """
    try:
        if cupy is not None:
            return int(cupy.cuda.runtime.driverGetVersion())
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        version = ctypes.c_int(0)
        library.cuDriverGetVersion(ctypes.byref(version))
        return version.value
    except Exception:
        return None


def visible_gpus() -> int:
    """Return the number of GPUs visible to CuPy; 0 if this is unknown."""
    try:
        return int(import_cupy().cuda.runtime.getDeviceCount())
    except Exception:
        return 0


def runtime_version(cupy: Any) -> int | None:
    """Return the CUDA version that CuPy uses, 12040 for 12.4; None if it is unknown."""
    try:
        return int(cupy.cuda.runtime.runtimeGetVersion())
    except Exception:
        return None


def _run_stages(index: int) -> Iterator[str]:
    """Yield the name of each stage before it runs; a failing stage raises its own error."""
    yield "import"
    cupy = import_cupy()
    runtime = cupy.cuda.runtime

    yield "driver"
    if not runtime.driverGetVersion():
        raise RuntimeError("driverGetVersion() is 0")

    yield "device count"
    count = runtime.getDeviceCount()
    if count < 1:
        raise RuntimeError("getDeviceCount() is 0")

    yield "index in range"
    if index >= count:
        raise IndexError(f"{count} GPU{'s' * (count > 1)} visible, numbered from 0")

    host = np.arange(64, dtype=np.float32).reshape(8, 8)
    # Making a busy GPU the current device may already fail.
    yield "allocate"
    with current(cupy, index):
        x = cupy.asarray(host)

        yield "elementwise kernel"
        y = x * 2 + 1

        yield "matrix product"
        z = y @ x

        yield "synchronize"
        cupy.cuda.Device(index).synchronize()
        # Integers this small are exact in float32: any difference means a broken GPU.
        if not np.array_equal(cupy.asnumpy(z), (host * 2 + 1) @ host):
            raise RuntimeError("the GPU's matrix product is wrong")


def _device_error(stage: str, error: Exception, index: int) -> DeviceError:
    cupy = None if stage == "import" else importlib.import_module("cupy")
    evidence = Evidence(
        stage=stage,
        error=error,
        index=index,
        driver=driver_version(cupy),
        runtime=runtime_version(cupy),
        wheels=cupy_wheels(),
    )
    return DeviceError(*explain(evidence), stage=stage)


@functools.cache
def probe(index: int) -> Any:
    """Return the cupy module after all stages have passed on GPU ``index``.

    Success is cached. A failure is retried, since the user may have fixed it, and so is every
    GPU in a forked child, where CUDA does not work.

    Raises
    ------
    DeviceError
        With the stage that failed, the cause (the original error chained) and the cure.
    """
    stage = "import"
    try:
        for name in _run_stages(index):
            stage = name
    except Exception as error:
        raise _device_error(stage, error, index) from error
    return importlib.import_module("cupy")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=probe.cache_clear)


def probe_report(index: int) -> list[Stage]:
    """Return the stages of a probe of GPU ``index``, up to the first failure."""
    try:
        probe(index)
    except DeviceError as error:
        passed = STAGES[: STAGES.index(error.stage)]
        failed = Stage(error.stage, False, error.cause, error.cure)
        return [Stage(name, True) for name in passed] + [failed]
    return [Stage(name, True) for name in STAGES]


def explain_running(error: BaseException, index: int) -> DeviceError | None:
    """Return the explanation of an error during training, None if the GPU is not its cause."""
    module = type(error).__module__
    from_cuda = module.partition(".")[0] in ("cupy", "cupy_backends", "cuda")
    if isinstance(error, Exception) and (from_cuda or isinstance(error, CublasError)):
        return _device_error("running", error, index)
    return None
