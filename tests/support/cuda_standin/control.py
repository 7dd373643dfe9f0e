"""What tests ask of the stand-in for CUDA: limits, failures, and counts of what lives."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

IS_IN_FRONT = "_cuda_standin" in sys.modules
"""Whether CuPy, where it is imported, finds the stand-in."""


def get(name: str) -> int:
    """Return a setting, or how many streams, events, handles ... live."""
    library = ctypes.CDLL("libcuda.so.1")
    library.standin_get.restype = ctypes.c_long
    return int(library.standin_get(name.encode()))


@contextmanager
def settings(**values: int) -> Iterator[None]:
    """Set what the README of the stand-in lists; set it back afterwards, with no error left."""
    library = ctypes.CDLL("libcuda.so.1")
    before = {name: get(name) for name in values}
    for name, value in values.items():
        library.standin_set(name.encode(), ctypes.c_long(value))
    try:
        yield
    finally:
        for name, value in {**before, "sticky": 0}.items():
            library.standin_set(name.encode(), ctypes.c_long(value))


def run(code: str, **values: int) -> str:
    """Run a program with these settings from its start; return what it prints and says."""
    wanted = ",".join(f"{name}={value}" for name, value in values.items())
    result = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CUDA_STANDIN": wanted},
        check=False,
    )
    return result.stdout
