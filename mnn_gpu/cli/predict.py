"""`mnn-gpu predict`: labels for images, as Kaggle wants them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mnn_gpu.cli import predict_pictures
from mnn_gpu.cli.options import (
    add_device,
    add_json,
    add_label_column,
    add_model,
    chosen_backend,
    print_json,
)

SUMMARY = "label a data set, as a Kaggle submission, or pictures of handwritten digits"
DESCRIPTION = """\
Label the images of a data set and write ImageId,Label lines, counted from 1, as Kaggle
wants them; or read pictures (photographs, scans, drawings) of one handwritten digit each
and print for every file the digit and its probability (needs the extra images)."""
EPILOG = """\
examples:
  mnn-gpu predict model.safetensors test.csv -o submission.csv
  mnn-gpu predict record t10k-images-idx3-ubyte.gz | head
  mnn-gpu predict record photo.jpg drawing.png --show seen.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="CSV (.gz), .npz, Parquet or IDX file, or a folder of them or of convert; labels in "
        "it are ignored; "
        "or any number of pictures, one digit on each",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="CSV", help="write to this file (default: stdout)"
    )
    parser.add_argument(
        "--show",
        type=Path,
        metavar="PNG",
        help="save a sheet of the pictures, what the network saw of them, and the answers",
    )
    add_label_column(parser)
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Predict as the options say; return the exit code."""
    ranks = args.ranks
    if predict_pictures.meant(args):
        return predict_pictures.run(args) if ranks.is_first else 0
    from mnn_gpu import load_dataset, load_model, predict
    from mnn_gpu.output_file import check_writable, write_atomically

    model = load_model(args.model)
    if args.output and ranks.is_first:
        check_writable(args.output)
    backend = chosen_backend(args, ranks)
    data = load_dataset(
        args.images[0],
        "test",
        label_column=args.label_column,
        labelled=False,
        features=model.features,
    )
    labels = predict(model, data.X, backend, source=data.source, comm=ranks).tolist()
    if not ranks.is_first:
        return 0
    lines = ["ImageId,Label", *(f"{i},{label}" for i, label in enumerate(labels, start=1))]
    text = "\n".join(lines) + "\n"
    if args.output:
        write_atomically(args.output, text.encode())
    if args.json:
        print_json({"model": str(args.model), "images": data.source, "labels": labels})
    elif not args.output:
        print(text, end="")
    return 0
