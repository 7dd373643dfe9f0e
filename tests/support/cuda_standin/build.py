"""Build the stand-in for CUDA and load it before this interpreter's CuPy.

    python -m tests.support.cuda_standin.build

The libraries and compiled kernels are stored in the folder cuda-standin of this environment.
Exits with 3 if g++ or the CuPy wheel is missing.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = {
    "libcuda.so.1": ["core.cpp", "kernels.cpp", "driver.cpp"],
    "libnvrtc.so.{major}": ["nvrtc.cpp"],
    "libcublas.so.{major}": ["cublas.cpp"],
    "libnccl.so.2": ["nccl.cpp"],
    "libcublasLt.so.{major}": [],  # must only exist
}
BUILD = "g++ -std=c++20 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wno-clobbered"
KERNELS = (
    "g++ -std=gnu++17 -O1 -w -fPIC -shared -fvisibility=hidden -ffp-contract=off "
    "-fno-strict-aliasing -D__CUDACC_VER_MAJOR__=13 -D__CUDA_ARCH__=900"
)
PREFIX = """#include "{here}/device.h"
#include <cupy/complex.cuh>
#include <cupy/carray.cuh>
#include <cupy/atomics.cuh>
#include <cupy/math_constants.h>
"""


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)


def stubs(user: Path, name: str, folder: Path) -> Path:
    """Write stubs that report a missing function, for everything CuPy links to without one."""
    listed = subprocess.run(["nm", "-D", user], check=True, capture_output=True, text=True).stdout
    versioned = f"@{name}" in listed
    wanted = re.findall(rf" U ({name[3:].split('.')[0]}\w+)", listed)
    source = folder / f"stubs-{name}.cpp"
    source.write_text(
        "#include <cstdio>\n"
        '#define STUB(name) extern "C" __attribute__((weak, visibility("default"))) \\\n'
        '    int name() { return fputs("cuda stand-in: no " #name "\\n", stderr), 15; }\n'
        + "".join(f"STUB({symbol})\n" for symbol in wanted)
    )
    source.with_suffix(".map").write_text(f"{name * versioned} {{ global: *; }};\n")
    return source


def build(folder: Path, cupy: Path) -> None:
    """Build the libraries, and the precompiled header."""
    (major,) = {path.name.split("cuda")[1][:2] for path in cupy.parent.glob("cupy_cuda*.dist-info")}
    (folder / "kernels").mkdir(parents=True, exist_ok=True)

    def library(name: str) -> None:
        sources = [HERE / source for source in LIBRARIES[name]]
        name = name.format(major=major)
        others = [] if name == "libcuda.so.1" else [folder / "libcuda.so.1"]
        optimize = ["-O3", "-march=native"] if "cublas" in name else []
        for user in cupy.parent.glob(f"cupy_backends/cuda/libs/{name[3:].split('.')[0]}.*.so"):
            sources.append(stubs(user, name, folder))
            optimize.append(f"-Wl,--version-script={sources[-1].with_suffix('.map')}")
        run(
            *BUILD.split(), *optimize, f"-Wl,-soname,{name}", "-o", folder / name, *sources, *others
        )

    library("libcuda.so.1")
    prefix = folder / "prefix.h"
    prefix.write_text(PREFIX.format(here=HERE))
    flags = f"{KERNELS} -I{HERE}/include -I{cupy}/_core/include"
    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(library, name) for name in LIBRARIES if name != "libcuda.so.1"]
        work.append(pool.submit(run, *flags.split(), "-x", "c++-header", prefix))
        for each in work:
            each.result()
    # The command of nvrtc.cpp, followed by CuPy's options.
    (folder / "compile").write_text(f"{flags} -include {prefix} {folder}/libcuda.so.1")


def main() -> int:
    folder = Path(sys.prefix) / "cuda-standin"
    if shutil.which("g++") is None:
        print("error: the CUDA stand-in needs g++.", file=sys.stderr)
        return 3
    spec = importlib.util.find_spec("cupy")
    if spec is None or not spec.submodule_search_locations:
        print("error: the CUDA stand-in needs a CuPy wheel.", file=sys.stderr)
        return 3
    build(folder, Path(spec.submodule_search_locations[0]))
    site = Path(sysconfig.get_path("purelib"))
    shutil.copy(HERE / "front.py", site / "_cuda_standin.py")
    (site / "_cuda_standin.folder").write_text(str(folder))
    (site / "_cuda_standin.pth").write_text("import _cuda_standin\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
