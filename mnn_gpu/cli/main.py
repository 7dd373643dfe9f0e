"""The two programs: `mnn-gpu COMMAND`, and `train`, which is `mnn-gpu train`."""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from mnn_gpu.cli import (
    check_gradients,
    completion,
    convert,
    devices,
    evaluate,
    export,
    import_weights,
    plot,
    predict,
    recipes,
    train,
)
from mnn_gpu.cli.mpi_job import Job
from mnn_gpu.cli.options import notes
from mnn_gpu.cli.parser import HELP_ALL, Parser, shorten_help
from mnn_gpu.cli.paths import expanded
from mnn_gpu.errors import DeviceError, MnnGpuError, OutputError, RankError
from mnn_gpu.storage.os_errors import reason_of
from mnn_gpu.utils.console import finish_stdout, flush_stdout
from mnn_gpu.utils.packages import require
from mnn_gpu.version import __version__

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "plot": plot,
    "export": export,
    "import": import_weights,
    "convert": convert,
    "recipes": recipes,
    "devices": devices,
    "check-gradients": check_gradients,
    "completion": completion,
}
SHARED = (train, evaluate, predict)
"""The commands that several ranks execute together; others run on the first rank only."""
ANY_VERSION = (devices, recipes, completion)
"""The commands that run with any version of the other packages, to report it."""
INTERRUPTED = 130
SYSTEM_CURE = "Check that the file exists, its permissions, the disk and the network."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mnn-gpu`; return the exit code."""
    job = Job()
    argv = expanded(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] == "help":
        # help COMMAND is COMMAND --help; without a command it is --help.
        argv = [*argv[1:2], "--help"]
    parser = program(HELP_ALL not in argv)
    if argv[0] not in ("-h", "--help", "--version") and argv[0].startswith("-"):
        parser.error(f"{argv[0]} comes before the command, such as mnn-gpu train {argv[0]}")
    return _run(parser, argv, job)


def train_main(argv: Sequence[str] | None = None) -> int:
    """Run `train`; return the exit code."""
    job = Job()
    argv = expanded(sys.argv[1:] if argv is None else argv)
    parser = Parser(prog="train")
    parser.add_argument("--version", action="version", version=f"mnn_gpu {__version__}")
    _set_up(parser, train, HELP_ALL not in argv)
    return _run(parser, argv, job)


def program(is_short: bool = False) -> Parser:
    """Return the parser of `mnn-gpu` and its commands.

    Parameters
    ----------
    is_short : bool
        Whether the help of commands lists only common options.
    """
    parser = Parser(
        prog="mnn-gpu",
        description="A multilayer perceptron from scratch, on NumPy or on a CUDA GPU.",
        epilog="mnn-gpu COMMAND --help describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"mnn_gpu {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        _set_up(commands.add_parser(name, help=command.SUMMARY), command, is_short)
    return parser


def _set_up(parser: argparse.ArgumentParser, command: ModuleType, is_short: bool) -> None:
    parser.description, parser.epilog = command.DESCRIPTION, command.EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    parser.set_defaults(command=command)
    if common := getattr(command, "COMMON", None):
        if is_short:
            shorten_help(parser, common)
        else:
            parser.add_argument(HELP_ALL, action="help", help="show this help and exit")


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None, job: Job) -> int:
    """Run a command and turn exceptions into messages and exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names may contain characters that the terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        return _result(parser, argv, job)
    except BaseException as error:
        finish_stdout()
        message, code = _explained(error)
        if code == 0:
            return 0
        if message is None:
            if job.launch is None:
                raise
            message = traceback.format_exc()
        job.fail(message, code)
        return code


def _result(parser: argparse.ArgumentParser, argv: Sequence[str] | None, job: Job) -> int:
    """Run a command; return its exit code. The help is a result too."""
    try:
        args = job.parsed(parser, argv)
        command, is_shared = args.command, args.command in SHARED
        if not (job.is_first or is_shared):
            return 0
        if is_shared:
            args.ranks = job.connect()
        if command not in ANY_VERSION:
            require("numpy", "array_api_compat")
        args.program = program
        with notes():
            code: int = command.run(args)
    except SystemExit:
        flush_stdout()
        raise
    flush_stdout()
    return code


def _explained(error: BaseException) -> tuple[str | None, int]:
    """Return the message for an error, or None for an internal error, and the exit code."""
    if isinstance(error, RankError):
        return "", error.exit_code
    cause = error.__cause__ or error.__context__
    if isinstance(error, ImportError | SystemError) and isinstance(cause, KeyboardInterrupt):
        error = cause  # Interrupting the import of an extension may raise another exception.
    if isinstance(error, MnnGpuError):
        stage = f" (stage: {error.stage})" if isinstance(error, DeviceError) else ""
        return f"error{stage}: {error.cause}\ncure: {error.cure}", error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted.", getattr(error, "exit_code", INTERRUPTED)
    if isinstance(error, MemoryError):
        return (
            f"error: The computer ran out of memory ({error}).\ncure: Use less data.",
            DeviceError.exit_code,
        )
    if isinstance(error, OSError):
        reason = reason_of(error)
        what = f"{error.filename} cannot be used: {reason}" if error.filename else reason
        return f"error: {what}.\ncure: {SYSTEM_CURE}", OutputError.exit_code
    return None, 1
