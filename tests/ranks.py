"""The command line as a job of several ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.mpiexec import launcher
from tests.program import PROGRAM

Command = Sequence[object]


def start(
    *parts: tuple[int, Command], cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start a job: so many ranks of each command, on the CPU; it ends within a minute."""
    command: list[str] = []
    for ranks, part in parts:
        command += [*([":"] if command else []), "-n", str(ranks), *map(str, part)]
    return subprocess.run(
        [*launcher(), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "MNN_DEVICE": "cpu", **(env or {})},
        timeout=60,
        check=False,
    )


def run(ranks: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on so many ranks; no traceback, whatever happens."""
    result = start((ranks, [*PROGRAM, *arguments]), cwd=cwd)
    assert "Traceback" not in result.stderr
    return result


def run_python(ranks: int, code: str, cwd: Path) -> str:
    """Run a program of so many ranks, which ends well; return what it prints."""
    result = start((ranks, [sys.executable, "-m", "mpi4py", "-c", code]), cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout
