"""Hooks: functions that a run calls."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from mnn_gpu.training.learning_curve import Record
from mnn_gpu.utils.signals import FinishStep


class Hook:
    """Functions that a run calls; override those of interest."""

    def on_start(self, iterations: int) -> None:
        """Run before the first of ``iterations`` updates."""

    def on_resume(self, iteration: int) -> None:
        """Run after `on_start` if a checkpoint is resumed, with its number of updates."""

    def on_step(self, iteration: int) -> None:
        """Run after the host has issued update ``iteration``; a GPU may still compute it."""

    def on_record(self, record: Record) -> None:
        """Run when a record was added to the history."""

    def on_interrupt(self, number: int) -> None:
        """Run in the handler of the first Ctrl-C or SIGTERM, before the step has ended."""

    def on_end(self) -> None:
        """Run after the last update, also after an error."""


class Deferred(Hook):
    """Calls hooks; if one raises KeyboardInterrupt, the run stops after the step, as by a signal.

    For the ranks of a job, which must stop at the same step.
    """

    def __init__(self, hooks: Sequence[Hook], interrupt: FinishStep) -> None:
        self.hooks = hooks
        self.interrupt = interrupt

    def on_step(self, iteration: int) -> None:
        self._call(lambda hook: hook.on_step(iteration))

    def on_record(self, record: Record) -> None:
        self._call(lambda hook: hook.on_record(record))

    def _call(self, function: Callable[[Hook], None]) -> None:
        for hook in self.hooks:
            try:
                function(hook)
            except KeyboardInterrupt:
                self.interrupt.requested = self.interrupt.requested or signal.SIGINT
