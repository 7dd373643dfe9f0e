"""`train`: from data to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import add_data, add_device, add_json, chosen_backend, print_json, say
from mnn_gpu.cli.recipe_options import add_recipe, chosen_config

if TYPE_CHECKING:
    from mnn_gpu import Dataset, History, Model
    from mnn_gpu.backend import Backend
    from mnn_gpu.recipes import Recipe

SUMMARY = "train a network and save it"

DESCRIPTION = """\
Train a multilayer perceptron (ReLU layers, softmax) and save it as a model file.

Without options this is the "MNIST from scratch" notebook: the bundled MNIST digits,
784-10-10-10, full-batch gradient descent, 1,000 iterations."""

EPILOG = """\
examples:
  train                                       the notebook's network, on the GPU if one works
  train --recipe fast                         98 % in seconds; see mnn-gpu recipes
  train --recipe record --checkpoint run --resume
  train --device cuda --hidden 128 64 --batch-size 128 --epochs 20
  train --data train.csv --out digits.safetensors

Progress goes to stderr, the result to stdout. Exit codes: 0 done, 2 usage, 3 device not
available, 4 bad data, model or output file, 5 diverged, 130 interrupted (model saved)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; see `DESCRIPTION`."""
    data = parser.add_argument_group("data")
    add_data(data, "the bundled MNIST; of it the notebook takes 42,000 rows, as many as Kaggle has")
    data.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="use only N rows of the data (default: all; the notebook's 42,000 of MNIST)",
    )
    data.add_argument(
        "--holdout",
        type=int,
        metavar="N",
        help="of them, hold out N for validation (default: 1000)",
    )
    add_recipe(parser)
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
    output.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FOLDER",
        help="keep the training's state there, written at every report",
    )
    output.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, as if never cut",
    )
    add_json(output)


def run(args: argparse.Namespace) -> int:
    """Train as the options say; return the exit code."""
    from dataclasses import replace

    import numpy as np

    from mnn_gpu import TrainingInterrupted, UsageError, save_model, split, train
    from mnn_gpu.cli.progress import progress
    from mnn_gpu.output_file import check_writable
    from mnn_gpu.recipes import recipe_named

    recipe = recipe_named(args.recipe)
    config = chosen_config(args, recipe)
    if args.resume and args.checkpoint is None:
        raise UsageError("--resume needs a place to go on from.", "Give --checkpoint FOLDER too.")
    check_writable(args.out)
    backend = chosen_backend(args)
    data, rows = _data(args, recipe)
    holdout = recipe.holdout if args.holdout is None else args.holdout
    if config.augmentation is not None and config.image_shape is None:
        config = replace(config, image_shape=data.image_shape)
    training, held_out = split(data, holdout, config.seed, rows)
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
            checkpoint=args.checkpoint,
            resume=args.resume,
        )
    except TrainingInterrupted as stop:
        model, history, interrupted = stop.model, stop.history, stop.exit_code
        say(f"Interrupted after iteration {history.iterations}; saving what was learnt.")
        if args.checkpoint is not None:
            say("The same command with --resume goes on from there.")
    model = replace(model, info={**model.info, "data": training.source})
    save_model(args.out, model)
    report = _report(args, model, history, backend)
    print_json(report) if args.json else print(_text(report))
    return interrupted


def _data(args: argparse.Namespace, recipe: Recipe) -> tuple[Dataset, int | None]:
    """Return the data, with labels, and how many rows of them to use (None: all)."""
    from mnn_gpu.data import bundled_mnist, load_dataset

    if args.data is None:
        return bundled_mnist("train"), recipe.rows if args.rows is None else args.rows
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
        "best": history.best and asdict(history.best),
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
    if report["best"]:
        lines.append(
            f"best held-out accuracy after iteration {report['best']['iteration']:,}: the "
            "parameters of then"
        )
    return "\n".join([*lines, f"model saved to {report['model']}"])
