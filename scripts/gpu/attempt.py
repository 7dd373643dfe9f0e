"""A check in its process, within its time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.gpu.record import ROOT


def limits(planned: Sequence[float], remaining: float) -> float | None:
    """Return how long the first of the planned checks may take, None if it is not worth a start.

    Parameters
    ----------
    planned : sequence of float
        Seconds of this check and of those after it.
    remaining : float
        Seconds that are left for all of them; what earlier checks saved, this one may take.
    """
    limit = min(remaining, max(planned[0], remaining - sum(planned[1:])))
    return limit if limit >= planned[0] / 2 else None


def limited(command: Sequence[str], limit: float) -> int | None:
    """Run a command and all that it starts; return its exit status, None if it was cut.

    Its standard input ends when this process does.
    """
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True
    ) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Its children too, which may hold the GPU.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def tried(name: str, limit: float, planned: float, command: Callable[[Path], Sequence[str]]) -> Any:
    """Run a check in its process and return what it found, also if it did not finish."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        status = limited(command(file), limit)
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if "outcome" not in found:
        found.pop("passed", None)
        # A check that had all the time that it is planned to take has failed by not ending.
        cut = "not run" if limit < planned else "failed"
        found |= (
            {"outcome": cut, "reason": f"not finished in {limit:.0f} s"}
            if status is None
            else {"outcome": "failed", "reason": f"{name} ended with status {status}"}
        )
    return found | {"seconds": time.perf_counter() - started}
