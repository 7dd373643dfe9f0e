"""The probe: run on the GPU, stage by stage, what training will run, and say what failed."""

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

from mnn_gpu.backends.gpu_errors import Evidence, explain
from mnn_gpu.compiler.cuda_graphs.cublas import CublasError
from mnn_gpu.compiler.cuda_graphs.current import current
from mnn_gpu.errors import DeviceError

STAGES = (
    "import",
    "driver",
    "device count",
    "index in range",
    "allocate",
    "elementwise kernel",
    "matrix product",
    "synchronise",
)
PER_GPU_STAGES = STAGES[4:]
"""The stages that may fail on one GPU and pass on its neighbour."""


class Stage(NamedTuple):
    """The outcome of one stage; cause and cure are empty where it passed."""

    name: str
    passed: bool
    cause: str = ""
    cure: str = ""


def cupy_wheels() -> tuple[str, ...]:
    """Return the installed CuPy distributions with their versions; more than one is wrong."""
    found = {
        f"{name.lower()} {distribution.version}"
        for distribution in importlib.metadata.distributions()
        if (name := distribution.metadata["Name"] or "").lower() == "cupy"
        or name.lower().startswith(("cupy-cuda", "cupy-rocm"))
    }
    return tuple(sorted(found))


def import_cupy() -> Any:
    """Import CuPy and see that it is whole.

    Raises
    ------
    ImportError
        Also for what a removed wheel leaves behind: an empty package named cupy.
    """
    with warnings.catch_warnings():
        # CuPy's own warning of two wheels; the probe says it with the cure.
        warnings.simplefilter("ignore")
        cupy = importlib.import_module("cupy")
    if not hasattr(cupy, "cuda") or not hasattr(cupy, "ndarray"):
        # Others (array_api_compat) look for cupy here and would trip over it.
        sys.modules.pop("cupy", None)
        raise ImportError("the cupy package has no content; a removed wheel left it behind")
    return cupy


def driver_version(cupy: Any | None = None) -> int | None:
    """Return the CUDA version that the NVIDIA driver serves, 12040 for 12.4.

    Asks CuPy, or without it the driver's own library; 0 or None without a driver.
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
    """Return how many GPUs CuPy sees; 0 where that cannot be told."""
    try:
        return int(import_cupy().cuda.runtime.getDeviceCount())
    except Exception:
        return 0


def runtime_version(cupy: Any) -> int | None:
    """Return the CUDA version CuPy runs with, 12040 for 12.4; None if it does not tell."""
    try:
        return int(cupy.cuda.runtime.runtimeGetVersion())
    except Exception:
        return None


def _run_stages(index: int) -> Iterator[str]:
    """Yield the name of each stage before it runs; what fails raises its own error."""
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
    # Making the device current can already fail on a busy GPU.
    yield "allocate"
    with current(cupy, index):
        x = cupy.asarray(host)

        yield "elementwise kernel"
        y = x * 2 + 1

        yield "matrix product"
        z = y @ x

        yield "synchronise"
        cupy.cuda.Device(index).synchronize()
        # Whole numbers this small are exact in float32: anything else is a broken GPU.
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
    """Return the cupy module after every stage passed on GPU ``index``.

    Success is remembered; a failure is tried afresh, since the user may have cured it, and so is
    every GPU in a forked child, where CUDA does not work.

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
    """Return the stages of a probe of GPU ``index`` up to the first that fails."""
    try:
        probe(index)
    except DeviceError as error:
        passed = STAGES[: STAGES.index(error.stage)]
        failed = Stage(error.stage, False, error.cause, error.cure)
        return [Stage(name, True) for name in passed] + [failed]
    return [Stage(name, True) for name in STAGES]


def explain_running(error: BaseException, index: int) -> DeviceError | None:
    """Return what an error during training means, or None if it is not the GPU's."""
    module = type(error).__module__
    from_cuda = module.partition(".")[0] in ("cupy", "cupy_backends", "cuda")
    if isinstance(error, Exception) and (from_cuda or isinstance(error, CublasError)):
        return _device_error("running", error, index)
    return None
