"""A setting of OpenBLAS, NumPy's matrix library, that it reads once, when NumPy is loaded."""

from __future__ import annotations

import os
import sys

VARIABLE = "OPENBLAS_THREAD_TIMEOUT"

SPIN = "19"
"""Its threads look for work during 2^19 clock ticks (some 0.2 ms) after each product and
then sleep. The default of 2^26 keeps a processor busy that an update could use."""


def prepare() -> None:
    """Choose the setting, unless the user has or NumPy is loaded already."""
    if "numpy" not in sys.modules:
        os.environ.setdefault(VARIABLE, SPIN)
