"""Shows on an NVIDIA GPU what CI cannot: each check in a separate process, with a time limit.

    scripts/gpu-check                     run it all; needs an NVIDIA GPU, CuPy and pytest
    scripts/gpu-check --seconds 520       all within that time (default: 840)
    scripts/gpu-check --rest              only what has not passed in today's record of this card
    scripts/gpu-check --only "job c" ...  some of the checks
    scripts/gpu-check --out DIR           write the record there (default: scripts/results)
    scripts/gpu-check --list              only list what it would do
    scripts/gpu-check --dry-run           all of it, tiny, on a CPU with a stand-in for CUDA

Writes <card>-<date>.json and .md after every check, and the checks not reached yet. Exits with 1
if a check fails, with 2 on wrong options and with 3 if no GPU works.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.gpu.attempt import limits, tried
from scripts.gpu.plan import HEAD, PLAN
from scripts.gpu.record import NOT_REACHED, ROOT, Record

SECONDS = 840.0
"""Of a quarter of an hour; the rest is for the start."""
PATIENCE = 10
"""The first check, which begins the record, may take this many times its planned time."""


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--list", action="store_true", help="list the checks, run none")
    parser.add_argument("--only", nargs="+", choices=PLAN, help="some of them (default: all)")
    parser.add_argument("--rest", action="store_true", help="those that have not passed today")
    parser.add_argument("--seconds", type=float, help=f"for all (default: {SECONDS:.0f})")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="of the record (default: scripts/results)"
    )
    parser.add_argument("--device", default="cuda", help="cpu tries the checks out (default: cuda)")
    parser.add_argument(
        "--dry-run", action="store_true", help="tiny sizes; the figures mean nothing"
    )
    options = parser.parse_args()
    is_a_gpu = "_cuda_standin" not in sys.modules or options.device == "cpu"
    if not (is_a_gpu or options.dry_run or options.list):
        parser.error("this Python has a stand-in for CUDA: add --dry-run.")
    if options.seconds is None:
        options.seconds = SECONDS * (PATIENCE if options.dry_run else 1)
    if options.out is None:
        a_gpus = ROOT / "scripts" / "results"
        options.out = Path(tempfile.mkdtemp(prefix="gpu-check-")) if options.dry_run else a_gpus
    return options


def main() -> int:
    options = parsed()
    if options.list:
        for name, check in PLAN.items():
            print(f"{name:24}{check.seconds:4} s  {check.check.__doc__}")
        return 0
    deadline = time.monotonic() + options.seconds

    def command(name: str) -> Callable[[Path], Sequence[str]]:
        python = [sys.executable, "-m", "scripts.gpu"]
        dry = ["--dry-run"] * options.dry_run
        return lambda file: [*python, name, str(file), options.device, *dry]

    head = tried(HEAD, PATIENCE * PLAN[HEAD].seconds, PLAN[HEAD].seconds, command(HEAD))
    print(json.dumps(head), flush=True)
    if "machine" not in head:
        return 3
    record = Record(options.out, head.pop("machine"), options.dry_run)
    names = [name for name in options.only or PLAN if name != HEAD]
    if options.rest:
        names = [name for name in names if not record.has_passed(name)]
    record.expect(names)
    record.add(HEAD, head)
    if head["outcome"] != "passed":
        return 3
    for i, name in enumerate(names):
        planned = [PLAN[later].seconds for later in names[i:]]
        remaining = deadline - time.monotonic()
        # On a CPU the planned times mean nothing.
        limit = remaining if options.dry_run else limits(planned, remaining)
        found = NOT_REACHED if limit is None else tried(name, limit, planned[0], command(name))
        record.add(name, found)
        print(f"{found['outcome']:8}  {name} ({found['seconds']:.0f} s): {found}", flush=True)
    print(f"\n{record.page.read_text(encoding='utf-8')}\nwritten to {record.path}")
    return int(any(record.content["checks"][name]["outcome"] == "failed" for name in names))


if __name__ == "__main__":
    sys.exit(main())
