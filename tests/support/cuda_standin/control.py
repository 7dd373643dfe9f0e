"""Control of the stand-in for CUDA in tests: limits, failures, and counts of live objects."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

IS_IN_FRONT = "_cuda_standin" in sys.modules
"""Whether importing CuPy loads the stand-in."""


def get(name: str) -> int:
    """Return a setting, or the number of live streams, events, handles and so on."""
    library = ctypes.CDLL("libcuda.so.1")
    library.standin_get.restype = ctypes.c_long
    return int(library.standin_get(name.encode()))


def put(name: str, value: int) -> None:
    """Change a setting listed in the README of the stand-in."""
    ctypes.CDLL("libcuda.so.1").standin_set(name.encode(), ctypes.c_long(value))


@contextmanager
def settings(**values: int) -> Iterator[None]:
    """Change settings, and restore them afterwards, with errors cleared."""
    before = {name: get(name) for name in values}
    for name, value in values.items():
        put(name, value)
    try:
        yield
    finally:
        for name, value in {**before, "sticky": 0}.items():
            put(name, value)


def run(*command: str, **values: int) -> subprocess.CompletedProcess[str]:
    """Run a program with these settings from its start; `stdout` includes its stderr."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "CUDA_STANDIN": ",".join(f"{name}={value}" for name, value in values.items()),
        },
        timeout=120,
        check=False,
    )
