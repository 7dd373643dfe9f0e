"""An environment variable that OpenBLAS, NumPy's BLAS library, reads when NumPy is loaded."""

from __future__ import annotations

import os
import sys

VARIABLE = "OPENBLAS_THREAD_TIMEOUT"

SPIN = "19"
"""After a product, OpenBLAS threads spin for 2^19 clock ticks (about 0.2 ms), then sleep. With
the default of 2^26 they occupy a processor that the parameter update could use."""


def prepare() -> None:
    """Set the variable, unless the user has set it or NumPy is already loaded."""
    if "numpy" not in sys.modules:
        os.environ.setdefault(VARIABLE, SPIN)
