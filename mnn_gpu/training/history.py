"""The history of a run, and how a notebook shows it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from mnn_gpu.models.evaluation import Evaluation
from mnn_gpu.models.model import Model
from mnn_gpu.training.learning_curve import CURVES, Record, columns, x_axis
from mnn_gpu.utils import html


@dataclass(frozen=True)
class History:
    """The history of a run.

    Attributes
    ----------
    records : tuple of Record
    iterations : int
        Updates made.
    seconds : float
        Time of the updates with compilation, without loading and copying the data.
    training : Evaluation
        Of the model on all training rows.
    validation : Evaluation or None
        Of the model on the held-out rows, if there are any.
    best : Record or None
        With early stopping, the record whose parameters the model has.
    """

    records: tuple[Record, ...]
    iterations: int
    seconds: float
    training: Evaluation
    validation: Evaluation | None
    best: Record | None = None

    def _repr_html_(self) -> str:
        return _as_html(self)


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during training.

    Attributes
    ----------
    model : Model
        The model after the last finished iteration; with early stopping the best so far.
    history : History
        The history so far.
    exit_code : int
        Of the command line: 130 after Ctrl-C, 143 after SIGTERM.
    """

    exit_code = 128 + signal.SIGINT

    def __init__(self, model: Model, history: History, number: int | None = None) -> None:
        super().__init__(f"interrupted after iteration {history.iterations}")
        self.model = model
        self.history = history
        if number is not None:
            self.exit_code = 128 + number


def _as_html(history: History) -> str:
    """Return the figures and the curves of a run."""
    rows = [
        ("updates", f"{history.iterations:,} in {history.seconds:.2f} s"),
        *((f"training {name}", value) for name, value in history.training.figures()),
    ]
    if history.validation is not None:
        rows += [(f"held-out {name}", value) for name, value in history.validation.figures()]
    if history.best is not None:
        rows.append(("best record", f"epoch {history.best.epoch}"))
    return html.table(rows, "Training") + _curves(history)


def _curves(history: History) -> str:
    if len(history.records) < 2:
        return ""
    found = columns(history.records)
    axis, x = x_axis(found)
    charts = []
    for name, form in (("loss", "{:.3f}"), ("accuracy", "{:.1%}")):
        lines = [
            (label, colour, list(zip(x, found[prefix + name], strict=True)))
            for (label, prefix), colour in zip(CURVES, (html.BLUE, html.ORANGE), strict=True)
            if prefix + name in found
        ]
        charts.append(html.chart(name, axis, lines, form))
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(charts)}</div>'
