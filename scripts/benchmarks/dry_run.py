"""A dry run executes everything, at sizes that a CPU in a GPU's place can do; no figure counts."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "MNN_DRY_RUN"


def amount(full: T, dry: T) -> T:
    """Return how much to compute, or in a dry run how little."""
    return dry if os.environ.get(VARIABLE) == "1" else full
