"""Selection of a backend by the name of a device, such as "auto" or "cuda:1".

A GPU's is `CupyBackend.connect` (`cupy_backend.py`), after a probe (`gpu_probe.py`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from typing import Any

import array_api_compat

from mnn_gpu.backends.base import Backend
from mnn_gpu.backends.gpu_probe import PER_GPU_STAGES
from mnn_gpu.errors import DeviceError, FallbackWarning, UsageError, warn
from mnn_gpu.utils.choices import BACKENDS
from mnn_gpu.utils.packages import require

DEVICE_VARIABLE = "MNN_DEVICE"


def select_backend(
    device: str | None = None,
    library: str = "auto",
    *,
    local_rank: int = 0,
    processes_per_node: int = 1,
) -> Backend:
    """Return the backend for a device, after probing it.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N", "mps", "xpu", "xpu:N"}, optional
        ``"auto"`` is the first GPU that passes the probe, else the CPU: silently if CuPy is
        not installed, with a `FallbackWarning` that gives the cause if CuPy or the GPU is
        broken. The job is not known here: `train` without a backend takes the device that is
        done first. ``"cpu"`` never imports cupy. ``"cuda"`` is ``"cuda:0"``.
        ``"mps"`` (Apple) and ``"xpu"`` (Intel) are devices of PyTorch.
        Default: the environment variable ``MNN_DEVICE``, else ``"auto"``.
    library : {"auto", "numpy", "cupy", "jax", "torch"}
        The array library. ``"auto"`` is CuPy on CUDA GPUs and NumPy on the CPU; JAX and PyTorch
        support both, but must be named. PyTorch also supports AMD's GPUs, as ``"cuda"``.
    local_rank : int
        Index of this process among those on this machine. If no GPU number is given, each
        takes the next GPU.
    processes_per_node : int
        Number of processes that share the processors: each uses its part of the threads.

    Returns
    -------
    Backend

    Raises
    ------
    UsageError
        If a name is none of these, or the library does not support the device.
    DeviceError
        If the requested GPU does not work, with the failed stage, the cause and the cure.

    Examples
    --------
    >>> select_backend("cpu")
    NumpyBackend(name='numpy', device='cpu')
    """
    require("numpy", "array_api_compat")
    source = "device"
    if device is None:
        device = os.environ.get(DEVICE_VARIABLE) or "auto"
        source = DEVICE_VARIABLE
    match = re.fullmatch(r"auto|cpu|(?:cuda|mps|xpu)(?::([0-9]{1,4}))?", device)
    if match is None:
        raise UsageError(
            f"{source} is {device!r}, which is not a device.",
            'Choose "auto", "cpu", "cuda", "cuda:N", where N is the number of a GPU, "mps" or '
            '"xpu".',
        )
    kind, index = device.partition(":")[0], int(match[1] or 0)
    if library not in BACKENDS:
        raise UsageError(f"The backend is {library!r}.", f"Choose one of: {', '.join(BACKENDS)}.")
    if kind not in BACKENDS[library]:
        raise UsageError(f"{library} does not support {device}.", "Omit --backend or --device.")
    if library == "jax":
        return _jax(None if kind == "auto" else kind, index)
    if library == "torch" or kind in ("mps", "xpu"):
        return _torch(None if kind == "auto" else kind, index)
    if kind == "cpu" or library == "numpy":
        return _cpu(processes_per_node)
    if kind == "cuda" or library == "cupy":
        return _cuda(index if match[1] else _next_gpu(local_rank))
    return _first_working(local_rank, processes_per_node)


def is_automatic(device: str | None = None, library: str = "auto") -> bool:
    """Return whether both the device and the library are to be chosen; see `select_backend`."""
    named = os.environ.get(DEVICE_VARIABLE) or "auto" if device is None else device
    return named == library == "auto"


def checked_backend(backend: Backend | None) -> Backend:
    """Return the given backend, or the default one for None.

    Raises
    ------
    UsageError
        If it is not a backend, for example the name of a device.
    """
    if backend is None:
        return select_backend()
    if not isinstance(backend, Backend):
        raise UsageError(f"backend is {backend!r}.", "Pass the result of select_backend().")
    return backend


def backend_of(array: Any) -> Backend:
    """Return the backend of an array's library and device.

    Raises
    ------
    DeviceError
        If its GPU does not work.
    """
    from mnn_gpu.backends.array_api_backend import PlainBackend

    place = array_api_compat.device(array)
    if array_api_compat.is_cupy_array(array):
        return select_backend(f"cuda:{place.id}")
    if array_api_compat.is_jax_array(array) and place.platform in ("cpu", "gpu"):
        return select_backend("cpu" if place.platform == "cpu" else f"cuda:{place.id}", "jax")
    if array_api_compat.is_torch_array(array):
        from mnn_gpu.backends.torch_backend import TorchBackend

        return TorchBackend.of(array)
    return PlainBackend.of(array)


def _jax(platform: str | None, index: int) -> Backend:
    from mnn_gpu.backends.jax_backend import JaxBackend

    return JaxBackend.connect(platform, index)


def _torch(kind: str | None, index: int) -> Backend:
    from mnn_gpu.backends.torch_backend import TorchBackend

    return TorchBackend.connect(kind, index)


def _cpu(processes_per_node: int) -> Backend:
    from mnn_gpu.backends.numpy_backend import NumpyBackend

    return NumpyBackend(processes_per_node)


def _next_gpu(local_rank: int) -> int:
    """Return the GPU number of a process; each process of a machine takes the next GPU."""
    if local_rank == 0:
        return 0
    from mnn_gpu.backends.gpu_probe import visible_gpus

    return local_rank % max(visible_gpus(), 1)


def _cuda(index: int) -> Backend:
    from mnn_gpu.backends.cupy_backend import CupyBackend

    return CupyBackend.connect(index)


def _first_working(local_rank: int, processes_per_node: int) -> Backend:
    if is_missing("cupy"):
        return _cpu(processes_per_node)
    try:
        return _cuda(_next_gpu(local_rank))
    except DeviceError as error:
        first = error
    # Earlier stages fail in the same way on every GPU; later ones may not.
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
        warn(message, FallbackWarning)
    return _cpu(processes_per_node)


def is_missing(package: str) -> bool:
    """Return quickly whether a package is missing, without gathering a probe's evidence."""
    try:
        return package not in sys.modules and importlib.util.find_spec(package) is None
    except ImportError:
        return False


def _not_installed(error: DeviceError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ModuleNotFoundError) and cause.name == "cupy"
