"""What a training leaves behind and what it tells while it runs."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from mnn_gpu.models.evaluation import Evaluation
from mnn_gpu.models.model import Model
from mnn_gpu.utils import html


@dataclass(frozen=True)
class Record:
    """How the training stood after an iteration.

    Attributes
    ----------
    iteration : int
        Updates made, counted from 1.
    epoch : int
        Passes over the data, the present one included.
    loss, accuracy : float
        Means over the epoch so far (with full batches: of this iteration), each batch
        measured before its update; nats, and 0 to 1.
    seconds : float
        Since the first update began.
    validation_loss, validation_accuracy : float or None
        Of the parameters after this iteration (or of their moving average), on the
        held-out rows if there are any.
    """

    iteration: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class History:
    """The course of a training.

    Attributes
    ----------
    records : tuple of Record
    iterations : int
        Updates made.
    seconds : float
        What they took, compilation included, loading and transferring the data not.
    training : Evaluation
        The model's parameters on all training rows.
    validation : Evaluation or None
        The same on the held-out rows if there are any.
    best : Record or None
        With early stopping: the record whose parameters the model has.
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
    """Ctrl-C or SIGTERM during training; what had been learnt until then is kept.

    Attributes
    ----------
    model : Model
        The model after the last finished iteration; with early stopping the best so far.
    history : History
        The records until then.
    exit_code : int
        What the command line exits with: 130 after Ctrl-C, 143 after SIGTERM.
    """

    exit_code = 128 + signal.SIGINT

    def __init__(self, model: Model, history: History, number: int | None = None) -> None:
        super().__init__(f"interrupted after iteration {history.iterations}")
        self.model = model
        self.history = history
        if number is not None:
            self.exit_code = 128 + number


def _as_html(history: History) -> str:
    """Return a training's figures and its curves."""
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
    records = history.records
    if len(records) < 2:
        return ""
    by_epoch = records[-1].epoch < records[-1].iteration
    charts = []
    for name, told in (("loss", "{:.3f}"), ("accuracy", "{:.1%}")):
        lines: list[html.Line] = []
        for kind, colour, prefix in (
            ("training", html.BLUE, ""),
            ("held-out", html.ORANGE, "validation_"),
        ):
            points = [
                (r.epoch if by_epoch else r.iteration, getattr(r, prefix + name)) for r in records
            ]
            if points[0][1] is not None:
                lines.append((kind, colour, points))
        charts.append(html.chart(name, "epoch" if by_epoch else "iteration", lines, told))
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(charts)}</div>'
