"""The set-up scripts, with stand-ins for Python's pip and for nvidia-smi."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYTHON = """#!/usr/bin/env bash
# A stand-in for .venv/bin/python: notes what pip is to install, and fails on request.
if [ "$1 $2" = "-m pip" ]; then
    echo "$*" | grep -o '\\-e .*' >>pip.log
    case "$*" in *cuda*) [ -z "$PIP_FAILS" ] || exit 1 ;; esac
    printf '#!/bin/sh\\necho trained "$@"\\n' >.venv/bin/train
    chmod +x .venv/bin/train
fi
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    executable(tmp_path / ".venv/bin/python", PYTHON)
    return tmp_path


def train(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        [checkout / "scripts/train", "--epochs", "two words"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, **environment},
        check=False,
    )


def nvidia(checkout: Path, cuda: str, capability: str) -> None:
    script = f"""#!/bin/sh
case "$*" in *compute_cap*) echo {capability} ;; *) echo "| CUDA Version: {cuda} |" ;; esac
"""
    executable(checkout / "bin/nvidia-smi", script)


def installed(checkout: Path) -> list[str]:
    return (checkout / "pip.log").read_text().splitlines()


def test_a_machine_without_a_gpu_installs_the_core_once(checkout: Path) -> None:
    for _ in range(2):
        result = train(checkout)
        assert (result.returncode, result.stdout) == (0, "trained --epochs two words\n")
    assert installed(checkout) == ["-e ."]
    assert train(checkout).stderr == ""


@pytest.mark.parametrize(
    ("cuda", "capability", "extra"),
    [("12.4", "8.6", "cuda12"), ("13.0", "9.0", "cuda13"), ("13.0", "6.0", "cuda12")],
)
def test_the_cupy_that_fits_driver_and_gpu_is_installed(
    checkout: Path, cuda: str, capability: str, extra: str
) -> None:
    nvidia(checkout, cuda, capability)
    assert train(checkout).returncode == 0
    assert installed(checkout) == [f"-e .[{extra}]"]


def test_where_cupy_cannot_be_installed_it_says_so_and_trains_on_the_cpu(checkout: Path) -> None:
    nvidia(checkout, "12.4", "8.6")
    for _ in range(2):
        result = train(checkout, PIP_FAILS="1")
        assert (result.returncode, result.stdout) == (0, "trained --epochs two words\n")
        assert "CuPy could not be installed" in result.stderr
    assert installed(checkout) == ["-e .[cuda12]", "-e .", "-e .[cuda12]"]
