"""What a person sees while a network trains: a bar on a terminal, else plain lines."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mnn_gpu.training.history import Record
from mnn_gpu.training.hooks import Hook
from mnn_gpu.utils.console import say

if TYPE_CHECKING:
    from rich.progress import Progress

REDRAW_SECONDS = 0.1


def progress(quiet: bool) -> list[Hook]:
    """Return the hooks that show the progress on stderr."""
    if quiet:
        return []
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return [Bar() if on_terminal else Lines()]


def summary(record: Record) -> str:
    """Write a record's epoch, unless that is its iteration, its loss and accuracies in a line."""
    epoch = f"epoch {record.epoch:3d}  " if record.epoch < record.iteration else ""
    text = f"{epoch}loss {record.loss:7.4f}  accuracy {record.accuracy:6.2%}"
    if record.validation_accuracy is not None:
        text += f"  held-out {record.validation_accuracy:6.2%}"
    return text


def rate(iterations_per_second: float) -> str:
    """Write a rate with three figures or so."""
    digits = 0 if iterations_per_second >= 100 else 1
    return f"{iterations_per_second:,.{digits}f} it/s"


class Waiting(Hook):
    """Says at once what an interrupt waits for."""

    def on_interrupt(self, number: int) -> None:
        what = signal.Signals(number).name
        text = f"\n{what}: finishing this step, then saving. Again: stop at once.\n"
        # Not by print: the handler may run in the middle of one.
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                os.write(sys.stderr.fileno(), text.encode())


class Lines(Hook):
    """A line a record, for logs and pipes."""

    def on_start(self, iterations: int) -> None:
        self.iterations = iterations

    def on_resume(self, iteration: int) -> None:
        say(f"resumed after iteration {iteration}")

    def on_record(self, record: Record) -> None:
        speed = record.iteration / max(record.seconds, 1e-9)
        left = (self.iterations - record.iteration) / speed
        width = len(str(self.iterations))
        say(
            f"iteration {record.iteration:{width}d}/{self.iterations}  {summary(record)}  "
            f"{rate(speed)}  {left:.0f} s left"
        )


class Bar(Hook):
    """A bar with loss, accuracy, rate and time left; a line above it a record."""

    def on_start(self, iterations: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Left

        self.iterations, self.done = iterations, 0
        self.started = self.drawn = time.perf_counter()
        self.bar: Progress = Progress(
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[scores]}"),
            TextColumn("{task.fields[rate]}"),
            Left(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True, highlight=False),
            auto_refresh=False,
        )
        self.task = self.bar.add_task("", total=iterations, scores="", rate="")
        self.bar.start()

    def on_resume(self, iteration: int) -> None:
        self.done = iteration
        self.bar.update(self.task, completed=iteration, refresh=True)
        self.bar.console.print(f"resumed after iteration {iteration}")

    def on_step(self, iteration: int) -> None:
        now = time.perf_counter()
        if now - self.drawn >= REDRAW_SECONDS or iteration == self.iterations:
            self.drawn = now
            speed = rate((iteration - self.done) / (now - self.started))
            self.bar.update(self.task, completed=iteration, rate=speed, refresh=True)

    def on_record(self, record: Record) -> None:
        scores = f"loss {record.loss:.4f}  accuracy {record.accuracy:.2%}"
        self.bar.update(self.task, completed=record.iteration, scores=scores)
        width = len(str(self.iterations))
        self.bar.console.print(f"iteration {record.iteration:{width}d}  {summary(record)}")

    def on_end(self) -> None:
        self.bar.stop()
