"""The training loop: batch after batch, with records, checkpoints and signals in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from mnn_gpu.backends import Backend
from mnn_gpu.data.dataset import Dataset, check_labelled
from mnn_gpu.data.open_blocks import Blocks
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.errors import UsageError
from mnn_gpu.models.model import Model
from mnn_gpu.nn.parameters import flatten, init_parameters, parameter_count
from mnn_gpu.step.batch import NetworkSpec
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, first_state
from mnn_gpu.training.batches.device_data import Labelled, placed
from mnn_gpu.training.batches.loader import load_batches
from mnn_gpu.training.batches.plan import Plan
from mnn_gpu.training.batches.streaming import placed_blocks
from mnn_gpu.training.checkpoints.checkpoint import Checkpoint
from mnn_gpu.training.checkpoints.checkpoint_file import Snapshot, state_arrays, state_from
from mnn_gpu.training.checkpoints.interval import Due
from mnn_gpu.training.compiled_step import CompiledStep
from mnn_gpu.training.config import TrainingConfig
from mnn_gpu.training.early_stopping import Stopping, check_held_out
from mnn_gpu.training.history import History, TrainingInterrupted
from mnn_gpu.training.hooks import Deferred, Hook
from mnn_gpu.training.run import Course
from mnn_gpu.utils.random_streams import PARAMETERS, generator
from mnn_gpu.utils.signals import FinishStep

MOST_MEMORY = 2**44
"""Bytes; a bound where the device does not tell how much it has."""


def _interrupted(hooks: Sequence[Hook], number: int) -> None:
    for hook in hooks:
        hook.on_interrupt(number)


class _Interrupted(Exception):  # noqa: N818
    """A signal between two steps; in the midst of one there is no state to speak of.

    Parameters
    ----------
    state : State
    number : int or None
        The signal's.
    """

    def __init__(self, state: State, number: int | None) -> None:
        super().__init__()
        self.state = state
        self.number = number


class TrainingLoop:
    """One training: its data on the device, its compiled step, and the loop.

    Parameters
    ----------
    X, y, config, backend, validation, classes
        See `training.train`.
    ranks : ProcessGroup
    """

    def __init__(
        self,
        X: npt.ArrayLike | Dataset | Blocks,
        y: npt.ArrayLike | None,
        config: TrainingConfig,
        backend: Backend,
        validation: Labelled | None,
        classes: npt.ArrayLike | None,
        ranks: ProcessGroup,
    ) -> None:
        check_held_out(config, validation is not None)
        self.config = config
        self.backend = backend
        self.ranks = ranks
        sharding = self._sharding()
        where = classes, config, backend, sharding
        if isinstance(X, Blocks):
            check_labelled(X.source, X.labelled, y)
            data = placed_blocks(X, validation, *where)
        else:
            data = placed(X, y, validation, *where)
        task = NetworkSpec(
            layer_sizes=(data.features, *config.hidden, len(data.classes)),
            regularization=config.regularization,
            image_shape=data.image_shape,
            input_scale=data.input_scale,
            matmul_precision=config.matmul_precision,
        )
        self.optimizer = config.make_optimizer()
        plan = Plan(config, self.optimizer, data, task, backend, sharding)
        self.course = Course(config, backend, task, plan, data, ranks)
        self.sharding = sharding

    def run(
        self,
        hooks: Sequence[Hook],
        checkpoint: Checkpoint | None = None,
        due: Due | None = None,
        resume: bool = False,
    ) -> tuple[Model, History]:
        """Make all updates, telling the hooks."""
        course = self.course
        state = self.ranks.on_all_ranks(self._first_state)
        # Not before all ranks have come as far as this: they may have to speak to each other.
        self.step = CompiledStep(self.config, course, self._with_exchange(self.sharding))
        earlier_seconds = 0.0
        snapshot = self.ranks.broadcast(
            self.ranks.on_rank0(lambda: self._looked_up(checkpoint, state, resume))
        )
        if snapshot is not None:
            state, earlier_seconds = self._resumed(state, snapshot), snapshot.seconds
        for hook in hooks:
            hook.on_start(course.plan.total)
            if course.iteration:
                hook.on_resume(course.iteration)
        self.backend.synchronize()
        course.started = time.perf_counter() - earlier_seconds
        try:
            with FinishStep(on_first=partial(_interrupted, hooks)) as interrupt:
                state = self._loop(state, hooks, checkpoint, due or Due(), interrupt)
        except _Interrupted as stop:
            course.check_finite(stop.state)
            if checkpoint:  # First: whoever interrupts may not wait for the scores.
                checkpoint.save(course.snapshot(stop.state))
            raise TrainingInterrupted(*self._result(stop.state), stop.number) from None
        finally:
            for hook in hooks:
                hook.on_end()
        return self._result(state)

    def _result(self, state: State) -> tuple[Model, History]:
        # The last scores may need memory that the compiled step holds.
        return self.step.within_memory(lambda: self.course.result(state))

    def _loop(
        self,
        state: State,
        hooks: Sequence[Hook],
        checkpoint: Checkpoint | None,
        due: Due,
        interrupt: FinishStep,
    ) -> State:
        course = self.course
        due.start(course.iteration)
        in_step = False
        if self.ranks.size > 1:
            hooks = [Deferred(hooks, interrupt)]
        batches = load_batches(course.plan, course.iteration, due.iterations)
        try:
            # A training may have been cut just before its record.
            over = course.iteration > 0 and self._reported(state, hooks)
            while not over and (coming := next(batches, None)) is not None:
                steps, batch = coming
                if course.iteration % course.plan.per_epoch == 0:
                    state = self._with_metrics_at_zero(state)
                in_step = True
                state = self.step.after(state, batch)
                course.iteration += steps
                in_step = False
                if self.backend.is_host:
                    # Elsewhere this would be to wait for the device: there a record looks.
                    course.check_finite(state)
                for hook in hooks:
                    hook.on_step(course.iteration)
                over = self._reported(state, hooks)
                at_end = over or course.iteration == course.plan.total
                if checkpoint and (
                    due.now(course.iteration, at_record=course.is_at_record) or at_end
                ):
                    self._save(checkpoint, state)
                if number := self.ranks.max(interrupt.requested or 0):
                    raise _Interrupted(state, number)
        except KeyboardInterrupt:
            # Among several ranks the others may be waiting for this one.
            if in_step or self.ranks.size > 1:
                raise
            raise _Interrupted(state, interrupt.requested) from None
        finally:
            batches.close()
        return state

    def _looked_up(
        self, checkpoint: Checkpoint | None, state: State, resume: bool
    ) -> Snapshot | None:
        """See that a checkpoint has room; return what it has, if that is wanted."""
        if checkpoint is None:
            return None
        checkpoint.check_space(sum(a.nbytes for a in state_arrays(state, self.backend).values()))
        return checkpoint.load(state, self.backend, self.course.samples_at) if resume else None

    def _save(self, checkpoint: Checkpoint, state: State) -> None:
        """Save a state that is finite; of another one the next record will tell, on all ranks."""
        if self.course.is_finite(state):
            checkpoint.save(self.course.snapshot(state))

    def _reported(self, state: State, hooks: Sequence[Hook]) -> bool:
        return self.step.within_memory(lambda: self.course.report(state, hooks))

    def _sharding(self) -> BatchSharding | None:
        if self.config.shards is None:
            return None
        wide = not self.config.fast_reduce
        return BatchSharding(self.config.shards, self.ranks.rank, self.ranks.size, wide)

    def _with_exchange(self, sharding: BatchSharding | None) -> BatchSharding | None:
        if sharding is None:
            return None
        batch = self.config.batch_size or self.course.data.rows
        rows = self.config.shard_rows or self.backend.shard_rows
        # A shard's own gradient, in one piece, has no more digits than its dtype.
        in_pieces = sharding.shards > sharding.ranks or batch > sharding.shards * rows
        dtype = "float64" if sharding.is_wide and in_pieces else self.config.dtype
        return replace(sharding, exchange=self.ranks.exchange(sharding, dtype, self.backend))

    def _first_state(self) -> State:
        self._check_size()
        rng = generator(PARAMETERS, self.config.seed)
        layers = init_parameters(self.course.task.layer_sizes, rng, self.config.init)
        theta = flatten(layers)
        return first_state(theta, self.optimizer, self.config.dtype, self.backend.asarray)

    def _resumed(self, state: State, snapshot: Snapshot) -> State:
        """Go on from a checkpoint."""
        course = self.course
        course.iteration = snapshot.iteration
        course.records = list(snapshot.records)
        course.stopping = Stopping(self.config, snapshot.best)
        return state_from(snapshot.arrays, state, self.backend)

    def _check_size(self) -> None:
        """See that the parameters fit at all, before asking for their memory."""
        sizes, vectors = self.course.task.layer_sizes, 5 + 2 * self.optimizer.slots
        need = parameter_count(sizes) * np.dtype(self.config.dtype).itemsize
        free = self.backend.memory().free
        if need * vectors > (free or MOST_MEMORY):
            raise UsageError(
                f"A network of {'-'.join(map(str, sizes))} needs "
                f"{need * vectors / 2**30:,.0f} GiB to train.",
                "Take fewer units with --hidden.",
            )

    def _with_metrics_at_zero(self, state: State) -> State:
        asarray = self.backend.asarray
        loss, correct = asarray(0.0, dtype=self.config.dtype), asarray(0, dtype=np.int32)
        return state._replace(loss=loss, correct=correct)
