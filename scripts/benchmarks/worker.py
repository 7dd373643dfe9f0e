"""One contender in a process of its own, driven line by line over its standard streams.

    python -m scripts.benchmarks.worker CONTENDER JOB

Answers each line of input with a line of JSON: "warm up" when it has made the steps,
"advance" with the seconds that the steps
took, "loss" with the loss of the present parameters, "memory" with the peak in bytes.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from typing import Any


def answer(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    contender, job = sys.argv[1:]
    # mnn_gpu sets OpenBLAS up before NumPy is loaded; its peers run as their users have them.
    importlib.import_module("mnn_gpu" if contender.startswith("mnn_gpu") else "numpy")
    from scripts.benchmarks.contenders import CONTENDERS
    from scripts.benchmarks.jobs import JOBS, Problem

    problem = Problem.of(JOBS[job])
    try:
        runner = CONTENDERS[contender](problem)
    except (ImportError, NotImplementedError) as error:
        answer(left_out=f"{type(error).__name__}: {error}")
        return
    answer(ready=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "warm up":
            runner.advance()
            answer(done=True)
        elif command == "advance":
            started = time.perf_counter()
            runner.advance()
            answer(seconds=time.perf_counter() - started)
        elif command == "loss":
            answer(loss=problem.loss(runner.theta()))
        elif command == "memory":
            answer(bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
