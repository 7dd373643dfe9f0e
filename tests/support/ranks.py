"""Runs of the command line as a job of several ranks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from tests.support.mpiexec import launcher
from tests.support.program import PROGRAM

ROOT = Path(__file__).parents[2]
Command = Sequence[object]

SETTINGS = {
    "MNN_DEVICE": "cpu",
    # A waiting rank yields to others: there may be fewer processors than ranks.
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "10",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def start(
    *parts: tuple[int, Command], cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start a job with the given number of ranks of each command, on the CPU, for a minute."""
    command: list[str] = []
    for ranks, part in parts:
        command += [*([":"] if command else []), "-n", str(ranks), *map(str, part)]
    return subprocess.run(
        [*launcher(), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **SETTINGS, **(env or {})},
        timeout=60,
        check=False,
    )


def run(ranks: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `mnn-gpu` on several ranks; check that there is no traceback."""
    result = start((ranks, [*PROGRAM, *arguments]), cwd=cwd)
    assert "Traceback" not in result.stderr
    return result


def run_python(ranks: int, code: str, cwd: Path) -> str:
    """Run a program on several ranks, which must succeed; return its output."""
    result = start((ranks, [sys.executable, "-m", "mpi4py", "-c", code]), cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


class SharedJob:
    """A job of four ranks that runs programs one after another, each on the first N ranks.

    Starting a rank takes longer than most tests. A program that fails, receives signals or needs
    another environment requires a separate job: `start`.
    """

    SIZE = 4
    SECONDS = 60

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.streams: dict[int, TextIO] = {}

    def run(self, count: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run `mnn-gpu` on N ranks, which must succeed."""
        given = [*map(str, arguments)]
        out, err = self._run(count, cwd, "program", given)
        return subprocess.CompletedProcess(given, 0, out, err)

    def run_python(self, count: int, code: str, cwd: Path) -> str:
        """Run a program on N ranks, which must succeed; return its output."""
        return self._run(count, cwd, "python", code)[0]

    def _run(self, count: int, cwd: Path, kind: str, given: object) -> tuple[str, str]:
        if self.process is None:
            self._start()
        try:
            streams = [self.streams[rank] for rank in range(count)]
            for stream in streams:
                print(json.dumps([count, str(cwd), kind, given]), file=stream, flush=True)
            texts = [json.loads(stream.readline()) for stream in streams]
        except BaseException:
            self.end()
            raise
        return "".join(out for out, _ in texts), "".join(err for _, err in texts)

    def _start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(self.SECONDS)
            command = [sys.executable, "-m", "mpi4py", "-m", "tests.support.shared_rank"]
            self.process = subprocess.Popen(
                [*launcher(), "-n", str(self.SIZE), *command, str(server.getsockname()[1])],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, **SETTINGS},
            )
            for _ in range(self.SIZE):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(self.SECONDS)
                    stream = connection.makefile("rw")
                self.streams[int(stream.readline())] = stream

    def end(self) -> None:
        """End the job in any state; the next program starts a new one."""
        for stream in self.streams.values():
            with suppress(OSError):
                stream.close()
        self.streams.clear()
        if self.process is not None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait()
            self.process = None
