"""`mnn-gpu convert`: write a data set to a folder that need not fit in memory."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.data import add_label_column
from mnn_gpu.cli.options import add_json, print_json
from mnn_gpu.cli.paths import named_path
from mnn_gpu.utils.console import say, show

if TYPE_CHECKING:
    from mnn_gpu.data.convert import Converted

SUMMARY = "write a data set as NumPy files, to train on more than fits in memory"
DESCRIPTION = """\
Write a data set as NumPy files in the folder OUT. Commands read them in parts,
so training needs memory for a few batches only. CSV and Parquet files may be
larger than memory. OUT must be new or empty, or left by a conversion that was
killed.
  images-00000.npy  (rows, features), uint8 from 0 to 255 or float32 from 0 to 1
  labels-00000.npy  (rows,), int64
  index.json        rows, type, classes and a digest; written last"""
EPILOG = """\
examples:
  mnn-gpu convert train.csv.gz train
  mnn-gpu convert test.csv test --unlabelled
  mnn-gpu convert images-idx3-ubyte labels-idx1-ubyte digits"""
SECONDS = 5.0
"""Seconds between two lines of progress."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="CSV (.gz), .npz, Parquet, IDX images [and labels], or a folder of them",
    )
    parser.add_argument("out", type=named_path, metavar="OUT", help="the folder to write")
    parser.add_argument(
        "--dtype",
        choices=["uint8", "float32"],
        help="uint8 if pixels are whole numbers from 0 to 255, float32 if they are fractions from "
        "0 to 1; nothing is scaled (default: by the first rows)",
    )
    parser.add_argument(
        "--part",
        choices=["train", "test"],
        default="train",
        help="which part to convert if DATA has both (default: train)",
    )
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="DATA may have no labels; a CSV file without a header line has none",
    )
    parser.add_argument(
        "--rows-per-file",
        type=int,
        metavar="N",
        help="rows in each file (default: those of about 256 MB)",
    )
    add_label_column(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Convert according to the options; return the exit code."""
    from mnn_gpu.data.convert import convert

    started = time.perf_counter()
    done = convert(
        args.data,
        args.out,
        part=args.part,
        label_column=args.label_column,
        keep_columns=args.keep_columns,
        labelled=not args.unlabelled,
        dtype=args.dtype,
        rows_per_file=args.rows_per_file,
        on_rows=None if args.quiet else Lines(started),
    )
    seconds = time.perf_counter() - started
    if args.json:
        print_json(_result(done, str(args.out), seconds))
    else:
        show(_line(done, str(args.out), seconds))
    return 0


class Lines:
    """Prints a line of progress to stderr every few seconds."""

    def __init__(self, started: float) -> None:
        self.started = self.printed = started

    def __call__(self, rows: int) -> None:
        now = time.perf_counter()
        if now - self.printed >= SECONDS:
            self.printed = now
            say(f"{rows:,} rows, {rows / (now - self.started):,.0f} rows/s")


def _line(done: Converted, out: str, seconds: float) -> str:
    index = done.index
    labels = f"{len(index.classes):,} classes" if index.labelled else "no labels"
    return (
        f"{out}: {index.rows:,} rows of {index.features:,} pixels, {index.dtype}, {labels}; "
        f"{len(index.files):,} {'file' if len(index.files) == 1 else 'files'}, {done.size:,} "
        f"bytes; {seconds:.1f} s, {index.rows / seconds:,.0f} rows/s"
    )


def _result(done: Converted, out: str, seconds: float) -> dict[str, Any]:
    index = done.index
    return {
        "data": done.source,
        "out": out,
        "rows": index.rows,
        "features": index.features,
        "dtype": index.dtype,
        "image_shape": index.image_shape,
        "labelled": index.labelled,
        "classes": {str(label): count for label, count in index.classes},
        "files": len(index.files),
        "bytes": done.size,
        "digest": index.digest,
        "seconds": seconds,
        "rows_per_second": index.rows / seconds,
    }
