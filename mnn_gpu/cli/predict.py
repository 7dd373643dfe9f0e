"""`mnn-gpu predict`: labels for images, in Kaggle's format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli import predict_images
from mnn_gpu.cli.data import (
    add_label_column,
    add_stream,
    add_transpose,
    one_of_both,
    read_data,
)
from mnn_gpu.cli.options import add_device, add_json, add_model, print_json
from mnn_gpu.cli.paths import output_path
from mnn_gpu.cli.predict_images import check_csv_output
from mnn_gpu.errors import OutputError, UsageError
from mnn_gpu.utils.console import show

if TYPE_CHECKING:
    import numpy.typing as npt

ROWS = 1 << 16
"""Number of lines that are formatted at a time."""

SUMMARY = "label the images of a data set, or images of handwritten digits"
DESCRIPTION = """\
Label the images of a data set and print ImageId,Label lines, numbered from 1,
as Kaggle expects (File,Label lines for a folder of image files). Or read
images of one handwritten digit each (photographs, scans, drawings) and print
the digit and its probability for every file (needs the extra images)."""
EPILOG = """\
examples:
  mnn-gpu predict model.safetensors test.csv -o submission.csv
  mnn-gpu predict model.safetensors converted/ -o submission.csv
  mnn-gpu predict record t10k-images-idx3-ubyte.gz | head
  mnn-gpu predict record photo.jpg drawing.png --show seen.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument(
        "images",
        nargs="*",
        default=[],
        metavar="IMAGES",
        help="a CSV (.gz), .npz, Parquet or IDX file, a folder of one, of image files or from "
        "convert (labels are ignored); or any number of images of one digit each",
    )
    parser.add_argument("--data", nargs="+", metavar="IMAGES", help="the same as IMAGES")
    parser.add_argument(
        "-o",
        "--output",
        type=_file,
        metavar="CSV",
        help="write to this file (default, or -: stdout)",
    )
    parser.add_argument(
        "--show",
        type=output_path,
        metavar="PNG",
        help="save the originals, the network's inputs and the predictions as one image",
    )
    add_label_column(parser)
    add_transpose(parser)
    add_stream(parser)
    add_device(parser)
    add_json(parser)


def _file(name: str) -> Path | None:
    return None if name == "-" else output_path(name)


def run(args: argparse.Namespace) -> int:
    """Predict according to the options; return the exit code."""
    ranks = args.ranks
    args.images = one_of_both(args.images, args.data)
    if args.images is None:
        raise UsageError("No images are given.", "Give a data file or images after the model.")
    if predict_images.are_images(args):
        return predict_images.run(args) if ranks.is_first else 0
    from mnn_gpu import Dataset, load_model, predict
    from mnn_gpu.storage.atomic_write import compressed_for, write_atomically

    if ranks.is_first:
        check_csv_output(args)
    model = load_model(args.model)
    backend = ranks.backend(args.device, args.backend)
    data = read_data(args, args.images, "test", model, labelled=False)
    labels = predict(model, data, backend, comm=ranks)
    files = data.files if isinstance(data, Dataset) else None
    if not ranks.is_first:
        return 0
    if args.output:
        parts = (
            text.encode(errors=sys.getfilesystemencodeerrors()) for text in _csv(labels, files)
        )
        write_atomically(args.output, compressed_for(args.output, parts))
    if args.json:
        of_files = {} if files is None else {"files": files}
        result = {"model": str(args.model), "images": data.source, **of_files}
        print_json({**result, "labels": labels.tolist()})
    elif not args.output:
        if sys.stdout is None:
            raise OutputError("There is no stdout to write to.", "Give a file with --output.")
        for lines in _csv(labels, files):
            show(lines, end="")
    return 0


def _quoted(name: str) -> str:
    """Return a name as a cell of a CSV file."""
    return f'"{name.replace(chr(34), 2 * chr(34))}"' if set(name) & set(',"\r\n') else name


def _csv(labels: npt.NDArray[Any], files: Sequence[str] | None) -> Iterator[str]:
    """Yield a submission, some lines at a time; images in separate files are listed by name."""
    import numpy as np

    yield "ImageId,Label\n" if files is None else "File,Label\n"
    if labels.dtype.kind == "U":
        names, index = np.unique(labels, return_inverse=True)
        labels = np.array([_quoted(name) for name in names.tolist()])[index]
    for start in range(0, len(labels), ROWS):
        some = labels[start : start + ROWS].tolist()
        ids = range(start + 1, len(labels) + 1) if files is None else map(_quoted, files[start:])
        yield "".join(f"{i},{label}\n" for i, label in zip(ids, some, strict=False))
