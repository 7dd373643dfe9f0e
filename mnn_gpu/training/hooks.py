"""Hooks: what is called while a network trains."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from mnn_gpu.training.learning_curve import Record
from mnn_gpu.utils.signals import FinishStep


class Hook:
    """What may be told of a training while it runs; override what is of interest."""

    def on_start(self, iterations: int) -> None:
        """Before the first update; ``iterations`` are planned."""

    def on_resume(self, iteration: int) -> None:
        """After the start, if a checkpoint has that many of them done already."""

    def on_step(self, iteration: int) -> None:
        """After the host has issued update ``iteration`` (a GPU may still work on it)."""

    def on_record(self, record: Record) -> None:
        """When a record was added to the history."""

    def on_interrupt(self, number: int) -> None:
        """At the first Ctrl-C or SIGTERM, before the step is finished; in a signal handler.

        ``number`` is the signal's.
        """

    def on_end(self) -> None:
        """After the last update, also where the training broke off."""


class Deferred(Hook):
    """Tells hooks, and only notes it if one of them interrupts the training, as a signal does.

    For the ranks of a job, which have to stop at the same step.

    Parameters
    ----------
    hooks : sequence of Hook
    interrupt : FinishStep
    """

    def __init__(self, hooks: Sequence[Hook], interrupt: FinishStep) -> None:
        self.hooks = hooks
        self.interrupt = interrupt

    def on_step(self, iteration: int) -> None:
        self._tell(lambda hook: hook.on_step(iteration))

    def on_record(self, record: Record) -> None:
        self._tell(lambda hook: hook.on_record(record))

    def _tell(self, what: Callable[[Hook], None]) -> None:
        for hook in self.hooks:
            try:
                what(hook)
            except KeyboardInterrupt:
                self.interrupt.requested = self.interrupt.requested or signal.SIGINT
