"""The training loop: steps, hooks, checkpoints and signals.

What a step changes is in `run.py`; `checkpoint.py` saves it and continues from it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from mnn_gpu.models.model import Model
from mnn_gpu.training.batches.loader import load_batches
from mnn_gpu.training.checkpoint import RunCheckpoints, restore
from mnn_gpu.training.checkpoint_interval import Due
from mnn_gpu.training.history import History, TrainingInterrupted
from mnn_gpu.training.hooks import Deferred, Hook
from mnn_gpu.training.run import TrainingRun
from mnn_gpu.utils.signals import FinishStep


class Trainer:
    """Drives a run from its first update, or from a checkpoint, to its result.

    If there are several ranks, only rank 0 has ``checkpoints``. By default they are ``due`` at
    every record.
    """

    def __init__(
        self,
        run: TrainingRun,
        hooks: Sequence[Hook] = (),
        checkpoints: RunCheckpoints | None = None,
        due: Due | None = None,
    ) -> None:
        self.run = run
        self.hooks = hooks
        self.checkpoints = checkpoints
        self.due = due or Due()
        # A method of this object would keep the run's memory until the garbage collector runs.
        self.interrupt = FinishStep(on_first=partial(_call_on_interrupt, hooks))

    def train(self, resume: bool = False) -> tuple[Model, History]:
        """Make all updates; return the model and its history.

        Raises
        ------
        DivergedError
        TrainingInterrupted
            After Ctrl-C or SIGTERM, with the model and the history so far.
        """
        run = self.run
        run.compile()
        self._start(resume)
        try:
            with self.interrupt:
                number = self._loop()
        except KeyboardInterrupt:
            # In the middle of a step there is no whole state to save; and if there are other
            # ranks, they may be waiting for this one.
            if run.in_step or run.ranks.size > 1:
                raise
            number = self.interrupt.requested or signal.SIGINT
        finally:
            for hook in self.hooks:
                hook.on_end()
        if not number:
            return run.result()
        run.check_finite()
        if self.checkpoints:  # Before the evaluation: the sender of a signal may not wait for it.
            self.checkpoints.save_run(run)
        raise TrainingInterrupted(*run.result(), number)

    def _loop(self) -> int:
        """Make the updates that are left; return the number of the signal that ended them or 0."""
        run, interrupt = self.run, self.interrupt
        hooks = self.hooks if run.ranks.size == 1 else [Deferred(self.hooks, interrupt)]
        self.due.start(run.iteration)
        with closing(
            load_batches(run.plan, run.data, run.iteration, self.due.iterations)
        ) as batches:
            # An earlier part of the run may have ended just before its record.
            if run.iteration and run.report(hooks):
                return 0
            for steps, batch in batches:
                run.advance(steps, batch)
                for hook in hooks:
                    hook.on_step(run.iteration)
                is_over = run.report(hooks) or run.iteration == run.plan.total
                self._save_if_due(at_end=is_over)
                if number := run.ranks.max(interrupt.requested or 0):
                    return number
                if is_over:
                    break
        return 0

    def _start(self, resume: bool) -> None:
        """Load the checkpoint if there is one to resume from, call the hooks, start the clock."""
        run, kept = self.run, self.checkpoints
        record = run.ranks.broadcast(
            run.ranks.on_rank0(lambda: None if kept is None else kept.prepare(run, resume=resume))
        )
        if record is not None:
            restore(run, record)
        for hook in self.hooks:
            hook.on_start(run.plan.total)
            if run.iteration:
                hook.on_resume(run.iteration)
        run.start_clock(record.values["seconds"] if record else 0.0)

    def _save_if_due(self, *, at_end: bool) -> None:
        run, checkpoints = self.run, self.checkpoints
        if checkpoints is None:
            return
        is_due = self.due.now(run.iteration, at_record=run.is_at_record)
        # A state that has diverged is not saved; the next record reports it, on all ranks.
        if (is_due or at_end) and run.is_finite():
            checkpoints.save_run(run)


def _call_on_interrupt(hooks: Sequence[Hook], number: int) -> None:
    for hook in hooks:
        hook.on_interrupt(number)
