"""`train`: from data to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import add_data, add_device, add_json, chosen_backend, print_json, say

if TYPE_CHECKING:
    from mnn_gpu import Dataset, History, Model, TrainingConfig
    from mnn_gpu.backend import Backend

SUMMARY = "train a network and save it"
KAGGLE_ROWS = 42_000
HOLDOUT = 1000

DESCRIPTION = """\
Train a multilayer perceptron (ReLU layers, softmax) and save it as a model file.

Without options this is the "MNIST from scratch" notebook: the bundled MNIST digits,
784-10-10-10, full-batch gradient descent, 1,000 iterations."""

EPILOG = """\
examples:
  train                                       the notebook's network, on the GPU if one works
  train --device cuda --hidden 128 64 --batch-size 128 --epochs 20
  train --data train.csv --out digits.safetensors

Progress goes to stderr, the result to stdout. Exit codes: 0 done, 2 usage, 3 device not
available, 4 bad data, model or output file, 5 diverged, 130 interrupted (model saved)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; see `DESCRIPTION`."""
    data = parser.add_argument_group("data")
    add_data(data, f"{KAGGLE_ROWS:,} rows of the bundled MNIST, as many as Kaggle's train.csv")
    data.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help=f"use only N rows of the data (default: all; {KAGGLE_ROWS:,} of the bundled MNIST)",
    )
    data.add_argument(
        "--holdout",
        type=int,
        default=HOLDOUT,
        metavar="N",
        help="of them, hold out N for validation (default: %(default)s)",
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--hidden",
        type=int,
        nargs="*",
        default=[10, 10],
        metavar="UNITS",
        help="units of each hidden layer (default: 10 10)",
    )
    length = recipe.add_mutually_exclusive_group()
    length.add_argument(
        "--iterations", type=int, metavar="N", help="stop after N updates (default: 1000)"
    )
    length.add_argument("--epochs", type=int, metavar="N", help="stop after N passes instead")
    recipe.add_argument(
        "--lr", type=float, default=0.1, metavar="X", help="learning rate (default: %(default)s)"
    )
    recipe.add_argument(
        "--batch-size", type=int, metavar="N", help="samples an update (default: all of them)"
    )
    recipe.add_argument(
        "--optimizer",
        choices=["sgd", "momentum", "adam"],
        default="sgd",
        help="how to follow the gradient (default: %(default)s)",
    )
    recipe.add_argument(
        "--schedule",
        choices=["constant", "linear", "cosine"],
        default="constant",
        help="how the learning rate falls to 0 (default: %(default)s: not at all)",
    )
    recipe.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="decides split, first parameters and order (default: %(default)s)",
    )
    recipe.add_argument(
        "--dtype",
        choices=["float32", "float64"],
        default="float32",
        help="of all arithmetic (default: %(default)s)",
    )
    device = parser.add_argument_group("device")
    add_device(device)
    device.add_argument(
        "--shard-rows",
        type=int,
        metavar="N",
        help="work on a batch N samples at a time (default: what suits the device)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        default=Path("model.safetensors"),
        metavar="MODEL",
        help="where to save the model (default: %(default)s)",
    )
    output.add_argument(
        "--report-every",
        type=int,
        metavar="N",
        help="iterations between two reports (default: 100; one epoch with minibatches)",
    )
    output.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_json(output)


def run(args: argparse.Namespace) -> int:
    """Train as the options say; return the exit code."""
    from dataclasses import replace

    import numpy as np

    from mnn_gpu import TrainingInterrupted, save_model, split, train
    from mnn_gpu.cli.progress import progress
    from mnn_gpu.output_file import check_writable

    config = _config(args)
    check_writable(args.out)
    backend = chosen_backend(args)
    data, rows = _data(args)
    training, held_out = split(data, args.holdout, args.seed, rows)
    if not args.quiet:
        say(
            f"Training on {backend.device} ({backend.name}): {len(training):,} rows of "
            f"{training.source}, {len(held_out):,} held out"
        )
    interrupted = 0
    try:
        model, history = train(
            training.X,
            training.labels(),
            config,
            backend=backend,
            validation=(held_out.X, held_out.labels()) if len(held_out) else None,
            # A rare class may lie in the held-out rows alone.
            classes=np.unique(data.labels()),
            hooks=progress(args.quiet),
        )
    except TrainingInterrupted as stop:
        model, history, interrupted = stop.model, stop.history, stop.exit_code
        say(f"Interrupted after iteration {history.iterations}; saving what was learnt.")
    model = replace(model, info={**model.info, "data": training.source})
    save_model(args.out, model)
    report = _report(args, model, history, backend)
    print_json(report) if args.json else print(_text(report))
    return interrupted


def _config(args: argparse.Namespace) -> TrainingConfig:
    from mnn_gpu import TrainingConfig

    return TrainingConfig(
        hidden=tuple(args.hidden),
        learning_rate=args.lr,
        iterations=args.iterations,
        epochs=args.epochs,
        batch_size=args.batch_size,
        optimizer=args.optimizer,
        schedule=args.schedule,
        shard_rows=args.shard_rows,
        seed=args.seed,
        dtype=args.dtype,
        report_every=args.report_every,
    )


def _data(args: argparse.Namespace) -> tuple[Dataset, int | None]:
    """Return the data, with labels, and how many rows of them to use (None: all)."""
    from mnn_gpu.data import bundled_mnist, load_dataset

    if args.data is None:
        return bundled_mnist("train"), KAGGLE_ROWS if args.rows is None else args.rows
    data = load_dataset(args.data, "train", label_column=args.label_column)
    data.labels()
    return data, args.rows


def _report(
    args: argparse.Namespace, model: Model, history: History, backend: Backend
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": str(args.out),
        "layer_sizes": list(model.layer_sizes),
        "device": backend.device,
        "backend": backend.name,
        "iterations": history.iterations,
        "seconds": history.seconds,
        "training": asdict(history.training),
        "held_out": history.validation and asdict(history.validation),
        "recipe": dict(model.info["recipe"]),
        "history": [asdict(record) for record in history.records],
    }


def _text(report: dict[str, Any]) -> str:
    sizes = "-".join(str(size) for size in report["layer_sizes"])
    iterations, seconds = report["iterations"], report["seconds"]
    lines = [
        f"{sizes} on {report['device']} ({report['backend']}): {iterations:,} iterations in "
        f"{seconds:.1f} s ({seconds / max(iterations, 1) * 1e3:.2f} ms each)"
    ]
    for name, key in (("training", "training"), ("held-out", "held_out")):
        scores = report[key]
        if scores:
            lines.append(
                f"{name} accuracy  {scores['accuracy']:6.2%}  loss {scores['loss']:.4f}  "
                f"({scores['rows']:,} rows)"
            )
    return "\n".join([*lines, f"model saved to {report['model']}"])
