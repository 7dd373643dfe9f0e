"""OpenBLAS's spin time is set before NumPy is loaded, unless the user has set it."""

from __future__ import annotations

import os
import subprocess
import sys

from mnn_gpu.utils.openblas import SPIN, VARIABLE


def setting_after(code: str, **given: str) -> str:
    script = f"{code}\nimport os\nprint(os.environ.get({VARIABLE!r}, 'unset'))"
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", script]
    result = subprocess.run(
        command, env={**clean, **given}, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_importing_the_package_first_sets_it() -> None:
    assert setting_after("import mnn_gpu") == SPIN


def test_a_value_set_by_the_user_is_kept() -> None:
    assert setting_after("import mnn_gpu", **{VARIABLE: "20"}) == "20"


def test_it_is_not_set_after_numpy_is_loaded() -> None:
    assert setting_after("import numpy, mnn_gpu") == "unset"
