"""How often a checkpoint is written."""

from __future__ import annotations

import math
import re
import time

from mnn_gpu.errors import UsageError
from mnn_gpu.utils.validation import whole

SECONDS = {"s": 1, "m": 60, "h": 3600}
CURE = "Give iterations, such as 500, or a time, such as 30s, 10m or 1.5h."


class Due:
    """Decides after each call of the compiled step whether a checkpoint is due.

    ``every`` is a number of iterations, or a time with its unit: ``"30s"``, ``"10m"``, ``"1.5h"``
    (otherwise a UsageError). Default: at every record.
    """

    def __init__(self, every: int | str | None = None) -> None:
        self.iterations: int | None = None
        self.seconds = math.inf
        self.with_records = every is None
        if isinstance(every, str) and not every.isdecimal():
            self.seconds = _seconds(every)
        elif every is not None:
            number = int(every) if isinstance(every, str) else every
            self.iterations = whole("checkpoint_every", number, 1)
        self.last_iteration = 0
        self.last_time = time.monotonic()

    def start(self, iteration: int) -> None:
        """Count from here."""
        self.last_iteration, self.last_time = iteration, time.monotonic()

    def now(self, iteration: int, *, at_record: bool) -> bool:
        """Return whether a checkpoint is due after this iteration; if so, count from here."""
        due = (
            (self.with_records and at_record)
            or (
                self.iterations is not None
                and iteration // self.iterations > self.last_iteration // self.iterations
            )
            or time.monotonic() - self.last_time >= self.seconds
        )
        if due:
            self.start(iteration)
        return due


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smh])", text.strip())
    if found is None or float(found[1]) == 0:
        raise UsageError(f"checkpoint_every is {text!r}.", CURE)
    return float(found[1]) * SECONDS[found[2]]
