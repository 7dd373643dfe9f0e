"""The two programs: `mnn-gpu COMMAND` and `train`, the same as `mnn-gpu train`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from mnn_gpu import __version__
from mnn_gpu.cli import check_gradients, devices, evaluate, predict, train
from mnn_gpu.errors import DeviceError, MnnGpuError

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "devices": devices,
    "check-gradients": check_gradients,
}
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mnn-gpu`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="mnn-gpu",
        description="A multilayer perceptron from scratch, on NumPy or on a CUDA GPU.",
    )
    parser.add_argument("--version", action="version", version=f"mnn_gpu {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        _set_up(commands.add_parser(name, help=command.SUMMARY), command)
    return _run(parser.parse_args(argv))


def train_main(argv: Sequence[str] | None = None) -> int:
    """Run `train`; return the exit code."""
    parser = argparse.ArgumentParser(prog="train")
    parser.add_argument("--version", action="version", version=f"mnn_gpu {__version__}")
    _set_up(parser, train)
    return _run(parser.parse_args(argv))


def _set_up(parser: argparse.ArgumentParser, command: ModuleType) -> None:
    parser.description, parser.epilog = command.DESCRIPTION, command.EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def _run(args: argparse.Namespace) -> int:
    """Run a command and turn what it raises into a message and an exit code."""
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except MnnGpuError as error:
        stage = f" (stage: {error.stage})" if isinstance(error, DeviceError) else ""
        print(f"error{stage}: {error.cause}\ncure: {error.cure}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, say) has seen enough; nothing may be flushed into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
