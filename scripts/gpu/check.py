"""Shows on an NVIDIA GPU what CI cannot: each check in a process of its own, with a time limit.

    scripts/gpu-check                     run it all; needs an NVIDIA GPU, CuPy and pytest
    scripts/gpu-check --seconds 520       all within that time; what does not fit is not run
    scripts/gpu-check --only "job c" ...  some of the checks
    scripts/gpu-check --out DIR           write the record there (default: scripts/results)
    scripts/gpu-check --list              only list what it would do

Writes <card>-<date>.json and .md after every check. Exits with 1 if a check fails, and with 3 if no
GPU works.
"""

from __future__ import annotations

import argparse
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

from scripts.gpu.plan import HEAD, PLAN
from scripts.gpu.record import ROOT, Record

PATIENCE = 10
"""Without --seconds a check may take this many times its planned time."""


def limits(planned: Sequence[float], remaining: float | None) -> float | None:
    """Return how long the first of the planned checks may take, None if it is not worth a start.

    Parameters
    ----------
    planned : sequence of float
        Seconds of this check and of those after it.
    remaining : float or None
        Seconds that are left for all of them; what earlier checks saved, this one may take.
    """
    if remaining is None:
        return PATIENCE * planned[0]
    limit = min(remaining, max(planned[0], remaining - sum(planned[1:])))
    return limit if limit >= planned[0] / 2 else None


def limited(command: Sequence[str], limit: float) -> int | None:
    """Run a command and all that it starts; return its exit status, None if it was cut."""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--list", action="store_true", help="list the checks, run none")
    parser.add_argument("--only", nargs="+", choices=PLAN, help="some of them (default: all)")
    parser.add_argument("--seconds", type=float, help="for all of them (default: no limit)")
    parser.add_argument("--out", type=Path, default=ROOT / "scripts" / "results", metavar="DIR")
    parser.add_argument("--device", default="cuda", help="cpu tries the checks out (default: cuda)")
    options = parser.parse_args()
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    names = [name for name in options.only or PLAN if name != HEAD]
    if options.list:
        for name in PLAN:
            print(f"{name:24}{PLAN[name].seconds:4} s  {PLAN[name].check.__doc__}")
        return 0

    def command(name: str) -> Callable[[Path], Sequence[str]]:
        python = [sys.executable, "-m", "scripts.gpu"]
        return lambda file: [*python, name, str(file), options.device]

    head = tried(HEAD, PATIENCE * PLAN[HEAD].seconds, PLAN[HEAD].seconds, command(HEAD))
    print(json.dumps(head), flush=True)
    if head["outcome"] != "passed":
        return 3
    record = Record(options.out, head.pop("machine"))
    record.add(HEAD, head)
    for i, name in enumerate(names):
        planned = [PLAN[later].seconds for later in names[i:]]
        limit = limits(planned, None if deadline is None else deadline - time.monotonic())
        found = (
            {"outcome": "not run", "reason": "no time was left", "seconds": 0.0}
            if limit is None
            else tried(name, limit, planned[0], command(name))
        )
        record.add(name, found)
        print(f"{found['outcome']:8}  {name} ({found['seconds']:.0f} s): {found}", flush=True)
    print(f"\n{record.path.with_suffix('.md').read_text(encoding='utf-8')}")
    return int(any(record.content["checks"][name]["outcome"] == "failed" for name in names))


if __name__ == "__main__":
    sys.exit(main())
