"""The GPU benchmarks: the CPU's jobs and harness, with contenders that work on the GPU.

    .venv/bin/python -m scripts.gpu_bench [--rounds 5] [--jobs a c m]

Part of scripts/gpu-check. Each contender is a process of its own and takes turns with the
others; steps are refused unless they come to the same loss. First calls (context, kernels,
compilation) are told apart from the steps, uploads among the limits.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from scripts.bench import show
from scripts.benchmarks import races, steps
from scripts.benchmarks.contenders import ON_GPU
from scripts.benchmarks.device import VARIABLE
from scripts.benchmarks.harness import output

JOBS = ("a", "b", "c", "d", "m")
RACE = "e2"


def measured(jobs: list[str], rounds: int) -> dict[str, Any]:
    """Return the figures of some jobs, of the way to 98 %, and what the GPU can do at most."""
    os.environ[VARIABLE] = "cuda"
    result: dict[str, Any] = {"rounds": rounds, "limits": output("scripts.benchmarks.gpu_limits")}
    print(json.dumps(result["limits"]), flush=True)
    for name in jobs:
        # Full batches are no work for a scan, and minibatches are better in one.
        needless = "JAX lax.scan" if name == "a" else "JAX jitted step"
        contenders = [contender for contender in ON_GPU if contender != needless]
        if name == "a":
            contenders += ["notebook float64"]
        result[name] = (
            races.measure(name, contenders, rounds)
            if name == RACE
            else steps.measure(name, contenders, rounds)
        )
        print(f"\n{name}  {result[name]['title']}")
        show(result[name])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", nargs="+", choices=(*JOBS, RACE), default=[*JOBS, RACE])
    options = parser.parse_args()
    print(json.dumps(measured(options.jobs, options.rounds)))


if __name__ == "__main__":
    main()
