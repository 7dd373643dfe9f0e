"""Prints how long NVRTC takes to compile the kernels of a training step; needs no GPU.

    python -m scripts.gpu.cold_kernels [12|13 CAPABILITY]

CuPy compiles the same module at the first step of a run, unless it is in its cache on disk.
"""

from __future__ import annotations

import sys
import time

from mnn_gpu.compiler.cuda_graphs.modules import module_source
from tests.support.kernels import JOBS, sources_of
from tests.support.nvrtc import WHEELS, compiled, library

SHOWN = {
    "784-10-10-10, full batches": "a",
    "784-128-64-10, Adam, batch 128": "c",
    "784, eight layers of 32, 10, Adam, batch 128": "deep",
}


def main() -> None:
    version, capability = sys.argv[1:] or ("13", "90")
    nvrtc = library(int(version))
    if nvrtc is None:
        raise SystemExit(f"error: {WHEELS[int(version)]} is not installed.")
    compiled(nvrtc, 'extern "C" __global__ void nothing() {}', capability)
    print("network,kernels,seconds,CPU seconds")
    for name, job in SHOWN.items():
        sources = sources_of(JOBS[job])
        cpu = time.process_time()
        seconds = compiled(nvrtc, module_source(sources), capability).seconds
        cpu = time.process_time() - cpu
        print(f'"{name}",{len(sources)},{seconds:.2f},{cpu:.2f}', flush=True)


if __name__ == "__main__":
    main()
