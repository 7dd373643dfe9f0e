"""`auto` for a job whose length can be measured: the device that is done first, set-up included.

The cost of a job on a device is the seconds of its set-up plus those that are left after it. The
CPU has no set-up, so it is measured first, by some steps of the job. It is chosen if it is done
before a GPU could begin; only otherwise is the GPU set up and measured. Its set-up is then paid,
and the device with fewer seconds left is chosen. A CPU that has no chance is not measured.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from mnn_gpu.backends.base import Backend
from mnn_gpu.backends.gpu_probe import driver_version, probe
from mnn_gpu.backends.kernel_cache import has_kernels
from mnn_gpu.backends.select import is_missing, select_backend
from mnn_gpu.errors import FallbackWarning, warn
from mnn_gpu.utils.threads import available_cores

IN_USE, WARM, COLD = 0.3, 1.5, 3.0
"""Seconds of a GPU's set-up, at least: in a process that already uses it; in a new process, with
kernels compiled earlier; with all kernels to compile. From the cold and warm starts and the first
calls in scripts/results/nvidia-h100-2026-11-26.json; compiling took 10 s and more there, and takes
a third or less since (not measured on a GPU)."""

CORE_PEAK = 2e11
"""Operations per second that a core does not exceed in float32: two AVX-512 units at 3.1 GHz."""
NO_CHANCE = 60.0
"""Seconds: a job that the CPU cannot do in this time even at its peak is not measured there."""

SecondsLeft = Callable[[Backend], float]


def first_done(seconds_left: SecondsLeft, setup: float | None = None) -> Backend:
    """Return the backend of the device that is done first with a job; a GPU if in doubt.

    Parameters
    ----------
    seconds_left : callable
        Measures the job on a backend: seconds that it takes after the set-up.
    setup : float, optional
        Seconds that a GPU needs before its first step. Default: `gpu_setup`.

    Warns
    -----
    FallbackWarning
        If this is the CPU, although there may be a GPU that works.
    """
    if not may_have_gpu():
        return select_backend("auto")
    setup = gpu_setup() if setup is None else setup
    cpu = select_backend("cpu")
    on_cpu = seconds_left(cpu)
    if on_cpu <= setup:
        return _taken(cpu, on_cpu, f"a GPU is set up in {setup:.1f} s at least")
    gpu = select_backend("auto")
    if gpu.is_host or math.isinf(on_cpu):
        return gpu
    on_gpu = seconds_left(gpu)
    if on_cpu < on_gpu:
        return _taken(cpu, on_cpu, f"{gpu.device} would take {on_gpu:.1f} s")
    return gpu


def _taken(cpu: Backend, seconds: float, reason: str) -> Backend:
    message = (
        f"Using the CPU, which takes about {seconds:.1f} s; {reason}. "
        "The device cuda is used if it is requested by name."
    )
    warn(message, FallbackWarning)
    return cpu


def has_chance(flops: float) -> bool:
    """Return whether the CPU may do a number of operations before a GPU is done."""
    return flops <= NO_CHANCE * CORE_PEAK * available_cores()


def may_have_gpu() -> bool:
    """Return quickly, without using a GPU, whether CuPy and a driver are installed."""
    return not is_missing("cupy") and bool(driver_version(sys.modules.get("cupy")))


def gpu_setup() -> float:
    """Return the seconds that a GPU needs at least, in this process, before its first step."""
    if probe.cache_info().currsize:
        return IN_USE
    return WARM if has_kernels() else COLD
