"""The training loop: host arrays in, a model and its history out."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu import network
from mnn_gpu.backend import Backend, checked_backend
from mnn_gpu.backend.base import Run
from mnn_gpu.batches import Plan
from mnn_gpu.block_shards import check_labelled
from mnn_gpu.checkpoint import Checkpoint
from mnn_gpu.config import TrainingConfig
from mnn_gpu.course import Course
from mnn_gpu.data.blocks import Blocks
from mnn_gpu.due import Due
from mnn_gpu.errors import DataError, TrainingWarning, UsageError
from mnn_gpu.history import History, Hook, TrainingInterrupted
from mnn_gpu.interrupts import FinishStep
from mnn_gpu.model import Model
from mnn_gpu.randomness import PARAMETERS, generator
from mnn_gpu.ranks import Ranks, check_same, ranks_of, shared_out
from mnn_gpu.resident import Labelled, in_smaller_shards, placed
from mnn_gpu.samples import Batch, Data, Task
from mnn_gpu.sharing import Sharing
from mnn_gpu.snapshot import Snapshot, state_arrays, state_from
from mnn_gpu.step import State, first_state, training_step
from mnn_gpu.stopping import Stopping, check_held_out
from mnn_gpu.streamed import placed_blocks
from mnn_gpu.tensor_file import data_digest

MOST_MEMORY = 2**44
"""Bytes; a bound where the device does not tell how much it has."""


def train(
    X: npt.ArrayLike | Blocks,
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
        Pixels as uint8 from 0 to 255 or floats from 0 to 1. Or what `open_blocks` returns:
        data larger than memory, with their labels, which are read while the device is at work;
        in batches, mixed within windows of some 64 MB of blocks in a random order.
    y : (rows,)
        Labels: whole numbers from 0 up. To be left out of data that bring their own.
    config : TrainingConfig, optional
        Default: the notebook's recipe.
    backend : Backend, optional
        Where to train. Default: `select_backend()`.
    validation : (X, y), optional
        Held-out rows, evaluated at every record.
    classes : (classes,), optional
        All labels there may be. Default: those in ``y``.
    hooks : sequence of Hook
    checkpoint : path, optional
        A folder in which the training's last two states are kept.
    checkpoint_every : int or str, optional
        How often they are written: after so many iterations, or after a time such as
        ``"30s"``, ``"10m"`` or ``"1.5h"``, and at the end. Default: at every record.
    resume : bool
        Whether to go on from there, if there is a checkpoint. On the same device, with as
        many cores and the same versions, the result is the same, bit for bit, as if the
        training had never been cut; elsewhere the same to rounding.
    comm : mpi4py.MPI.Comm, optional
        The ranks of an MPI program that train together, all of which call this with the same
        arguments; each works on some shards of every batch. The first one's hooks are told,
        and it alone writes checkpoints; all return the same. Default: this process alone.

    Returns
    -------
    model : Model
        On the host; the same seed on the same device gives the same bits.
    history : History

    Raises
    ------
    DataError
        If pixels or labels are not such; at any time of data that are read meanwhile.
    DivergedError
        If the loss stopped being finite; it has the last good parameters.
    DeviceError
        If the device failed, or has no memory even for single samples.
    OutputError, ModelFileError
        If the folder of the checkpoint cannot be written to, or no checkpoint be read.
    UsageError
        If it belongs to another recipe or other data, is there and not to be resumed, or
        another run holds the folder.
    TrainingInterrupted
        On Ctrl-C or SIGTERM, with the model as far as it came. (A second one leaves at once.)

    Warns
    -----
    TrainingWarning
        If the training goes on otherwise than asked: in smaller shards for want of memory,
        from the checkpoint before a damaged one, or without writing one to a full disk.
    """
    config = TrainingConfig() if config is None else config
    if not isinstance(config, TrainingConfig):
        raise UsageError(
            f"config is {type(config).__name__}, not a TrainingConfig.",
            "Give mnn_gpu.TrainingConfig(...), or a recipe's .config.",
        )
    if resume and checkpoint is None:
        raise UsageError("resume needs a place to go on from.", "Give checkpoint=FOLDER too.")
    ranks = ranks_of(comm)
    backend = ranks.backend() if backend is None else checked_backend(backend)
    config = shared_out(config, ranks, backend)
    # An overflow is no warning here: it ends in a DivergedError.
    one_thread = nullcontext() if config.shards is None else backend.single_threaded()
    with backend.explaining(), one_thread, np.errstate(all="ignore"):
        training = ranks.all_do(
            lambda: _Training(X, y, config, backend, validation, classes, ranks)
        )
        due = Due(checkpoint_every)
        if checkpoint is None and ranks.size == 1:
            return training.run(hooks)
        digest = _digest(X, y, validation, training.course.data.classes)
        check_same(ranks, digest)
        folder = ranks.first_does(lambda: _opened(checkpoint, config, digest, resume))
        with folder or nullcontext() as kept:
            return training.run(hooks if ranks.is_first else (), kept, due, resume)


def _digest(X: Any, y: Any, validation: Labelled | None, classes: npt.NDArray[Any]) -> str:
    rest = (*(validation or ()), classes)
    if isinstance(X, Blocks):
        return data_digest(np.frombuffer(X.digest.encode(), np.uint8), *rest)
    return data_digest(X, y, *rest)


def _opened(
    folder: str | Path | None, config: TrainingConfig, digest: str, resume: bool
) -> Checkpoint | None:
    if folder is None:
        return None
    kept = Checkpoint(folder, config, digest)
    if not resume:
        try:
            kept.check_free("--resume")
        except UsageError:
            kept.lock.close()
            raise
    return kept


class _Interrupted(Exception):  # noqa: N818
    """A signal between two steps; in the midst of one there is no state to speak of."""

    def __init__(self, state: State, number: int | None) -> None:
        super().__init__()
        self.state = state
        self.number = number


class _Training:
    """One training: its data on the device, its compiled step, and the loop."""

    def __init__(
        self,
        X: npt.ArrayLike | Blocks,
        y: npt.ArrayLike | None,
        config: TrainingConfig,
        backend: Backend,
        validation: Labelled | None,
        classes: npt.ArrayLike | None,
        ranks: Ranks,
    ) -> None:
        check_held_out(config, validation is not None)
        self.config = config
        self.backend = backend
        self.ranks = ranks
        sharing = self._sharing()
        where = classes, config, backend, sharing
        if isinstance(X, Blocks):
            check_labelled(X, y)
            data = placed_blocks(X, validation, *where)
        elif y is None:
            raise DataError("There are no labels.", "Give them as y.")
        else:
            data = placed(X, y, validation, *where)
        self.task = Task(
            layer_sizes=(data.features, *config.hidden, len(data.classes)),
            regularisation=config.regularisation,
            image_shape=data.image_shape,
            input_scale=data.input_scale,
        )
        self.optimizer = config.make_optimizer()
        self.shard_rows = config.shard_rows or backend.shard_rows
        plan = Plan(config, self.optimizer, data, self.task, backend, sharing)
        self.course = Course(config, backend, self.task, plan, data, ranks)
        self.sharing = self._with_exchange(sharing)

    def run(
        self,
        hooks: Sequence[Hook],
        checkpoint: Checkpoint | None = None,
        due: Due | None = None,
        resume: bool = False,
    ) -> tuple[Model, History]:
        """Make all updates, telling the hooks."""
        course = self.course
        state = self._first_state()
        self.compiled = self._compiled_step(state)
        earlier_seconds = 0.0
        snapshot = self.ranks.from_first(
            self.ranks.first_does(lambda: self._looked_up(checkpoint, state, resume))
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
            with FinishStep() as interrupt:
                state = self._loop(state, hooks, checkpoint, due or Due(), interrupt)
        except _Interrupted as stop:
            course.check_finite(stop.state)
            if checkpoint:  # First: whoever interrupts may not wait for the scores.
                checkpoint.save(course.snapshot(stop.state))
            raise TrainingInterrupted(*course.result(stop.state), stop.number) from None
        finally:
            for hook in hooks:
                hook.on_end()
        return course.result(state)

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
        batches = course.plan.batches(course.iteration, due.iterations)
        try:
            # A training may have been cut just before its record.
            over = course.iteration > 0 and self._reported(state, hooks)
            while not over and (coming := next(batches, None)) is not None:
                steps, batch = coming
                if course.iteration % course.plan.per_epoch == 0:
                    state = self._with_metrics_at_zero(state)
                in_step = True
                state = self._after(state, batch)
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
                if self.ranks.largest(interrupt.requested or 0):
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            if in_step:
                raise
            number = self.ranks.largest(interrupt.requested or 0) or None
            raise _Interrupted(state, number) from None
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
        return checkpoint.load(state, self.backend) if resume else None

    def _save(self, checkpoint: Checkpoint, state: State) -> None:
        """Save a state that is finite; of another one the next record will tell, on all ranks."""
        if self.course.is_finite(state):
            checkpoint.save(self.course.snapshot(state))

    def _after(self, state: State, batch: Batch) -> State:
        """Return the state after a run of steps."""
        after: State = self._within_memory(lambda: self.compiled(state, batch), state)
        return after

    def _reported(self, state: State, hooks: Sequence[Hook]) -> bool:
        over: bool = self._within_memory(lambda: self.course.report(state, hooks), state)
        return over

    def _within_memory(self, work: Callable[[], Any], state: State) -> Any:
        """Do some work; if the device has no memory for it, in ever smaller shards."""
        before = self.shard_rows
        while True:
            try:
                result = work()
                break
            except Exception as error:
                # Among several ranks the others wait for what this one would begin anew.
                alone = self.ranks.size == 1 and self.shard_rows > 1
                if not (alone and self.backend.is_out_of_memory(error)):
                    raise
            self._halve_shards(state)
        if self.shard_rows < before:
            warnings.warn(
                f"{self.backend.device} has no memory for {before:,} samples at a time: going on "
                f"with {self.shard_rows:,} (--shard-rows).",
                TrainingWarning,
                stacklevel=2,
            )
        return result

    def _halve_shards(self, state: State) -> None:
        # First of all: the memory of the compiled step may be what is wanted.
        del self.compiled
        gc.collect()
        course, batch = self.course, self.config.batch_size or self.course.data.rows
        self.shard_rows = (min(self.shard_rows, batch) + 1) // 2
        course.data = in_smaller_shards(
            course.data, self.shard_rows, self.backend.lanes, self.sharing
        )
        self.compiled = self._compiled_step(state)

    def _compiled_step(self, state: State) -> Run:
        data, backend = self.course.data, self.backend
        is_weight = None
        if self.config.decay:
            is_weight = network.weight_mask(state.theta, self.task.layer_sizes)
        step = training_step(self.task, self.optimizer, backend, self.shard_rows, self.sharing)
        # What stays on the disk comes with the batches.
        shards = tuple(data.shards) if data.blocks is None else ()
        resident = Data(data.X, data.labels, shards, is_weight, data.basis)
        return backend.compile(step, resident)

    def _sharing(self) -> Sharing | None:
        if self.config.shards is None:
            return None
        wide = not self.config.fast_reduce
        return Sharing(self.config.shards, self.ranks.rank, self.ranks.size, wide)

    def _with_exchange(self, sharing: Sharing | None) -> Sharing | None:
        if sharing is None:
            return None
        batch = self.config.batch_size or self.course.data.rows
        # A shard's own gradient, in one piece, has no more digits than its dtype.
        in_pieces = sharing.shards > sharing.ranks or batch > sharing.shards * self.shard_rows
        dtype = "float64" if sharing.is_wide and in_pieces else self.config.dtype
        return replace(sharing, exchange=self.ranks.exchange(sharing, dtype, self.backend))

    def _first_state(self) -> State:
        self._check_size()
        rng = generator(PARAMETERS, self.config.seed)
        layers = network.init_parameters(self.task.layer_sizes, rng, self.config.init)
        theta = network.flatten(layers)
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
        sizes, vectors = self.task.layer_sizes, 5 + 2 * self.optimizer.slots
        need = network.parameter_count(sizes) * np.dtype(self.config.dtype).itemsize
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
