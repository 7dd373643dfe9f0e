"""Report of the libraries and GPUs of this machine, and of the device that "auto" selects."""

from __future__ import annotations

import platform
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from mnn_gpu.backends.gpu_errors import version_text
from mnn_gpu.backends.gpu_probe import (
    Stage,
    cupy_wheels,
    driver_version,
    import_cupy,
    probe_report,
    runtime_version,
)
from mnn_gpu.backends.select import select_backend
from mnn_gpu.backends.torch_backend import devices_of, import_torch
from mnn_gpu.errors import FallbackWarning, MnnGpuError
from mnn_gpu.utils import html
from mnn_gpu.utils.blas import threads_of_products
from mnn_gpu.utils.packages import unavailable


@dataclass(frozen=True)
class Gpu:
    """One GPU and the stages of its probe; None for values that it does not report."""

    index: int
    name: str | None
    memory: int | None
    compute_capability: str | None
    stages: list[Stage]


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`. ``str()`` formats it; `as_dict` returns the same as data."""

    python: str
    numpy: str
    blas: str
    threads: str
    cupy: tuple[str, ...]
    torch: str
    cuda_runtime: str | None
    cuda_driver: str | None
    gpus: list[Gpu]
    problem: Stage | None
    unavailable: list[tuple[str, str]]
    auto: str

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain lists, dicts, numbers and strings."""
        report = asdict(self)
        report["problem"] = self.problem and self.problem._asdict()
        for gpu, data in zip(self.gpus, report["gpus"], strict=True):
            data["stages"] = [stage._asdict() for stage in gpu.stages]
        return report

    def _facts(self) -> list[tuple[str, str]]:
        return [
            ("Python", self.python),
            ("NumPy", f"{self.numpy} with {self.blas}"),
            ("threads", self.threads),
            ("CuPy", ", ".join(self.cupy) or "not installed"),
            ("PyTorch", self.torch),
            ("CUDA runtime", self.cuda_runtime or "none"),
            ("CUDA driver", self.cuda_driver or "none"),
        ]

    def __str__(self) -> str:
        lines = [f"{name:<14}{value}" for name, value in self._facts()]
        if self.problem:
            lines += ["", *_problem_lines("no GPU", self.problem)]
        for gpu in self.gpus:
            lines += ["", *_gpu_lines(gpu)]
        if self.unavailable:
            lines += ["", "not available", *(f"  {what} {why}" for what, why in self.unavailable)]
        return "\n".join([*lines, "", f"--device auto selects {self.auto}"])

    def _repr_html_(self) -> str:
        rows = self._facts()
        for gpu in self.gpus:
            last = gpu.stages[-1]
            said = "works" if last.passed else f"{last.cause} {last.cure}"
            rows.append((f"cuda:{gpu.index}", f"{gpu.name or 'unknown GPU'}: {said}"))
        if self.problem:
            rows.append(("no GPU", f"{self.problem.cause} {self.problem.cure}"))
        rows += [(what, why) for what, why in self.unavailable]
        return html.table([*rows, ("auto selects", self.auto)], "Devices")


def _gpu_lines(gpu: Gpu) -> list[str]:
    memory = f"{gpu.memory / 2**30:.1f} GiB" if gpu.memory else "memory unknown"
    title = f"cuda:{gpu.index}  {gpu.name or 'unknown GPU'}, {memory}"
    if gpu.compute_capability:
        title += f", compute capability {gpu.compute_capability}"
    last = gpu.stages[-1]
    if last.passed:
        return [title, f"  PASS  {', '.join(stage.name for stage in gpu.stages)}"]
    return [title, *(f"  {line}" for line in _problem_lines("FAIL", last))]


def _problem_lines(label: str, stage: Stage) -> list[str]:
    return [f"{label} (stage: {stage.name})", f"  cause  {stage.cause}", f"  cure   {stage.cure}"]


def diagnose() -> Diagnosis:
    """Probe every GPU; report what is installed, what works, and what `auto` selects.

    Returns
    -------
    Diagnosis
        Never raises for a broken CuPy or GPU; that is part of the report.
    """
    stages = probe_report(0)
    cupy, count = None, 0
    # The probe above has already explained any failure here.
    with suppress(Exception):
        cupy = import_cupy()
        count = int(cupy.cuda.runtime.getDeviceCount())
    driver = driver_version(cupy)
    runtime = runtime_version(cupy) if cupy else None
    return Diagnosis(
        python=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        numpy=np.__version__,
        blas=blas_name(),
        threads=threads_of_products(),
        cupy=cupy_wheels(),
        torch=_torch_devices(),
        cuda_runtime=version_text(runtime) if runtime else None,
        cuda_driver=version_text(driver) if driver else None,
        gpus=[_gpu(cupy, index) for index in range(count)],
        problem=None if count else stages[-1],
        unavailable=unavailable(),
        auto=_what_auto_takes(),
    )


def _torch_devices() -> str:
    """Return PyTorch's version and its devices, for --backend torch, or why it does not work."""
    if find_spec("torch") is None:
        return "not installed"
    try:
        torch = import_torch()
        return f"{torch.__version__} with {', '.join(devices_of(torch))} (--backend torch)"
    except Exception as error:
        return getattr(error, "cause", None) or str(error)


def blas_name() -> str:
    """Return the name of NumPy's BLAS, such as "openblas 0.3.30"."""
    try:
        config: Any = np.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "an unknown BLAS"


def _gpu(cupy: Any, index: int) -> Gpu:
    name = memory = capability = None
    # If a GPU cannot even report its name, its probe explains why.
    with suppress(Exception):
        properties = cupy.cuda.runtime.getDeviceProperties(index)
        name = properties["name"].decode()
        memory = int(properties["totalGlobalMem"])
        capability = f"{properties['major']}.{properties['minor']}"
    return Gpu(index, name, memory, capability, probe_report(index))


def _what_auto_takes() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        try:
            backend = select_backend("auto")
        except MnnGpuError as error:  # A NumPy that is too old.
            return f"nothing: {error.cause}"
    return f"{backend.device} ({backend.name})"
