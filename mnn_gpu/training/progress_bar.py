"""A progress bar for Python: in a notebook, on a terminal, or as lines in a log."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

from mnn_gpu.training.hooks import Hook
from mnn_gpu.training.learning_curve import Record
from mnn_gpu.training.progress_terminal import Progress, progress, summary


def progress_bar() -> Hook:
    """Return a hook for `train` that shows the progress.

    In a notebook (Jupyter, Colab, Kaggle, VS Code) it is one bar that is redrawn in its cell and
    needs no widgets; on a terminal a bar; elsewhere a line for each record. Terminal and lines
    go to stderr.

    Examples
    --------
    >>> model, history = train(X, y, config, hooks=[progress_bar()])  # doctest: +SKIP
    """
    if in_notebook():
        return NotebookBar()
    (hook,) = progress(quiet=False)
    return hook


def in_notebook() -> bool:
    """Return whether output is displayed in the cell of a notebook."""
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookBar(Progress):
    """One bar in the cell of a notebook, with the figures of the last record."""

    seconds = 0.2

    def on_start(self, iterations: int) -> None:
        from IPython.display import HTML, display

        super().on_start(iterations)
        self.html: Any = HTML
        self.figures = ""
        self.handle: Any = display(HTML(self._bar()), display_id=True)

    def on_record(self, record: Record) -> None:
        self.figures = "; " + " ".join(summary(record).split())
        self.iteration = record.iteration

    def on_end(self) -> None:
        self.draw()

    def draw(self) -> None:
        self.handle.update(self.html(self._bar()))

    def _bar(self) -> str:
        text = f"{self.iteration:,} of {self.iterations:,}, {self.elapsed:.0f} s, "
        text += f"{self.left:.0f} s left{self.figures}"
        return (
            f'<progress value="{self.iteration}" max="{self.iterations}" style="width:18em" '
            f'aria-label="training"></progress> {escape(text)}'
        )
