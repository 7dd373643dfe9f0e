"""Commands of this Python in the repository's root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from scripts.gpu.record import ROOT


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python command``; what it prints is captured."""
    return subprocess.run(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def train(*options: str, **environment: str) -> dict[str, Any]:
    """Run ``mnn-gpu train`` and return its report and the seconds of the whole process.

    Raises
    ------
    RuntimeError
        If it fails, with the end of its messages.
    """
    command = ("-m", "mnn_gpu", "train", "--json", "-q", *options)
    result, seconds = timed(lambda: run(*command, **environment))
    if result.returncode:
        raise RuntimeError(result.stderr.strip()[-400:])
    report: dict[str, Any] = json.loads(result.stdout)
    return report | {"process_seconds": seconds}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of some work and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started
