"""One rank of the job shared by tests: runs programs one after another, see `SharedJob`."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from types import ModuleType
from typing import Any
from unittest.mock import patch

from mpi4py import MPI

from mnn_gpu.distributed.launcher import SIZES
from tests.support import program

WORLD = MPI.COMM_WORLD


def run_program(arguments: list[str]) -> tuple[str, str]:
    """Run `mnn-gpu`; return its stdout and stderr. If it fails, all ranks are terminated."""
    result = program.run(*arguments)
    return result.stdout, result.stderr


def run_python(code: str) -> tuple[str, str]:
    """Run a program; return its stdout and stderr. If it raises, all ranks are terminated."""
    main = ModuleType("__main__")  # Where pickle looks up the program's functions.
    with redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        own, sys.modules["__main__"] = sys.modules["__main__"], main
        try:
            exec(code, main.__dict__)
        finally:
            sys.modules["__main__"] = own
    return out.getvalue(), ""


WORK: dict[str, Callable[[Any], tuple[str, str]]] = {"program": run_program, "python": run_python}


def on_first(size: int, cwd: str, kind: str, given: Any) -> tuple[str, str]:
    """Run something on the first ranks, which see no other ranks."""
    comm = WORLD
    if size < WORLD.size:
        comm = WORLD.Create_group(WORLD.group.Incl(range(size)))
    sizes = {name: str(size) for name in SIZES if name in os.environ}
    with patch.object(MPI, "COMM_WORLD", comm), patch.dict(os.environ, sizes), chdir(cwd):
        texts = WORK[kind](given)
    if size < WORLD.size:
        comm.Free()
    return texts


def main(port: str) -> None:
    connection = socket.create_connection(("127.0.0.1", int(port)))
    with connection, connection.makefile("rw") as stream:
        print(WORLD.rank, file=stream, flush=True)
        for line in stream:
            print(json.dumps(on_first(*json.loads(line))), file=stream, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
