"""Causes and cures of known failures of CuPy and of the GPU.

Errors are recognized by CUDA's error number if they have one, otherwise by the name and the
text of the exception: CuPy's exception classes cannot be imported here, since a broken
CuPy is one of the failures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# Values of enum cudaError, CUDA Runtime API reference, section "Data types".
MEMORY_ALLOCATION = 2
INITIALIZATION = 3
INSUFFICIENT_DRIVER = 35
DEVICES_UNAVAILABLE = 46
NO_DEVICE = 100
INVALID_DEVICE = 101
NO_KERNEL_IMAGE = 209
INVALID_PTX = 218
UNSUPPORTED_PTX = 222
SYSTEM_NOT_READY = 802
DRIVER_MISMATCH = 803
DRIVER_NOT_COMPATIBLE = 804
UNKNOWN = 999

USE_CPU = "or use --device cpu"


class WrongVersionError(ImportError):
    """A CuPy whose version is not supported; its text names the supported ones."""


class Explanation(NamedTuple):
    """The cause of a failure and its cure, one sentence each."""

    cause: str
    cure: str


@dataclass(frozen=True)
class Evidence:
    """What is known about a failure.

    Attributes
    ----------
    stage : str
        The stage of the probe that failed.
    error : BaseException
    index : int
        The requested GPU.
    driver : int or None
        The highest CUDA version that the driver supports, as 1000 major + 10 minor;
        0 or None without a driver.
    runtime : int or None
        The CUDA version that CuPy was built for, in the same form.
    wheels : tuple of str
        The installed CuPy distributions, such as ``"cupy-cuda12x 14.2.0"``.
    """

    stage: str
    error: BaseException
    index: int = 0
    driver: int | None = None
    runtime: int | None = None
    wheels: tuple[str, ...] = ()

    @property
    def status(self) -> int | None:
        """CUDA's error number, if the exception has one."""
        status = getattr(self.error, "status", None)
        return status if isinstance(status, int) else None

    @property
    def text(self) -> str:
        """Names and messages of the exception and of its causes."""
        parts: list[str] = []
        error: BaseException | None = self.error
        while error is not None and len(parts) < 5:
            parts.append(f"{type(error).__name__}: {error}")
            error = error.__cause__ or error.__context__
        return " ".join(parts)

    @property
    def install(self) -> str:
        """The command that installs the CuPy for this driver."""
        return install_command(self.driver)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether CuPy's pool, CUDA or cuBLAS failed to allocate memory."""
    return (
        isinstance(error, MemoryError)
        or getattr(error, "status", None) == MEMORY_ALLOCATION
        or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
    )


def version_text(version: int | None) -> str:
    """Format a CUDA version number: 12040 as 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}" if version else "none"


CUPY_FOR_CUDA_12 = 'pip install "cupy-cuda12x[ctk]"'
CUPY_FOR_CUDA_13 = 'pip install "cupy-cuda13x[ctk]"'


def install_command(driver: int | None) -> str:
    """Return the install command for a driver: CUDA 13 if the driver supports it.

    (CUDA 13 also requires a Turing GPU or newer; an older GPU is recognized by the rule for
    architectures.)

    The ``[ctk]`` wheels include CUDA's libraries; the others need them on the system.
    """
    return CUPY_FOR_CUDA_13 if driver and driver >= 13000 else CUPY_FOR_CUDA_12


def first_line(error: BaseException) -> str:
    """Return the exception as one line of at most 160 characters."""
    lines = [line.strip(" =\t") for line in str(error).splitlines()]
    text = next((line for line in lines if line), "")
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


def _mentions(pattern: str) -> Callable[[Evidence], bool]:
    return lambda e: re.search(pattern, e.text, re.IGNORECASE) is not None


def _has_status(*statuses: int) -> Callable[[Evidence], bool]:
    return lambda e: e.status in statuses


def _no_driver(e: Evidence) -> bool:
    return not e.driver and (e.stage == "driver" or e.status == INSUFFICIENT_DRIVER)


def _reinstall(e: Evidence) -> str:
    names = " ".join(wheel.split()[0] for wheel in e.wheels) or "cupy"
    return f"Run pip uninstall -y {names}, then {e.install}, {USE_CPU}."


def _update_driver(e: Evidence) -> str:
    has_cuda_13 = any(wheel.startswith("cupy-cuda13x") for wheel in e.wheels)
    if has_cuda_13 and e.driver and e.driver >= 12000:
        other = f"or run pip uninstall -y cupy-cuda13x, then {CUPY_FOR_CUDA_12}"
        return f"Update the driver, {other}, {USE_CPU}."
    return f"Update the driver, {USE_CPU}."


Rule = tuple[Callable[[Evidence], bool], Callable[[Evidence], Explanation]]

# The first matching rule decides, so more specific rules come first.
RULES: list[Rule] = [
    (
        lambda e: isinstance(e.error, ModuleNotFoundError) and e.error.name == "cupy",
        lambda e: (
            Explanation("CuPy is not installed.", f"Run {e.install}, {USE_CPU}.")
            if e.driver
            else Explanation(
                "CuPy is not installed, and no NVIDIA driver was found.",
                f"On a machine with an NVIDIA GPU run {e.install}; elsewhere use --device cpu.",
            )
        ),
    ),
    (
        lambda e: isinstance(e.error, WrongVersionError),
        lambda e: Explanation(f"Computing on a GPU needs {e.error}.", _reinstall(e)),
    ),
    (
        _no_driver,
        lambda _: Explanation(
            "No NVIDIA driver was found.",
            f"Install the NVIDIA driver and check that nvidia-smi runs, {USE_CPU}.",
        ),
    ),
    (
        _has_status(INSUFFICIENT_DRIVER, UNSUPPORTED_PTX),
        lambda e: Explanation(
            f"The NVIDIA driver is too old: it supports CUDA {version_text(e.driver)}, "
            f"CuPy needs {version_text(e.runtime)}.",
            _update_driver(e),
        ),
    ),
    (
        lambda e: e.status == NO_DEVICE or (e.stage == "device count" and e.status is None),
        lambda _: Explanation(
            "The NVIDIA driver works, but no GPU is visible.",
            "Check nvidia-smi -L, unset CUDA_VISIBLE_DEVICES, or start the container with "
            f"--gpus all, {USE_CPU}.",
        ),
    ),
    (
        lambda e: e.status == INVALID_DEVICE or e.stage == "index in range",
        lambda e: Explanation(
            f"There is no GPU with index {e.index}: {e.error}.",
            "Choose one from the output of mnn-gpu devices; CUDA_VISIBLE_DEVICES renumbers "
            f"them from 0, {USE_CPU}.",
        ),
    ),
    (
        lambda e: len(e.wheels) > 1,
        lambda e: Explanation(
            f"Several CuPy wheels are installed and conflict: {', '.join(e.wheels)}.",
            _reinstall(e),
        ),
    ),
    (
        lambda e: is_out_of_memory(e.error),
        lambda e: Explanation(
            f"GPU {e.index} is out of memory.",
            "Check with nvidia-smi which process uses it; lower --batch-size or --shard-rows, "
            f"use another GPU with --device cuda:N, {USE_CPU}.",
        ),
    ),
    (
        _has_status(DEVICES_UNAVAILABLE),
        lambda e: Explanation(
            f"GPU {e.index} is busy or reserved for another process (exclusive mode).",
            f"Check nvidia-smi, wait or use another GPU with --device cuda:N, {USE_CPU}.",
        ),
    ),
    (
        lambda e: (
            e.status in (NO_KERNEL_IMAGE, INVALID_PTX)
            or _mentions("gpu-architecture|no kernel image|ARCH_MISMATCH")(e)
        ),
        lambda e: Explanation(
            f"CuPy for CUDA {version_text(e.runtime)} does not support the architecture of "
            f"GPU {e.index}.",
            "GPUs before Turing (P100, V100) need cupy-cuda12x: "
            f"{CUPY_FOR_CUDA_12} after removing the other wheel; very new ones "
            f"need the newest CuPy; {USE_CPU}.",
        ),
    ),
    (
        _mentions("open source file|CUDA headers"),
        lambda e: Explanation(
            "CuPy cannot find the CUDA headers that its kernels include.",
            f"Install them together with CuPy: {e.install}, or point CUDA_PATH to a "
            f"CUDA toolkit, {USE_CPU}.",
        ),
    ),
    (
        _mentions("(fail|find|load|open).*nvrtc|nvrtc.*(not found|no such file|cannot open)"),
        lambda e: Explanation(
            "CuPy cannot find NVRTC, CUDA's run-time compiler.",
            f"Install the CUDA libraries together with CuPy: {e.install}, {USE_CPU}.",
        ),
    ),
    (
        _mentions(r"libcublas|cublas(Lt)?64_"),
        lambda e: Explanation(
            "CuPy cannot load cuBLAS, CUDA's matrix library.",
            f"Install the CUDA libraries together with CuPy: {e.install}, {USE_CPU}.",
        ),
    ),
    (
        _has_status(DRIVER_MISMATCH, DRIVER_NOT_COMPATIBLE, SYSTEM_NOT_READY, UNKNOWN),
        lambda e: Explanation(
            f"The NVIDIA driver is not ready ({first_line(e.error)}).",
            "Restart the computer; after a driver update the old kernel module stays "
            f"loaded until then, {USE_CPU}.",
        ),
    ),
    (
        _has_status(INITIALIZATION),
        lambda _: Explanation(
            "CUDA could not start in this process; it does not work after a fork.",
            "Start worker processes with the 'spawn' method, or restart the notebook "
            f"kernel, {USE_CPU}.",
        ),
    ),
    (
        lambda e: e.stage == "import",
        lambda e: Explanation(
            f"CuPy is installed but cannot be imported ({first_line(e.error)}).", _reinstall(e)
        ),
    ),
]


def explain(evidence: Evidence) -> Explanation:
    """Return the cause and the cure of a failure, known or unknown."""
    for fits, cure in RULES:
        if fits(evidence):
            return cure(evidence)
    return Explanation(
        f"The GPU failed ({first_line(evidence.error)}).",
        f"Check mnn-gpu devices and nvidia-smi, {USE_CPU}.",
    )
