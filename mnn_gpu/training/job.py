"""A run before its device is known, and the device that `auto` is for it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy.typing as npt

from mnn_gpu.backends import Backend, first_done, select_backend
from mnn_gpu.backends.automatic import has_chance
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.storage.checkpoints import newest_values
from mnn_gpu.training.batches.device_data import Labelled
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.forecast import Forecast, flops_until, forecast
from mnn_gpu.training.run import TrainingRun
from mnn_gpu.training.start import start_run, working

TRIAL = 0.1
"""Seconds of steps from which `auto` estimates a run."""


@dataclass(frozen=True)
class Job:
    """The arguments of `train` that determine a run; see there."""

    X: npt.ArrayLike | Dataset | Blocks
    y: npt.ArrayLike | None
    config: TrainingConfig
    validation: Labelled | None = None
    classes: npt.ArrayLike | None = None
    ranks: ProcessGroup = field(default_factory=ProcessGroup)

    def start(self, backend: Backend) -> TrainingRun:
        """Return the run on a device, before its first update; see `start_run`."""
        own = self.config, backend, self.validation, self.classes, self.ranks
        return start_run(self.X, self.y, *own)

    def forecast(
        self, backend: Backend, seconds: float, spent: float = 0.0, done: int = 0
    ) -> tuple[TrainingRun, Forecast]:
        """Return the run after the steps that were timed, and its `forecast`."""
        began = time.perf_counter()
        with working(self.config, backend):
            run = self.start(backend)
            spent += time.perf_counter() - began
            return run, forecast(run, seconds, spent, done)

    def seconds_left(self, backend: Backend) -> float:
        """Return the seconds after the set-up; infinity for a CPU too slow to be measured."""
        with working(self.config, backend):
            run = self.start(backend)
            if backend.is_host and not has_chance(flops_until(run.plan, run.plan.total)):
                return math.inf
            return forecast(run, TRIAL).left


def automatic_backend(job: Job, checkpoint: str | Path | None = None) -> Backend:
    """Return the device that `auto` is for a job: the one that is done first.

    A resumed run stays on the kind of device that its checkpoint was written on. With several
    ranks this is a GPU if one works.

    Parameters
    ----------
    job : Job
    checkpoint : path, optional
        The folder of the checkpoint to resume from.

    Warns
    -----
    FallbackWarning
        See `first_done`.
    """
    if job.ranks.size > 1:
        return job.ranks.backend("auto")
    device = None if checkpoint is None else recorded_device(checkpoint)
    if device is not None:
        return select_backend("cpu" if device == "cpu" else "auto")
    return first_done(job.seconds_left)


def recorded_device(folder: str | Path) -> str | None:
    """Return the device of the newest checkpoint in a folder; None without one."""
    found = newest_values(Path(folder))
    return None if found is None else found[1].get("device")
