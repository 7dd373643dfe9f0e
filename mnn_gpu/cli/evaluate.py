"""`mnn-gpu evaluate`: how well a model does on labelled data."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.options import (
    add_data,
    add_device,
    add_json,
    add_model,
    chosen_backend,
    print_json,
)

SUMMARY = "measure a model's accuracy on labelled data"
DESCRIPTION = "Measure a model's accuracy and loss on labelled data."
EPILOG = """\
examples:
  mnn-gpu evaluate model.safetensors
  mnn-gpu evaluate record
  mnn-gpu evaluate model.safetensors --data fashion-mnist/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    add_data(parser, "the 10,000 test images of the bundled MNIST")
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say; return the exit code."""
    from dataclasses import asdict

    from mnn_gpu import evaluate, load_model
    from mnn_gpu.data import bundled_mnist, load_dataset

    ranks = args.ranks
    model = load_model(args.model)
    backend = chosen_backend(args, ranks)
    if args.data is None:
        data = bundled_mnist("test")
    else:
        data = load_dataset(
            args.data, "test", label_column=args.label_column, features=model.features
        )
    result = evaluate(model, data.X, data.labels(), backend, source=data.source, comm=ranks)
    if args.json:
        print_json({"model": str(args.model), "data": data.source, **asdict(result)})
    else:
        print(
            f"{data.source}: {result.accuracy:.2%} right, {result.errors:,} of {result.rows:,} "
            f"wrong, loss {result.loss:.4f}"
        )
    return 0
