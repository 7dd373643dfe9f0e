"""The command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = [sys.executable, "-m", "mnn_gpu"]


def run(
    *args: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on the CPU unless told otherwise; no traceback, whatever happens."""
    result = subprocess.run(
        [*PROGRAM, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "MNN_DEVICE": "cpu", **(env or {})},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result


def prepared(setup: str, command: Sequence[str]) -> list[str]:
    """Return a command that first does something to its process: limits, signals, streams.

    In Python, on one line. (A ``preexec_fn`` would run in a fork of the tests' process, which
    not all libraries that are loaded there survive.)
    """
    first = f"import os, resource, signal, sys; {setup}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", first, *command]
