"""`mnn-gpu evaluate`: measure the accuracy of a model on labeled data."""

from __future__ import annotations

import argparse

from mnn_gpu.cli.data import add_data, add_paths, add_stream, one_of_both, read_data
from mnn_gpu.cli.options import add_device, add_json, add_model, print_json
from mnn_gpu.utils.console import show

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

    from mnn_gpu import evaluate, load_model

    model = load_model(args.model)
    backend = args.ranks.backend(args.device, args.backend)
    data = read_data(args, one_of_both(args.paths, args.data), "test", model)
    result = evaluate(model, data, None, backend, comm=args.ranks)
    if args.json:
        print_json({"model": str(args.model), "data": data.source, **asdict(result)})
    else:
        show(
            f"{data.source}: {result.accuracy:.2%} right, {result.errors:,} of {result.rows:,} "
            f"wrong, loss {result.loss:.4f}"
        )
    return 0
