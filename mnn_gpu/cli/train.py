"""`train`: train a model on data and save it.

`run` below takes the backend of a named device from `ProcessGroup.backend`, that is, from
`backends/select.py`; reads the data; chooses the device of this job if none is named
(`training/job.py`); and calls `training/train.py`.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.data import read_data
from mnn_gpu.cli.options import check_model_output, print_json
from mnn_gpu.cli.recipe_options import chosen_config
from mnn_gpu.cli.train_options import add_arguments
from mnn_gpu.cli.train_report import place_of, report_of, text_of
from mnn_gpu.utils.console import say, show

if TYPE_CHECKING:
    import numpy.typing as npt

    from mnn_gpu import Blocks, Dataset, History, Model
    from mnn_gpu.backends import Backend
    from mnn_gpu.training.job import Job

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_arguments", "run"]

SUMMARY = "train a network and save it"

COMMON = (
    *("help", "data", "recipe", "hidden", "iterations", "epochs", "learning_rate", "optimizer"),
    *("batch_size", "seed", "device", "out", "checkpoint", "resume", "dry_run", "quiet"),
)
"""The options that `train --help` shows."""

DESCRIPTION = """\
Train a multilayer perceptron and save it. Without options: the network of the
"MNIST from scratch" notebook on the bundled digits."""

EPILOG = """\
examples:
  train --recipe fast                       98% in seconds; see mnn-gpu recipes
  train --recipe accurate --dry-run         how long it takes, on which device
  train --data train.csv --device cuda --checkpoint run --resume

Progress goes to stderr, the result to stdout. Exit codes: 0 done, 2 usage,
3 device not available, 4 bad data, model or output file, 5 diverged,
130 Ctrl-C, 143 SIGTERM. After the last three the current parameters are
saved."""


def run(args: argparse.Namespace) -> int:
    """Train according to the options; return the exit code."""
    from dataclasses import replace

    from mnn_gpu import TrainingInterrupted, UsageError
    from mnn_gpu.backends import is_automatic
    from mnn_gpu.cli.dry_run import dry_run
    from mnn_gpu.cli.save_fallback import save_somewhere
    from mnn_gpu.data.dataset import default_holdout
    from mnn_gpu.training.job import Job, automatic_backend
    from mnn_gpu.training.recipes import recipe_named
    from mnn_gpu.training.train import with_shards
    from mnn_gpu.utils.signals import FinishStep

    ranks = args.ranks
    recipe = recipe_named(args.recipe)
    config = chosen_config(args, recipe)
    began = time.perf_counter()
    _check_checkpoint(args)
    if args.dry_run and ranks.size > 1:
        raise UsageError(
            "--dry-run measures one process.", "Start train --dry-run without mpiexec."
        )
    if ranks.is_first and not args.dry_run:
        check_model_output(args.out, args.data or (), args.force)
    is_free = is_automatic(args.device, args.backend)
    named = None if is_free else ranks.backend(args.device, args.backend)
    data, rows = read_data(args, args.data, "train"), args.rows
    if args.data is None and rows is None:
        rows = recipe.rows
    classes, holdout = _classes(data), args.holdout
    if holdout is None:
        holdout = default_holdout(min(rows or len(data), len(data)), len(classes), recipe.holdout)
    training, held_out = _split(data, holdout, config.seed, rows)
    if config.augmentation is not None and config.image_shape is None:
        config = replace(config, image_shape=data.image_shape)
    validation = (held_out.X, held_out.labels()) if len(held_out) else None
    job = Job(training, None, config, validation, classes, ranks)
    if args.dry_run:
        return dry_run(args, job, named, time.perf_counter() - began)
    backend = named or automatic_backend(job, args.checkpoint if args.resume else None)
    job = replace(job, config=with_shards(config, ranks, backend))
    if not args.quiet:
        place = place_of(backend.device, backend.name, ranks.size)
        say(
            f"Training on {place}: {len(training):,} rows of {training.source}, "
            f"{len(held_out):,} held out"
        )
    interrupted = 0
    try:
        model, history = _trained(args, job, backend)
    except TrainingInterrupted as stop:
        model, history, interrupted = stop.model, stop.history, stop.exit_code
        say(f"Interrupted after iteration {history.iterations}; saving the current parameters.")
        if args.checkpoint is not None:
            say("The same command with --resume continues from there.")
    if not ranks.is_first:
        return interrupted
    # Without folders: a model that is shared should contain no paths of this computer.
    about = {"data": Path(training.source).name}
    model = replace(model, info={**model.info, **about, **_orientation(args)})
    with FinishStep() as late:
        save_somewhere(args.out, model)
    if late.requested is not None:
        interrupted = interrupted or 128 + late.requested
    report = report_of(args, model, history, backend)
    print_json(report) if args.json else show(text_of(report))
    return interrupted


def _trained(args: argparse.Namespace, job: Job, backend: Backend) -> tuple[Model, History]:
    """Train; if that fails, report the files that were saved."""
    from mnn_gpu import DeviceError, DivergedError, train
    from mnn_gpu.training.progress_terminal import Waiting, progress

    try:
        return train(
            job.X,
            job.y,
            job.config,
            backend=backend,
            validation=job.validation,
            classes=job.classes,
            hooks=[Waiting(), *progress(args.quiet)],
            checkpoint=args.checkpoint,
            checkpoint_every=args.checkpoint_every,
            resume=args.resume,
            comm=args.ranks if args.ranks.size > 1 else None,
        )
    except DivergedError as error:
        if error.model is not None and args.ranks.is_first:
            _save_last_good(args, error.model)
        raise
    except DeviceError:
        if args.checkpoint is not None and any(Path(args.checkpoint).glob("checkpoint-*")):
            say("The last checkpoint is kept: the same command with --resume continues from there.")
        raise


def _orientation(args: argparse.Namespace) -> dict[str, bool]:
    """Return the stored orientation of the images in the data files."""
    return {"transpose": True} if args.transpose else {}


def _save_last_good(args: argparse.Namespace, model: Model) -> None:
    from dataclasses import replace

    from mnn_gpu import OutputError
    from mnn_gpu.cli.save_fallback import save_somewhere

    iteration = model.info["iterations"]
    say(f"Saving the parameters of iteration {iteration}, the last finite ones, in {args.out}.")
    try:
        save_somewhere(args.out, replace(model, info={**model.info, **_orientation(args)}))
    except OutputError as error:  # The divergence is the more important error.
        say(error.cause)


def _check_checkpoint(args: argparse.Namespace) -> None:
    from mnn_gpu.errors import UsageError
    from mnn_gpu.training.checkpoint_interval import Due

    for name in ("resume", "checkpoint_every"):
        if getattr(args, name) and args.checkpoint is None:
            raise UsageError(
                f"--{name.replace('_', '-')} needs a folder of checkpoints.",
                "Give --checkpoint FOLDER too.",
            )
    if args.checkpoint and "\0" not in f"{args.out}{args.checkpoint}":
        from mnn_gpu.storage.atomic_write import check_writable
        from mnn_gpu.storage.checkpoints import number_of
        from mnn_gpu.storage.folder_lock import NAME as LOCK

        out, folder = (Path(os.path.realpath(path)) for path in (args.out, args.checkpoint))
        if out == folder:
            raise UsageError(
                "--out is the folder of the checkpoints.", "Give the model another name."
            )
        if out.parent == folder:
            if number_of(out) is not None or out.name == LOCK:
                raise UsageError("--out has a checkpoint's name.", "Give the model another name.")
            if not args.dry_run:
                check_writable(out, make_folder=True)
    Due(args.checkpoint_every)


def _split(
    data: Dataset | Blocks, holdout: int, seed: int, rows: int | None
) -> tuple[Dataset | Blocks, Dataset]:
    from mnn_gpu import Blocks, UsageError, split, split_blocks

    if not isinstance(data, Blocks):
        return split(data, holdout, seed, rows)
    if rows is not None:
        raise UsageError(
            "--rows selects from data in memory, but these stay on disk.",
            "Leave it out, or read them into memory with --no-stream.",
        )
    return split_blocks(data, holdout, seed)


def _classes(data: Dataset | Blocks) -> npt.NDArray[Any]:
    """Return all labels, since a rare class may occur in the held-out rows only."""
    import numpy as np

    from mnn_gpu import Blocks
    from mnn_gpu.data.labels import several_classes

    classes = data.classes if isinstance(data, Blocks) else np.unique(data.labels())
    return several_classes(classes, data.source, data.label_name)
