"""NVRTC, NVIDIA's run-time compiler, which needs no GPU, and the resources of kernels."""

from __future__ import annotations

import ctypes
import re
import time
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, NamedTuple

WHEELS = {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc"}
CAPABILITIES = {
    12: ("60", "70", "75", "80", "86", "89", "90", "100", "120"),
    13: ("75", "80", "86", "89", "90", "100", "120"),
}
"""Compute capabilities tested for each major version of CUDA."""
OPTIONS = ("--std=c++17", "--ptxas-options=-v")


class Compiled(NamedTuple):
    """The result of compiling a kernel with NVRTC.

    Attributes
    ----------
    registers : int
        Per thread.
    stack : int
        Bytes of local memory per thread, including the spills.
    spills : int
        Bytes of spilled registers per thread.
    shared : int
        Bytes per block.
    code : int
        Bytes of the compiled file.
    seconds : float
    warnings : str
    """

    registers: int
    stack: int
    spills: int
    shared: int
    code: int
    seconds: float
    warnings: str


def library(version: int) -> ctypes.CDLL | None:
    """Return NVRTC of a major CUDA version, None if its wheel is not installed."""
    try:
        found = files(WHEELS[version]) or []
    except PackageNotFoundError:
        return None
    names = (f"libnvrtc.so.{version}", f"nvrtc64_{version}0_0.dll")
    paths = [Path(str(path.locate())) for path in found if path.name in names]
    return ctypes.CDLL(str(paths[0])) if paths else None


def compiled(nvrtc: ctypes.CDLL, text: str, capability: str) -> Compiled:
    """Compile one kernel; raise ValueError with NVRTC's log on failure."""
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    options = [option.encode() for option in (*OPTIONS, f"-arch=sm_{capability}")]
    start = time.perf_counter()
    status = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    seconds = time.perf_counter() - start
    log = _bytes(nvrtc, program, "ProgramLog").rstrip(b"\0").decode()
    code = b"" if status else _bytes(nvrtc, program, "CUBIN")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if status:
        raise ValueError(f"{log}\n{text}")
    registers, stack, spills, shared = (_number(pattern, log) for pattern in PATTERNS)
    return Compiled(
        registers,
        stack,
        spills,
        shared,
        len(code),
        seconds,
        "\n".join(line for line in log.splitlines() if not line.startswith(NO_WARNINGS)),
    )


NO_WARNINGS = ("ptxas info", "ptxas         .", "nvrtc: warning: Architectures prior to")
PATTERNS = (
    r"Used (\d+) registers",
    r"(\d+) bytes stack frame",
    r"(\d+) bytes spill stores",
    r"(\d+) bytes smem",
)


def _number(pattern: str, log: str) -> int:
    found = re.search(pattern, log)
    return int(found[1]) if found else 0


def _bytes(nvrtc: ctypes.CDLL, program: Any, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    content = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, content)
    return content.raw
