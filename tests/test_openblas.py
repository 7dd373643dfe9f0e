"""OpenBLAS is told what it does not know, in time, and never against the user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnn_gpu import openblas

FLAGS = "fpu avx2 avx512f avx512bw avx512cd avx512dq avx512vl"
VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_THREAD_TIMEOUT")


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", FLAGS, "SkylakeX"),
        ("AuthenticAMD", "fpu avx2", None),
        ("AuthenticAMD", FLAGS.replace("avx512vl", ""), None),
        ("GenuineIntel", FLAGS, None),
    ],
)
def test_only_amd_processors_with_avx512_get_its_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, flags: str, expected: str | None
) -> None:
    (tmp_path / "cpuinfo").write_text(f"vendor_id : {vendor}\nflags : {flags}\n\nvendor_id: x\n")
    monkeypatch.setattr(openblas, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delitem(sys.modules, "numpy")
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    openblas.prepare()
    assert os.environ.get("OPENBLAS_CORETYPE") == expected
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == openblas.SPIN


def environment_after(code: str, **given: str) -> list[str]:
    script = f"{code}\nimport os\nprint(*[os.environ.get(v, 'unset') for v in {VARIABLES}])"
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**clean, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()


def test_what_the_user_set_stays() -> None:
    after = environment_after(
        "import mnn_gpu", OPENBLAS_CORETYPE="Haswell", OPENBLAS_THREAD_TIMEOUT="20"
    )
    assert after == ["Haswell", "20"]


def test_nothing_is_set_where_it_would_come_too_late() -> None:
    assert environment_after("import numpy, mnn_gpu") == ["unset", "unset"]


def test_a_machine_that_tells_nothing_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openblas, "CPU_INFO", tmp_path / "none")
    assert not openblas._is_amd_with_avx512()
