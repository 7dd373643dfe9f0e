"""How long a run will take on a device, and how much memory, from the time of its first steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mnn_gpu.nn.flops import training_flops
from mnn_gpu.nn.parameters import parameter_count
from mnn_gpu.step.microbatches import Microbatch
from mnn_gpu.training.batches.loader import array_bytes
from mnn_gpu.training.batches.plan import BatchPlan
from mnn_gpu.training.run import TrainingRun
from mnn_gpu.training.timed_steps import timed_calls

SCORED = 4
"""Number of microbatches whose evaluation is timed."""


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to need on a device.

    Attributes
    ----------
    setup : float
        Seconds that a run takes once: copying the data, compiling, first calls.
    step, record, result : float
        Seconds of an update, of the evaluation at each record, and of the one at the end.
    steps, records : int
        Number of updates and of records that are left.
    data_bytes, state_bytes, step_bytes : int
        Memory for the samples, for parameters and the optimizer's state, and for the intermediate
        results of the compiled step.
    """

    setup: float
    step: float
    record: float
    result: float
    steps: int
    records: int
    data_bytes: int
    state_bytes: int
    step_bytes: int

    @property
    def training(self) -> float:
        """Seconds of the updates and of the records."""
        return self.steps * self.step + self.records * self.record

    @property
    def left(self) -> float:
        """Seconds after the set-up."""
        return self.training + self.result

    @property
    def total(self) -> float:
        return self.setup + self.left

    @property
    def bytes(self) -> int:
        return self.data_bytes + self.state_bytes + self.step_bytes


def forecast(run: TrainingRun, seconds: float, spent: float = 0.0, done: int = 0) -> Forecast:
    """Make the first steps of a run and evaluate some samples; return what the run will need.

    Parameters
    ----------
    run : TrainingRun
        Before its first update; not to be used afterwards.
    seconds : float
        How long to time steps, after the first calls, which compile.
    spent : float
        Seconds that its set-up has taken so far.
    done : int
        Number of updates that a resumed run has made.

    Raises
    ------
    DivergedError
        If the loss of one of the first steps is not finite.
    """
    began = time.perf_counter()
    run.compile()
    run.backend.synchronize()
    spent += time.perf_counter() - began
    calls = timed_calls(run, seconds)
    first_record, record = (_seconds(run, run.record) for _ in range(2))
    first_result, result = _timed_scores(run)
    plan = run.plan
    return Forecast(
        setup=spent + calls.setup + max(first_record - record, 0.0) + first_result,
        step=calls.step,
        record=record,
        result=result + (record if run.data.has_validation else 0.0),
        steps=max(plan.total - done, 0),
        records=_records(plan, plan.total) - _records(plan, min(done, plan.total)),
        data_bytes=array_bytes(_samples(run)),
        state_bytes=array_bytes([run.state.theta, *run.state.optimizer_state]),
        step_bytes=run.step.nbytes,
    )


def flops_until(plan: BatchPlan, iteration: int) -> int:
    """Return the operations of the matrix products in the first updates of a run."""
    epochs, batches = divmod(iteration, plan.per_epoch)
    samples = epochs * plan.rows + min(batches * plan.size, plan.rows)
    return training_flops(plan.task.layer_sizes, samples)


def facts(plan: BatchPlan, done: int) -> dict[str, Any]:
    """Return what a run needs on any device; ``flop`` is that of the updates that are left."""
    sizes = plan.task.layer_sizes
    return {
        "layer_sizes": list(sizes),
        "parameters": parameter_count(sizes),
        "rows": plan.rows,
        "batch_size": plan.size,
        "steps": plan.total,
        "steps_done": done,
        "steps_per_epoch": plan.per_epoch,
        "flop_per_step": training_flops(sizes, min(plan.size, plan.rows)),
        "flop": flops_until(plan, plan.total) - flops_until(plan, min(done, plan.total)),
    }


def _records(plan: BatchPlan, iteration: int) -> int:
    """Return the number of records in the first updates of a run."""
    at_end = iteration == plan.total and iteration % plan.interval > 0
    return iteration // plan.interval + at_end


# ---- time ----------------------------------------------------------------------------


def _seconds(run: TrainingRun, work: Any) -> float:
    began = time.perf_counter()
    run.step.retry_on_oom(work)
    run.backend.synchronize()
    return time.perf_counter() - began


def _timed_scores(run: TrainingRun) -> tuple[float, float]:
    """Return the seconds that the first evaluation of samples takes longer, and those of all."""
    counted = [0]

    def count(microbatches: Iterable[Microbatch]) -> Iterator[Microbatch]:
        for X, labels in microbatches:
            counted[0] += X.shape[1]
            yield X, labels

    def score(number: int) -> float:
        counted[0] = 0
        some = islice(run.data.microbatches, number)
        return _seconds(run, lambda: run.evaluator.score(run.state.theta, count(some)))

    first = score(1)
    rows_of_first = counted[0]
    each = score(SCORED) / max(counted[0], 1)
    rows = run.data.rows / run.ranks.size
    return max(first - rows_of_first * each, 0.0), rows * each


# ---- memory --------------------------------------------------------------------------


def _samples(run: TrainingRun) -> list[Any]:
    """Return the arrays of the samples on the device, without those that are views of others."""
    data = run.data.step_data()
    shared = [array for array in (data.X, data.labels, data.basis) if array is not None]
    copies = [X for X, _ in data.microbatches if X.dtype != data.X.dtype]
    return [*shared, *copies, *(array for pair in run.data.validation for array in pair)]
