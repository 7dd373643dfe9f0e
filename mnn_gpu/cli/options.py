"""What the subcommands share: options, the choice of the device, output."""

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
    """Check that a model can be written, over no input and no file that is not a model.

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
        help="a model file that train wrote, or record: the model that comes with the package",
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
    """Check that options about data in files are not given for the bundled data.

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
    """Return data that were given as files, transposed if ``--transpose`` or the model says so.

    Raises
    ------
    DataError
        If the images are not known to have lines and columns.
    """
    from mnn_gpu.data.transposed import transposed

    asked = args.transpose
    if asked is None:
        asked = model is not None and model.info.get("transpose") is True
    return transposed(data) if asked else data


def add_paths(parser: Options, text: str) -> None:
    parser.add_argument("paths", nargs="*", default=[], metavar="PATH", help=text)


def one_of_both(paths: Sequence[str], data: Sequence[str] | None) -> Sequence[str] | None:
    """Return the files that are named as arguments or with ``--data``, None if there are none.

    Raises
    ------
    UsageError
        If there are some of both.
    """
    from mnn_gpu.errors import UsageError

    if paths and data:
        raise UsageError("Files are given as arguments and with --data.", "Give them once.")
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
        help="read the data from the disk during the run: a folder that convert wrote, or a "
        "Parquet file (default: for such folders)",
    )


def is_streamed(args: argparse.Namespace, paths: Sequence[str] | None) -> bool:
    """Tell whether data are left on the disk, as ``--stream`` says.

    Raises
    ------
    UsageError
        If they are several files, or the bundled ones (None).
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
    """Say what the package warns of, at once, each in a line."""
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
    """Return the backend; where auto fell back to the CPU, say why in one line."""
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
