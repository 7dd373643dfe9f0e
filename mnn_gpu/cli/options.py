"""Options and output that the subcommands share; for those of their data see `data.py`."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from mnn_gpu.cli.paths import named_path
from mnn_gpu.utils.choices import BACKENDS
from mnn_gpu.utils.console import say, show

Options: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


def add_device(parser: Options) -> None:
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N, or PyTorch's mps or xpu (default: $MNN_DEVICE, else auto)",
    )
    parser.add_argument(
        "--backend",
        choices=list(BACKENDS),
        default="auto",
        help="array library (default: auto: CuPy on GPUs, NumPy on the CPU)",
    )


def add_force(parser: Options) -> None:
    parser.add_argument(
        "--force", action="store_true", help="replace an existing file even if it is not a model"
    )


def check_model_output(path: Path, inputs: Iterable[str | Path | None], force: bool) -> None:
    """Raise an error if a model cannot be written, or would replace an input or another file."""
    from mnn_gpu.data.overwriting import check_not_input
    from mnn_gpu.errors import UsageError
    from mnn_gpu.interop.export import check_replaceable
    from mnn_gpu.models.model_file import check_model_name
    from mnn_gpu.storage.atomic_write import check_writable
    from mnn_gpu.storage.descriptor import STDOUT, descriptor_of

    if path == Path("-") or descriptor_of(path) == STDOUT:
        raise UsageError(
            "The model cannot be written to stdout, where the result is printed.",
            "Give the name of a file.",
        )
    check_model_name(path)
    check_not_input(path, inputs)
    check_replaceable(path, force)
    check_writable(path)


def add_json(parser: Options) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_model(parser: Options) -> None:
    parser.add_argument(
        "model",
        type=named_path,
        metavar="MODEL",
        help="a model file written by train, or record: the model included in the package",
    )


@contextmanager
def notes() -> Iterator[None]:
    """Print warnings of the package immediately, one per line."""
    from mnn_gpu import CompilationWarning, DataWarning, FallbackWarning, TrainingWarning

    ours = CompilationWarning, DataWarning, FallbackWarning, TrainingWarning
    shown = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, ours):
            say(f"note: {message}")
        else:
            shown(message, category, *rest, **more)

    with warnings.catch_warnings():
        for category in ours:
            warnings.simplefilter("always", category)
        warnings.showwarning = note
        yield


def print_json(result: dict[str, Any]) -> None:
    show(json.dumps(result, indent=2))
