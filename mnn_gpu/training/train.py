"""`train`: from arrays, or data on the disk, to a model and its history."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mnn_gpu.backends import Backend, is_automatic
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.digest import digest_of_data
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.distributed.agreement import check_same
from mnn_gpu.distributed.connect import ranks_of
from mnn_gpu.distributed.process_group import ProcessGroup, checked_shards
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.training.batches.device_data import Labelled
from mnn_gpu.training.checkpoint import RunCheckpoints
from mnn_gpu.training.checkpoint_interval import Due
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.history import History
from mnn_gpu.training.hooks import Hook
from mnn_gpu.training.job import Job, automatic_backend
from mnn_gpu.training.start import working
from mnn_gpu.training.trainer import Trainer


def train(
    X: npt.ArrayLike | Dataset | Blocks,
    y: npt.ArrayLike | None = None,
    config: TrainingConfig | None = None,
    *,
    backend: Backend | None = None,
    validation: Labelled | None = None,
    classes: npt.ArrayLike | None = None,
    hooks: Sequence[Hook] = (),
    checkpoint: str | Path | None = None,
    checkpoint_every: int | str | None = None,
    resume: bool = False,
    comm: Any = None,
) -> tuple[Model, History]:
    """Train a network.

    Parameters
    ----------
    X : (rows, features), or (rows, height, width)
        Pixels as uint8 from 0 to 255 or floats from 0 to 1. Or what `load_dataset` returns. Or
        what `open_blocks` returns: data larger than memory, which are read during the run, in
        batches, shuffled within windows of about 64 MB of blocks in a random order. The model
        stores the names of a data frame's or a table's columns.
    y : (rows,)
        Labels: whole numbers from 0 up, or text. Omit it for data that have their own.
    config : TrainingConfig, optional
        Default: the notebook's recipe.
    backend : Backend, optional
        Where to train. Default: the device named by ``MNN_DEVICE``; if that is ``"auto"`` or
        not set, the device that is done first, see `first_done`: some steps are timed. A resumed
        run stays on the kind of device that its checkpoint names.
    validation : (X, y), optional
        Held-out rows, evaluated at every record.
    classes : (classes,), optional
        All labels there may be. Default: those in ``y``.
    hooks : sequence of Hook
    checkpoint : path, optional
        A folder in which the last two states of the run are kept.
    checkpoint_every : int or str, optional
        How often they are written: every N iterations, or after a time such as ``"30s"``,
        ``"10m"`` or ``"1.5h"``, and at the end. Default: at every record.
    resume : bool
        Whether to continue from the checkpoint, if there is one. On the same device, with the same
        number of cores and the same versions, the result is bit-identical to that of an
        uninterrupted run; elsewhere it is the same to rounding.
    comm : mpi4py.MPI.Comm, optional
        The ranks of an MPI program that train together. All call this with the same arguments,
        which are compared; each processes some shards of every batch. Only the first rank calls
        its hooks and writes checkpoints; all return the same. If the others do not answer within
        ``MNN_RANK_TIMEOUT`` seconds (600), the job is ended. Default: this process alone.

    Returns
    -------
    model : Model
        On the host; the same seed on the same device gives the same bits.
    history : History

    Raises
    ------
    DataError
        If pixels or labels are invalid; at any time for data that are read during the run.
    DivergedError
        If the loss is no longer finite; it has the parameters of the last record.
    DeviceError
        If the device fails, or has no memory even for single samples.
    OutputError, ModelFileError
        If the folder of the checkpoint cannot be written to, or no checkpoint can be read.
    UsageError
        If the checkpoint belongs to another recipe or other data, exists although ``resume`` is
        False, or is in use by another run; or if the ranks have different arguments or data.
    TrainingInterrupted
        After Ctrl-C or SIGTERM, with the model so far. (A second signal ends at once.)

    Warns
    -----
    FallbackWarning
        If the CPU was chosen, although CuPy is installed.
    TrainingWarning
        If the run continues in another way than requested: in smaller microbatches when out of
        memory, from the checkpoint before a damaged one, or without writing one to a full disk.
    """
    ranks = ranks_of(comm)
    check_same(ranks, "train")
    recipe, due = ranks.on_all_ranks(
        lambda: (_checked_config(config), _checked_due(checkpoint, checkpoint_every, resume))
    )
    job = Job(X, y, recipe, validation, classes, ranks)
    backend = _backend(job, backend, checkpoint if resume else None)
    config = ranks.on_all_ranks(lambda: with_shards(recipe, ranks, backend))
    job = replace(job, config=config)
    how = {
        "checkpoint": checkpoint and str(checkpoint),
        "checkpoint_every": checkpoint_every,
        "resume": resume,
        "backend": backend.name,
    }
    check_same(ranks, "train", {**vars(config), **how})
    with working(config, backend):
        run = ranks.on_all_ranks(lambda: job.start(backend))
        if checkpoint is None and ranks.size == 1:
            return Trainer(run, hooks).train()
        digest = digest_of_data(X, y, *(validation or ()), run.data.classes)
        check_same(ranks, "train", {"data or labels": digest})
        folder = ranks.on_rank0(
            lambda: (
                None
                if checkpoint is None
                else RunCheckpoints(checkpoint, config, digest, resume=resume)
            )
        )
        with folder or nullcontext() as kept:
            return Trainer(run, hooks if ranks.is_first else (), kept, due).train(resume)


def _checked_due(checkpoint: str | Path | None, every: int | str | None, resume: bool) -> Due:
    if resume and checkpoint is None:
        raise UsageError("resume needs a checkpoint.", "Give checkpoint=FOLDER too.")
    return Due(every)


def _checked_config(config: TrainingConfig | None) -> TrainingConfig:
    config = TrainingConfig() if config is None else config
    if not isinstance(config, TrainingConfig):
        raise UsageError(
            f"config is {type(config).__name__}, not a TrainingConfig.",
            "Give mnn_gpu.TrainingConfig(...), or a recipe's .config.",
        )
    return config


def _backend(job: Job, given: Backend | None, checkpoint: str | Path | None) -> Backend:
    """Return the given backend, or the one of the named device, or the one that is done first."""
    if given is None and job.ranks.size == 1 and is_automatic():
        return automatic_backend(job, checkpoint)
    return job.ranks.checked_backend(given)


def with_shards(config: TrainingConfig, ranks: ProcessGroup, backend: Backend) -> TrainingConfig:
    """Return a recipe with the number of shards that the ranks share; see `checked_shards`."""
    return replace(config, shards=checked_shards(config.shards, ranks, backend))
