"""The data of a command: the options that name them, and reading them accordingly."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mnn_gpu.cli.options import Options

if TYPE_CHECKING:
    from mnn_gpu import Blocks, Dataset, Model
    from mnn_gpu.data.mnist import Part

D = TypeVar("D", "Dataset", "Blocks")


def add_data(parser: Options, default: str) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="PATH",
        help=f"CSV, Parquet, .npz, IDX, .zip or a folder (default: {default})",
    )
    add_label_column(parser)
    add_transpose(parser)


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


def add_transpose(parser: Options) -> None:
    parser.add_argument(
        "--transpose",
        action=argparse.BooleanOptionalAction,
        help="swap rows and columns of each image, for files such as EMNIST's (default: as for "
        "the model's training data)",
    )


def add_stream(parser: Options) -> None:
    parser.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="read the data from disk during the run: a folder written by convert, or a "
        "Parquet file (default: for such folders)",
    )


def add_paths(parser: Options, text: str) -> None:
    parser.add_argument("paths", nargs="*", default=[], metavar="PATH", help=text)


def one_of_both(paths: Sequence[str], data: Sequence[str] | None) -> Sequence[str] | None:
    """Return the files given as arguments or with ``--data`` (not both), None without any."""
    from mnn_gpu.errors import UsageError

    if paths and data:
        raise UsageError("Files are given as arguments and with --data.", "Use only one of them.")
    return data or paths or None


def read_data(
    args: argparse.Namespace,
    paths: Sequence[str] | None,
    part: Part,
    model: Model | None = None,
    *,
    labelled: bool = True,
) -> Dataset | Blocks:
    """Return data that stay on disk, if ``--stream`` says so, else those of `load_data`."""
    from mnn_gpu import open_blocks

    path = _streamed_path(args, paths)
    if path is None:
        return load_data(args, paths, part, model, labelled=labelled)
    return _oriented(args, open_blocks(path, args.label_column, args.keep_columns), model)


def load_data(
    args: argparse.Namespace,
    paths: Sequence[str] | None,
    part: Part,
    model: Model | None = None,
    *,
    labelled: bool = True,
) -> Dataset:
    """Return data from files as the options say; without files, the bundled MNIST.

    The model that they are for, if any, gives their number of pixels and their orientation.
    """
    from mnn_gpu import load_dataset
    from mnn_gpu.data import bundled_mnist

    _check_files_given(args, paths)
    if paths is None:
        return bundled_mnist(part)
    data = load_dataset(
        paths,
        part,
        label_column=args.label_column,
        keep_columns=args.keep_columns,
        labelled=labelled,
        features=None if model is None else model.features,
    )
    return _oriented(args, data, model)


def _streamed_path(args: argparse.Namespace, paths: Sequence[str] | None) -> str | None:
    """Return the file or folder that stays on disk, according to ``--stream``."""
    from mnn_gpu.data.npy_folder.index import is_converted
    from mnn_gpu.errors import UsageError

    if paths is None:
        if args.stream:
            raise UsageError("--stream reads a file or folder.", "Give it with --data.")
        return None
    if args.stream and len(paths) > 1:
        raise UsageError("--stream reads one file or folder.", "Convert the data first.")
    if args.stream or (args.stream is None and len(paths) == 1 and is_converted(Path(paths[0]))):
        return paths[0]
    return None


def _check_files_given(args: argparse.Namespace, paths: Sequence[str] | None) -> None:
    """Raise a UsageError if options for data files are used with the bundled data."""
    from mnn_gpu.errors import UsageError

    for name in ("label_column", "keep_columns", "transpose"):
        if paths is None and getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for data from files.", "Give them with --data.")


def _oriented(args: argparse.Namespace, data: D, model: Model | None = None) -> D:
    """Return data from files, transposed if ``--transpose`` or the model says so."""
    from mnn_gpu.data.transposed import transposed

    asked = args.transpose
    if asked is None:
        asked = model is not None and model.info.get("transpose") is True
    return transposed(data) if asked else data
