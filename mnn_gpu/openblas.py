"""Settings of OpenBLAS, NumPy's matrix library, that it reads once, when NumPy is loaded.

They are environment variables; whatever the user has set stays as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")

# What OpenBLAS's kernels for SkylakeX use.
NEEDED = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

SPIN = "18"
"""Its threads look for work during 2^18 clock ticks (some 0.1 ms) after each product and
then sleep. The default of 2^26 keeps a processor busy that the next update could use."""


def prepare() -> None:
    """Choose the settings, unless NumPy is loaded already and they would come too late."""
    if "numpy" in sys.modules:
        return
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", SPIN)
    if _is_amd_with_avx512():
        # OpenBLAS 0.3.31 runs AVX2 kernels on AMD processors that it does not know (Zen 5),
        # at half the speed of its AVX-512 kernels.
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def _is_amd_with_avx512() -> bool:
    try:
        with CPU_INFO.open(encoding="ascii", errors="replace") as file:
            first_processor = file.read(8192).partition("\n\n")[0]
    except OSError:
        return False
    return "AuthenticAMD" in first_processor and set(first_processor.split()) >= NEEDED
