"""A bar for trainings from Python: in a notebook, on a terminal, or plain lines in a log."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from mnn_gpu.training.history import Record
from mnn_gpu.training.hooks import Hook

REDRAW_SECONDS = 0.2


def progress_bar() -> Hook:
    """Return a hook for `train` that shows how far it is, in the way that suits the place.

    In a notebook (Jupyter, Colab, Kaggle, VS Code) one bar that is drawn anew in its cell
    and needs no widgets; on a terminal a bar; elsewhere a line a record. Terminal and lines
    go to stderr.

    Examples
    --------
    >>> model, history = train(X, y, config, hooks=[progress_bar()])  # doctest: +SKIP
    """
    if in_notebook():
        return NotebookBar()
    from mnn_gpu.training.progress_terminal import progress

    (hook,) = progress(quiet=False)
    return hook


def in_notebook() -> bool:
    """Whether what is displayed goes to a notebook's cell."""
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookBar(Hook):
    """One bar in a notebook's cell, with the last record's figures beside it."""

    def on_start(self, iterations: int) -> None:
        from IPython.display import HTML, display

        self.html: Any = HTML
        self.iterations, self.done, self.figures = iterations, 0, ""
        self.started = self.drawn = time.perf_counter()
        self.handle: Any = display(HTML(self._bar(0)), display_id=True)

    def on_resume(self, iteration: int) -> None:
        self.done = iteration

    def on_step(self, iteration: int) -> None:
        if time.perf_counter() - self.drawn >= REDRAW_SECONDS:
            self._draw(iteration)

    def on_record(self, record: Record) -> None:
        self.figures = f"loss {record.loss:.4f}, accuracy {record.accuracy:.2%}"
        if record.validation_accuracy is not None:
            self.figures += f", held-out {record.validation_accuracy:.2%}"
        self.last = record.iteration
        if time.perf_counter() - self.drawn >= REDRAW_SECONDS:
            self._draw(record.iteration)

    def on_end(self) -> None:
        self._draw(getattr(self, "last", self.done))

    def _draw(self, iteration: int) -> None:
        self.drawn = time.perf_counter()
        self.handle.update(self.html(self._bar(iteration)))

    def _bar(self, iteration: int) -> str:
        seconds = time.perf_counter() - self.started
        done = iteration - self.done
        left = seconds / done * (self.iterations - iteration) if done else 0.0
        text = f"{iteration:,} of {self.iterations:,}, {seconds:.0f} s, {left:.0f} s left"
        text += f"; {self.figures}" if self.figures else ""
        return (
            f'<progress value="{iteration}" max="{self.iterations}" style="width:18em" '
            f'aria-label="training"></progress> {escape(text)}'
        )
