"""The selector: a name such as "auto" or "cuda:1" in, a backend that runs out."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from typing import Any

import array_api_compat

from mnn_gpu.backends.base import Backend
from mnn_gpu.backends.gpu_probe import PER_GPU_STAGES
from mnn_gpu.errors import DeviceError, FallbackWarning, UsageError
from mnn_gpu.utils.choices import BACKENDS

DEVICE_VARIABLE = "MNN_DEVICE"


def select_backend(
    device: str | None = None,
    library: str = "auto",
    *,
    local_rank: int = 0,
    processes_per_node: int = 1,
) -> Backend:
    """Return the backend for a device, after seeing it run.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        ``"auto"`` takes the first GPU that passes the probe, else the CPU: silently where
        CuPy is not installed, with a `FallbackWarning` that names the cause where CuPy
        or the GPU is broken. ``"cpu"`` never imports cupy. ``"cuda"`` is ``"cuda:0"``.
        Default: the environment variable ``MNN_DEVICE``, else ``"auto"``.
    library : {"auto", "numpy", "cupy", "jax"}
        The array library. ``"auto"`` is CuPy on GPUs and NumPy on the CPU; JAX runs on
        either, but only if it is named.
    local_rank : int
        Which of the processes this is that share the machine's GPUs: it takes the next one,
        where no number is given.
    processes_per_node : int
        How many processes share this one's processors: each takes its part of the threads.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError
        If a name is none of these, or the library does not run on the device.
    DeviceError
        If the GPU asked for cannot run, with the failed stage, the cause and the cure.

    Examples
    --------
    >>> select_backend("cpu")
    NumpyBackend(name='numpy', device='cpu')
    """
    source = "device"
    if device is None:
        device = os.environ.get(DEVICE_VARIABLE) or "auto"
        source = DEVICE_VARIABLE
    match = re.fullmatch(r"auto|cpu|cuda(?::([0-9]{1,4}))?", device)
    if match is None:
        raise UsageError(
            f"{source} is {device!r}, which is no device.",
            'Choose "auto", "cpu", "cuda" or "cuda:N", where N is the number of a GPU.',
        )
    kind, index = device.partition(":")[0], int(match[1] or 0)
    if library not in BACKENDS:
        raise UsageError(f"The backend is {library!r}.", f"Choose one of: {', '.join(BACKENDS)}.")
    if kind not in BACKENDS[library]:
        raise UsageError(f"{library} does not run on {device}.", "Leave out --backend or --device.")
    if library == "jax":
        return _jax(None if kind == "auto" else kind, index)
    if kind == "cpu" or library == "numpy":
        return _cpu(processes_per_node)
    if kind == "cuda" or library == "cupy":
        return _cuda(index if match[1] else _next_gpu(local_rank))
    return _first_that_runs(local_rank, processes_per_node)


def checked_backend(backend: Backend | None) -> Backend:
    """Return the backend given, or the default one if none is.

    Raises
    ------
    UsageError
        If it is something else, such as the name of a device.
    """
    if backend is None:
        return select_backend()
    if not isinstance(backend, Backend):
        raise UsageError(f"backend is {backend!r}.", "Give what select_backend() returns.")
    return backend


def backend_of(array: Any) -> Backend:
    """Return the backend on which an array is worked on where it is.

    Raises
    ------
    DeviceError
        If its GPU does not run.
    """
    from mnn_gpu.backends.array_api_backend import PlainBackend

    place = array_api_compat.device(array)
    if array_api_compat.is_cupy_array(array):
        return select_backend(f"cuda:{place.id}")
    if array_api_compat.is_jax_array(array) and place.platform in ("cpu", "gpu"):
        return select_backend("cpu" if place.platform == "cpu" else f"cuda:{place.id}", "jax")
    return PlainBackend.of(array)


def _jax(platform: str | None, index: int) -> Backend:
    from mnn_gpu.backends.jax_backend import JaxBackend

    return JaxBackend.connect(platform, index)


def _cpu(processes_per_node: int) -> Backend:
    from mnn_gpu.backends.numpy_backend import NumpyBackend

    return NumpyBackend(processes_per_node)


def _next_gpu(local_rank: int) -> int:
    """Return the number of a process's GPU, where each of a machine's takes the next one."""
    if local_rank == 0:
        return 0
    from mnn_gpu.backends.gpu_probe import visible_gpus

    return local_rank % max(visible_gpus(), 1)


def _cuda(index: int) -> Backend:
    from mnn_gpu.backends.cupy_backend import CupyBackend

    return CupyBackend.connect(index)


def _first_that_runs(local_rank: int, processes_per_node: int) -> Backend:
    if _is_nowhere("cupy"):
        return _cpu(processes_per_node)
    try:
        return _cuda(_next_gpu(local_rank))
    except DeviceError as error:
        first = error
    # The stages before the allocation fail alike for every GPU; later ones may not.
    index = 1
    while first.stage in PER_GPU_STAGES:
        try:
            return _cuda(index)
        except DeviceError as error:
            if error.stage not in PER_GPU_STAGES:
                break
        index += 1
    if not _not_installed(first):
        message = f"Using the CPU. {first.cause} {first.cure}"
        warnings.warn(FallbackWarning(message), stacklevel=3)
    return _cpu(processes_per_node)


def _is_nowhere(package: str) -> bool:
    """Tell at once, without the evidence that a failed probe gathers."""
    try:
        return package not in sys.modules and importlib.util.find_spec(package) is None
    except ImportError:
        return False


def _not_installed(error: DeviceError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ModuleNotFoundError) and cause.name == "cupy"
