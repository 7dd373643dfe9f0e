"""The command line, in this process or in its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from mnn_gpu.cli.main import main

PROGRAM = [sys.executable, "-m", "mnn_gpu"]


def run(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on the CPU in this process, which takes no start; see `run_process`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        chdir(cwd or Path.cwd()),
        patch.dict(os.environ, {"MNN_DEVICE": "cpu"}),
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.resetwarnings()
        try:
            code = main([*map(str, args)])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess([*map(str, args)], code, *texts)


def run_process(
    *args: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on the CPU in its own process; no traceback, whatever happens."""
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


def run_program(
    name: str, *args: object, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that is installed beside Python, such as mpiexec."""
    folder = Path(sys.executable).parent
    return subprocess.run(
        [folder / name, *map(str, args)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        check=False,
    )


def prepared(setup: str, command: Sequence[str]) -> list[str]:
    """Return a command that first does something to its process: limits, signals, streams.

    In Python, on one line. (A ``preexec_fn`` would run in a fork of the tests' process, which
    not all libraries that are loaded there survive.)
    """
    first = f"import os, resource, signal, sys; {setup}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", first, *command]
