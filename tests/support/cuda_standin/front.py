"""Loads the stand-in for CUDA before CuPy, which then uses the loaded libraries.

`build` installs this next to CuPy, as a module that the interpreter imports at start-up.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_suffix(".folder").read_text(encoding="utf-8")
HOLD_THE_RUNTIME = ("cupy_backends/cuda/api/runtime.*.so", "cupy/cuda/cub.*.so")
"""Libraries of the wheel that contain CUDA's runtime."""


def load() -> None:
    """Load the stand-in's libraries and redirect the runtime inside CuPy's."""
    libraries = sorted(Path(FOLDER).glob("lib*.so.*"), key=lambda path: "cuda" not in path.name)
    cuda, *_ = [ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL) for path in libraries]
    for pattern in HOLD_THE_RUNTIME:
        for path in Path(__file__).parent.glob(pattern):
            ctypes.CDLL(str(path))
            if cuda.standin_take_over(str(path).encode()) <= 0:
                raise ImportError(f"the CUDA stand-in finds no runtime in {path}")


class Finder:
    """Finds no module; loads the stand-in when CuPy is first imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == "cupy_backends":
            sys.meta_path.remove(self)
            load()
        return None


if os.environ.get("CUDA_STANDIN") != "off":
    os.environ.setdefault("CUPY_ACCELERATORS", "")
    os.environ.setdefault("CUPY_CACHE_DIR", f"{FOLDER}/cupy")
    sys.meta_path.insert(0, Finder())
