"""Looks for wrong memory accesses and races in the package's kernels, and at their speed.

    python -m scripts.gpu.sanitize --out DIR --seconds 150

Runs NVIDIA's compute-sanitizer (memcheck, racecheck, initcheck) and ncu over a few steps; writes
DIR/sanitizer.json after each, and the profile as DIR/ncu-<job>.csv. Needs both programs and a GPU.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.gpu.outcome import write
from scripts.gpu.record import ROOT

OURS = "mnn_gpu|cupy_"
SANITIZER = ("compute-sanitizer", "--error-exitcode", "9", "--kernel-name", f"regex={OURS}")
METRICS = (
    "gpu__time_duration.sum",
    "dram__bytes.sum",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__warps_active.avg.pct_of_peak_sustained_active",
    "launch__registers_per_thread",
    "launch__grid_size",
    "launch__block_size",
)
NCU = (
    *("ncu", "--clock-control", "none", "--csv", "--page", "raw", "--print-units", "base"),
    *("--metrics", ",".join(METRICS), "--launch-count", "60"),
)
CHECKS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "memcheck, c": ((*SANITIZER, "--tool", "memcheck"), "c", "192"),
    "racecheck, c": ((*SANITIZER, "--tool", "racecheck"), "c", "192"),
    "memcheck, a": ((*SANITIZER, "--tool", "memcheck"), "a", "24"),
    "initcheck, c": ((*SANITIZER, "--tool", "initcheck"), "c", "192"),
    "racecheck, a": ((*SANITIZER, "--tool", "racecheck"), "a", "24"),
    "memcheck, deformed": ((*SANITIZER, "--tool", "memcheck"), "deformed", "192"),
    "ncu, c": (NCU, "c", "1"),
    "ncu, a": (NCU, "a", "1"),
    "ncu, d": (NCU, "d", "1"),
}


def looked(tool: tuple[str, ...], job: str, iterations: str, limit: float) -> dict[str, Any]:
    """Run a tool over a few steps; return its outcome and the end of what it prints."""
    if shutil.which(tool[0]) is None:
        return {"outcome": "not run", "reason": f"{tool[0]} is not installed"}
    command = [*tool, sys.executable, "-m", "scripts.gpu.few_steps", job, iterations]
    try:
        result = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"outcome": "not run", "reason": f"not finished in {limit:.0f} s"}
    summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", result.stdout)
    return {
        "outcome": "failed" if result.returncode else "passed",
        "summary": summary,
        "stdout": result.stdout,
        "end": (result.stdout[-1500:] + result.stderr[-1500:]) if result.returncode else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all (default: 600)")
    parser.add_argument("--each", type=float, default=50.0, help="for one (default: 50)")
    parser.add_argument("--only", nargs="+", choices=CHECKS)
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    found: dict[str, Any] = {}
    for name in options.only or CHECKS:
        started = time.monotonic()
        limit = min(options.each, deadline - started)
        if limit < 5:
            found[name] = {"outcome": "not run", "reason": "no time was left"}
        else:
            found[name] = looked(*CHECKS[name], limit)
        stdout = found[name].pop("stdout", "")
        if name.startswith("ncu"):
            (options.out / f"{name.replace(', ', '-')}.csv").write_text(stdout, encoding="utf-8")
        found[name]["seconds"] = time.monotonic() - started
        write(options.out / "sanitizer.json", found)
        print(name, found[name], flush=True)


if __name__ == "__main__":
    main()
