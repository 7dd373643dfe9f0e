"""Options, device selection and output that the subcommands share."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mnn_gpu.cli.paths import named_path
from mnn_gpu.utils.choices import BACKENDS
from mnn_gpu.utils.console import say

if TYPE_CHECKING:
    from mnn_gpu import Blocks, Dataset, Model
    from mnn_gpu.backends import Backend
    from mnn_gpu.distributed.process_group import ProcessGroup


D = TypeVar("D", "Dataset", "Blocks")
Options: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


def add_device(parser: Options) -> None:
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda or cuda:N (default: $MNN_DEVICE, else auto)",
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
    """Check that a model can be written without overwriting an input or another kind of file.

    Raises
    ------
    UsageError, OutputError
    """
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


def add_data(parser: Options, default: str) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="PATH",
        help=f"CSV, Parquet, .npz, IDX, .zip or a folder (default: {default})",
    )
    add_label_column(parser)
    add_transpose(parser)


def check_files_given(args: argparse.Namespace) -> None:
    """Check that options for data files are not used with the bundled data.

    Raises
    ------
    UsageError
    """
    from mnn_gpu.errors import UsageError

    for name in ("label_column", "keep_columns", "transpose"):
        if args.data is None and getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for data from files.", "Give them with --data.")


def add_transpose(parser: Options) -> None:
    parser.add_argument(
        "--transpose",
        action=argparse.BooleanOptionalAction,
        help="swap rows and columns of each image, for files such as EMNIST's (default: as for "
        "the model's training data)",
    )


def oriented(args: argparse.Namespace, data: D, model: Model | None = None) -> D:
    """Return data from files, transposed if ``--transpose`` or the model says so.

    Raises
    ------
    DataError
        If the shape of the images is not known.
    """
    from mnn_gpu.data.transposed import transposed

    asked = args.transpose
    if asked is None:
        asked = model is not None and model.info.get("transpose") is True
    return transposed(data) if asked else data


def add_paths(parser: Options, text: str) -> None:
    parser.add_argument("paths", nargs="*", default=[], metavar="PATH", help=text)


def one_of_both(paths: Sequence[str], data: Sequence[str] | None) -> Sequence[str] | None:
    """Return the files given as arguments or with ``--data``, None if there are none.

    Raises
    ------
    UsageError
        If files are given both ways.
    """
    from mnn_gpu.errors import UsageError

    if paths and data:
        raise UsageError("Files are given as arguments and with --data.", "Use only one of them.")
    return data or paths or None


def add_label_column(parser: Options) -> None:
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        help="column of the labels in a table: its name, first, last or N (default: the one named "
        "label, class, target, digit or y)",
    )
    parser.add_argument(
        "--keep-columns",
        action="store_true",
        default=None,
        help="use columns that number rows (id, index, fold, ...) as pixels too",
    )


def add_stream(parser: Options) -> None:
    parser.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="read the data from disk during the run: a folder written by convert, or a "
        "Parquet file (default: for such folders)",
    )


def is_streamed(args: argparse.Namespace, paths: Sequence[str] | None) -> bool:
    """Return whether data stay on disk, according to ``--stream``.

    Raises
    ------
    UsageError
        If there are several files, or none, for the bundled data.
    """
    from mnn_gpu.data.npy_folder.index import is_converted
    from mnn_gpu.errors import UsageError

    if paths is None:
        if args.stream:
            raise UsageError("--stream reads a file or folder.", "Give it with --data.")
        return False
    if args.stream and len(paths) > 1:
        raise UsageError("--stream reads one file or folder.", "Convert the data first.")
    if args.stream is None:
        return len(paths) == 1 and is_converted(Path(paths[0]))
    return bool(args.stream)


@contextmanager
def notes() -> Iterator[None]:
    """Print warnings of the package immediately, one per line."""
    from mnn_gpu import DataWarning, FallbackWarning, TrainingWarning

    ours = DataWarning, FallbackWarning, TrainingWarning
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, ours):
            say(f"note: {message}")
        else:
            shown(message, category, *rest, **more)

    with warnings.catch_warnings():
        for category in ours:
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield


def print_json(result: dict[str, Any]) -> None:
    print(json.dumps(result, indent=2))


def chosen_backend(args: argparse.Namespace, ranks: ProcessGroup | None = None) -> Backend:
    """Return the backend; if auto fell back to the CPU, print the reason in one line."""
    from mnn_gpu import select_backend
    from mnn_gpu.distributed.process_group import ProcessGroup

    ranks = ProcessGroup() if ranks is None else ranks
    with notes():
        return select_backend(
            args.device,
            args.backend,
            local_rank=ranks.local_rank,
            processes_per_node=ranks.processes_per_node,
        )
