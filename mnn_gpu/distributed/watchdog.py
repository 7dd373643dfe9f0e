"""A thread that sees when nothing comes back from the other ranks any more.

MPI ends a job of which a rank dies. NCCL does not: its kernels wait on the GPU for ever, and
so does whoever waits for the GPU.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence

INTERVAL = 1.0
HURRIED = 10.0
"""Seconds for which something is waited for after an interrupt: a rank may be saving."""


class Watchdog(threading.Thread):
    """Calls ``give_up`` once something has been waited for too long, or has failed.

    Parameters
    ----------
    waiting_for : callable
        Returns what is waited for now, something that is another one each time, or None;
        raises what it failed of.
    patience : float
        Seconds for which it may be the same.
    give_up : callable
        Takes the reason and the number of the signal that interrupts, or None; does not return.
    interval : float
        Seconds between two looks.
    signals : callable
        Returns the numbers of all signals so far: after the first one the patience is `HURRIED`,
        and the second ends it.
    say : callable
        Takes what to say of the first one.
    """

    def __init__(
        self,
        waiting_for: Callable[[], object],
        patience: float,
        give_up: Callable[[str, int | None], object],
        interval: float = INTERVAL,
        signals: Callable[[], Sequence[int]] = tuple,
        say: Callable[[str], object] = print,
    ) -> None:
        super().__init__(name="mnn_gpu watchdog", daemon=True)
        self.waiting_for = waiting_for
        self.patience = patience
        self.give_up = give_up
        self.interval = interval
        self.signals, self.say = signals, say
        self.came: Sequence[int] = ()
        self.said = False
        self.over = threading.Event()

    def run(self) -> None:
        same: object = None
        since = time.monotonic()
        while not self.over.wait(self.interval):
            try:
                now = self.waiting_for()
            except Exception as error:
                self.give_up(f"The exchange with the other ranks failed ({error}).", None)
                return
            if self._hears_first():
                since = time.monotonic()
            if now is None or now != same:
                same, since = now, time.monotonic()
            elif len(self.came) > 1 or time.monotonic() - since > self.patience:
                self.give_up(self._why(), self.came[0] if self.came else None)
                return
            elif self.came and not self.said:
                self.said = True
                name = signal.Signals(self.came[0]).name
                self.say(
                    f"{name}: waiting {self.patience:g} s for other ranks. Again: stop at once."
                )

    def _hears_first(self) -> bool:
        """Take note of new signals; return whether the first one is among them."""
        before, self.came = self.came, self.signals()
        is_first = bool(self.came) and not before
        if is_first:
            self.patience = min(self.patience, HURRIED)
        return is_first

    def _why(self) -> str:
        if self.came:
            return "Interrupted while waiting for the other ranks."
        return f"Nothing has come from the other ranks for {self.patience:g} seconds."

    def stop(self) -> None:
        """Look no more."""
        self.over.set()
