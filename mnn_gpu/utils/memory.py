"""The memory of this computer: by /proc on Linux, by kernel32 on Windows, its total elsewhere."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MEMORY_INFO = Path("/proc/meminfo")


def host_memory() -> tuple[int | None, int | None]:
    """Return the available and the total memory in bytes; None if the system does not report it.

    macOS reports its total memory only.
    """
    return _windows() if sys.platform == "win32" else (_linux() or (None, _total()))


def _linux() -> tuple[int, int] | None:
    try:
        lines = MEMORY_INFO.read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        free, total = (int(fields[key].split()[0]) * 1024 for key in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError, ValueError):
        return None
    return free, total


def _total() -> int | None:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return total if total > 0 else None


def _windows() -> tuple[int | None, int | None]:
    ctypes: Any = import_module("ctypes")

    class Status(ctypes.Structure):  # type: ignore[misc]
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = (
            *[("length", ctypes.c_uint32), ("load", ctypes.c_uint32), ("total", ctypes.c_uint64)],
            *[("free", ctypes.c_uint64), ("others", ctypes.c_uint64 * 5)],
        )

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return status.free, status.total
