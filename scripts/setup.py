"""Sets up an environment for a command, once, and runs it. On Windows: py scripts\\setup.py COMMAND

    train ARGUMENT...       train a network; see `train --help`
    test ARGUMENT...        check everything: formatting, lint, types, tests; arguments go to pytest
    test --cuda-standin ... the tests of the GPU, on a CPU: CuPy runs on a stand-in for CUDA
    bench ARGUMENT...       compare with other libraries; see scripts/benchmarks/run.py
    gpu-check ARGUMENT...   show on an NVIDIA GPU what CI cannot; see scripts/gpu/check.py
    environment FOLDER      only make an environment; see `environment --help`

Needs Python 3.11 or newer and nothing else. The environment is .venv in the checkout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("error: this Python is too old.\ncure: run this with Python 3.11 or newer.")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.environments.environment import IS_WINDOWS, ROOT, Environment, SetupError, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

INTERRUPTED = 130


def train(arguments: list[str]) -> NoReturn:
    """Train, with CuPy where there is an NVIDIA driver."""
    from scripts.environments.nvidia import cupy_extra

    environment = Environment()
    if extra := cupy_extra():
        try:
            (with_cupy := Environment(extras=[extra])).set_up()
        except SetupError:
            report("note: CuPy could not be installed, so this runs on the CPU.")
        else:
            environment = with_cupy
    environment.set_up()
    run(environment.program("train"), *arguments)


def test(arguments: list[str]) -> NoReturn:
    """Run all checks, or the tests of the GPU on the stand-in."""
    if arguments[:1] == ["--cuda-standin"]:
        environment = standin()
        os.environ["MNN_REQUIRE_GPU"] = "1"
        arguments[:1] = ["-m", "gpu"]
    else:
        environment = Environment(extras=["test"])
        environment.set_up()
        for check in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]):
            if code := call(environment.program(check[0]), *check[1:], cwd=ROOT):
                sys.exit(code)
    # One thread for each process: several of each wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Hundreds of tests start Python: without its bytecode each of them compiles the package anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(ROOT)
    parallel = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    run(environment.program("python"), "-m", "pytest", *parallel, *arguments)


def bench(arguments: list[str]) -> NoReturn:
    """Measure against the peers; one that cannot be installed is left out by name."""
    environment = Environment(extras=["bench"])
    try:
        environment.set_up()
    except SetupError as error:
        report(str(error))
        environment = Environment()
        environment.set_up()
    os.chdir(ROOT)
    run(environment.program("python"), "-m", "scripts.benchmarks.run", *arguments)


def gpu_check(arguments: list[str]) -> NoReturn:
    """Check a GPU with the first Python that has CuPy: the environment's or the system's."""
    from scripts.environments.nvidia import python_with_cupy

    if "--dry-run" in arguments:
        python = standin().program("python")
    else:
        environment = Environment(extras=["test"])
        if (found := python_with_cupy(environment.program("python"))) is None:
            environment.set_up()
        python = found or environment.program("python")
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([path] if path else [])])
    run(python, "-m", "scripts.gpu.check", *arguments)


def environment(arguments: list[str]) -> None:
    """Make an environment from the options of the command line."""
    from scripts.environments.options import environment_of

    environment_of(arguments).set_up()


def standin() -> Environment:
    """Return an environment in which CuPy runs on a stand-in for CUDA; needs g++."""
    from scripts.environments.nvidia import standin_environment

    environment = standin_environment()
    if code := call(
        environment.program("python"), "-m", "tests.support.cuda_standin.build", cwd=ROOT
    ):
        sys.exit(code)
    return environment


def call(program: Path, *arguments: str, cwd: Path | None = None) -> int:
    """Run a program and return its exit code. An interrupt is left to the program."""
    import signal
    import subprocess

    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    code = subprocess.run([program, *arguments], cwd=cwd, check=False).returncode
    return code if code >= 0 else 128 - code  # A signal, as a shell reports it.


def run(program: Path, *arguments: str) -> NoReturn:
    """Become a program, or where a process cannot, wait for it and exit with its code."""
    if IS_WINDOWS:
        sys.exit(call(program, *arguments))
    os.execv(program, [str(program), *arguments])


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": train,
    "test": test,
    "bench": bench,
    "gpu-check": gpu_check,
    "environment": environment,
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in COMMANDS:
        report(__doc__ or "")
        sys.exit(0 if arguments in (["-h"], ["--help"]) else 2)
    try:
        COMMANDS[arguments[0]](arguments[1:])
    except SetupError as error:
        report(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        report("Interrupted; run this again to continue.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main(sys.argv[1:])
