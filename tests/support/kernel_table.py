"""Print NVRTC's results for every kernel: ``python -m tests.support.kernel_table [12|13]``."""

from __future__ import annotations

import sys

from tests.support.kernels import all_kernels
from tests.support.nvrtc import CAPABILITIES, WHEELS, compiled, library


def main() -> None:
    kernels = all_kernels()
    print("CUDA,capability,job,kernel,registers,stack,spills,shared,code,seconds")
    for version in map(int, sys.argv[1:] or map(str, CAPABILITIES)):
        nvrtc = library(version)
        if nvrtc is None:
            raise SystemExit(f"error: {WHEELS[version]} is not installed.")
        for number, (kernel, job) in enumerate(kernels.items()):
            for capability in CAPABILITIES[version]:
                *sizes, seconds, _ = compiled(nvrtc, kernel.text, capability)
                name = f"{number} {kernel.kind}"
                print(version, capability, job, name, *sizes, f"{seconds:.2f}", sep=",", flush=True)


if __name__ == "__main__":
    main()
