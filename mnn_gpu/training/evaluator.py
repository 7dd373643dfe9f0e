"""Evaluates parameters on the data of a run, and makes the model and the history of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.models.evaluation import Evaluation, Scorer, evaluation
from mnn_gpu.models.model import Model
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.microbatches import Microbatch
from mnn_gpu.training.batches.device_data import DeviceData
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.history import History
from mnn_gpu.training.learning_curve import Record, columns
from mnn_gpu.version import __version__


@dataclass(frozen=True)
class Evaluator:
    """The facts of a run that an evaluation needs; none of them changes."""

    config: TrainingConfig
    backend: Backend
    ranks: ProcessGroup
    task: NetworkSpec
    data: DeviceData

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.backend, self.task.layer_sizes)

    def held_out(self, theta: Any) -> Evaluation | None:
        """Evaluate parameters on the device on the held-out rows, if there are any."""
        return self.score(theta, self.data.validation) if self.data.has_validation else None

    def score(self, theta: Any, microbatches: Iterable[Microbatch]) -> Evaluation:
        """Evaluate on these samples and those of the other ranks."""
        own = self._scorer.of(theta, microbatches)
        return evaluation(np.concatenate(self.ranks.allgather(own)))

    def result(
        self,
        theta: npt.NDArray[Any],
        records: Sequence[Record],
        iteration: int,
        seconds: float,
        best: Record | None = None,
    ) -> tuple[Model, History]:
        """Return parameters as a model, and the history of the run."""
        here, data = self.backend.asarray(theta), self.data
        scores = self.score(here, data.microbatches), self.held_out(here)
        history = History(tuple(records), iteration, seconds, *scores, best)
        info = {
            "recipe": asdict(self.config),
            "version": __version__,
            "device": self.backend.device,
            "iterations": iteration,
            "training_accuracy": history.training.accuracy,
            "held_out_accuracy": history.validation.accuracy if history.validation else None,
            "history": columns(history.records, best),
        }
        if data.feature_names is not None:
            info["feature_names"] = list(data.feature_names)
        sizes = tuple(self.task.layer_sizes)
        return Model(theta, sizes, data.classes, info, float(data.pixel_max)), history
