"""Runs of the command line, in this process or in a separate one."""

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

import numpy as np
import pytest

from mnn_gpu.cli.main import main

PROGRAM = [sys.executable, "-m", "mnn_gpu"]
NO_STDERR = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.2", reason="NumPy 2.0.0 needs stderr to start"
)


def run(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on the CPU in this process, without a start-up time; see `run_process`."""
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
    """Run `mnn-gpu` on the CPU in a separate process; check that there is no traceback."""
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
    """Run a program installed next to Python, such as mpiexec."""
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
    """Return a command that first prepares its process: limits, signals, streams.

    In Python, on one line. (A ``preexec_fn`` would run in a fork of the test process, which not
    all libraries loaded there support.)
    """
    first = f"import os, resource, signal, sys; {setup}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", first, *command]
