"""`mnn-gpu evaluate`: measure the accuracy of a model on labeled data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mnn_gpu.cli.options import (
    add_data,
    add_device,
    add_json,
    add_model,
    add_paths,
    add_stream,
    check_files_given,
    chosen_backend,
    is_streamed,
    one_of_both,
    oriented,
    print_json,
)
from mnn_gpu.utils.console import show

if TYPE_CHECKING:
    from mnn_gpu import Evaluation, Model
    from mnn_gpu.backends import Backend

SUMMARY = "measure a model's accuracy on labeled data"
DESCRIPTION = "Measure a model's accuracy and loss on labeled data."
EPILOG = """\
examples:
  mnn-gpu evaluate model.safetensors
  mnn-gpu evaluate record
  mnn-gpu evaluate model.safetensors fashion-mnist/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    add_paths(parser, "the same as --data PATH")
    add_data(parser, "the 10,000 test images of the bundled MNIST")
    add_stream(parser)
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate according to the options; return the exit code."""
    from dataclasses import asdict

    from mnn_gpu import load_model

    args.data = one_of_both(args.paths, args.data)
    model = load_model(args.model)
    source, result = _evaluated(args, model, chosen_backend(args, args.ranks))
    if args.json:
        print_json({"model": str(args.model), "data": source, **asdict(result)})
    else:
        show(
            f"{source}: {result.accuracy:.2%} right, {result.errors:,} of {result.rows:,} "
            f"wrong, loss {result.loss:.4f}"
        )
    return 0


def _evaluated(args: argparse.Namespace, model: Model, backend: Backend) -> tuple[str, Evaluation]:
    """Return the name of the data, and the model's evaluation on them."""
    from mnn_gpu import evaluate, load_dataset, open_blocks
    from mnn_gpu.data import bundled_mnist

    if is_streamed(args, args.data):
        blocks = open_blocks(args.data[0], args.label_column, args.keep_columns)
        blocks = oriented(args, blocks, model)
        return blocks.source, evaluate(model, blocks, None, backend, comm=args.ranks)
    check_files_given(args)
    if args.data is None:
        data = bundled_mnist("test")
    else:
        data = load_dataset(
            args.data,
            "test",
            label_column=args.label_column,
            keep_columns=args.keep_columns,
            features=model.features,
        )
        data = oriented(args, data, model)
    result = evaluate(model, data, None, backend, comm=args.ranks)
    return data.source, result
