"""The progress of a run on stderr: a bar on a terminal, otherwise lines."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from mnn_gpu.training.hooks import Hook
from mnn_gpu.training.learning_curve import Record
from mnn_gpu.utils.console import say


def progress(quiet: bool) -> list[Hook]:
    """Return the hooks that show the progress on stderr."""
    if quiet:
        return []
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return [Bar() if on_terminal else Lines()]


def summary(record: Record) -> str:
    """Return a line of a log: epoch, unless that is the iteration, loss and accuracies."""
    epoch = f"epoch {record.epoch:3d}  " if record.epoch < record.iteration else ""
    text = f"{epoch}loss {record.loss:7.4f}  accuracy {record.accuracy:6.2%}"
    if record.validation_accuracy is not None:
        text += f"  held-out {record.validation_accuracy:6.2%}"
    return text


def rate(iterations_per_second: float) -> str:
    """Return a rate as text, with about three digits."""
    digits = 0 if iterations_per_second >= 100 else 1
    return f"{iterations_per_second:,.{digits}f} it/s"


class Waiting(Hook):
    """Says at once what happens after an interrupt."""

    def on_interrupt(self, number: int) -> None:
        what = signal.Signals(number).name
        text = f"\n{what}: finishing this step, then saving. Again: stop at once.\n"
        # Not with print: the handler may run in the middle of one.
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                os.write(sys.stderr.fileno(), text.encode())


class Progress(Hook):
    """Counts the updates; redraws them at most every ``seconds``, and at the last one."""

    seconds = 0.1

    def on_start(self, iterations: int) -> None:
        self.iterations, self.iteration, self.first = iterations, 0, 0
        self.started = self.drawn = time.perf_counter()

    def on_resume(self, iteration: int) -> None:
        self.iteration = self.first = iteration

    def on_step(self, iteration: int) -> None:
        self.iteration, now = iteration, time.perf_counter()
        if now - self.drawn >= self.seconds or iteration == self.iterations:
            self.drawn = now
            self.draw()

    def draw(self) -> None:
        """Show the progress."""

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @property
    def speed(self) -> float:
        """Iterations per second; 0 before the first."""
        return (self.iteration - self.first) / max(self.elapsed, 1e-9)

    @property
    def left(self) -> float:
        """Seconds that are left; 0 if that is unknown."""
        return (self.iterations - self.iteration) / self.speed if self.speed else 0.0


class Lines(Progress):
    """A line for each record, for logs and pipes."""

    def on_resume(self, iteration: int) -> None:
        super().on_resume(iteration)
        say(f"resumed after iteration {iteration}")

    def on_record(self, record: Record) -> None:
        self.iteration = record.iteration
        width = len(str(self.iterations))
        say(
            f"iteration {record.iteration:{width}d}/{self.iterations}  {summary(record)}  "
            f"{rate(self.speed)}  {self.left:.0f} s left"
        )


class Bar(Progress):
    """A bar with loss, accuracy, rate and time left; above it a line for each record."""

    def on_start(self, iterations: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.progress import TimeRemainingColumn as Left

        super().on_start(iterations)
        self.bar: RichProgress = RichProgress(
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
        super().on_resume(iteration)
        self.bar.update(self.task, completed=iteration, refresh=True)
        self.bar.console.print(f"resumed after iteration {iteration}")

    def draw(self) -> None:
        self.bar.update(self.task, completed=self.iteration, rate=rate(self.speed), refresh=True)

    def on_record(self, record: Record) -> None:
        text = f"loss {record.loss:.4f}  accuracy {record.accuracy:.2%}"
        self.bar.update(self.task, completed=record.iteration, scores=text)
        width = len(str(self.iterations))
        self.bar.console.print(f"iteration {record.iteration:{width}d}  {summary(record)}")

    def on_end(self) -> None:
        self.bar.stop()
