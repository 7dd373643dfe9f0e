"""A thread that detects when the other ranks no longer respond.

MPI terminates a job when a rank dies. NCCL does not: its kernels wait on the GPU for ever, and
so does any thread that waits for the GPU.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence

INTERVAL = 1.0
INTERRUPT_TIMEOUT = 10.0
"""Seconds to wait after an interrupt: a rank may be saving."""


class Watchdog(threading.Thread):
    """Calls ``give_up`` when a wait takes too long, or fails.

    Parameters
    ----------
    waiting_for : callable
        Returns an identifier of the current wait, different for each, or None; raises the
        error of a failed one.
    timeout : float
        Maximum seconds of one wait.
    give_up : callable
        Takes the reason and the number of the interrupting signal, or None; does not return.
    interval : float
        Seconds between two checks.
    signals : callable
        Returns the numbers of all signals so far: after the first one the limit is
        `INTERRUPT_TIMEOUT`, and the second ends the wait.
    say : callable
        Takes the message about the first signal.
    """

    def __init__(
        self,
        waiting_for: Callable[[], object],
        timeout: float,
        give_up: Callable[[str, int | None], object],
        interval: float = INTERVAL,
        signals: Callable[[], Sequence[int]] = tuple,
        say: Callable[[str], object] = print,
    ) -> None:
        super().__init__(name="mnn_gpu watchdog", daemon=True)
        self.waiting_for = waiting_for
        self.timeout = timeout
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
            elif len(self.came) > 1 or time.monotonic() - since > self.timeout:
                self.give_up(self._why(), self.came[0] if self.came else None)
                return
            elif self.came and not self.said:
                self.said = True
                name = signal.Signals(self.came[0]).name
                self.say(
                    f"{name}: waiting {self.timeout:g} s for other ranks. Again: stop at once."
                )

    def _hears_first(self) -> bool:
        """Process new signals; return whether the first one is among them."""
        before, self.came = self.came, self.signals()
        is_first = bool(self.came) and not before
        if is_first:
            self.timeout = min(self.timeout, INTERRUPT_TIMEOUT)
        return is_first

    def _why(self) -> str:
        if self.came:
            return "Interrupted while waiting for the other ranks."
        return f"The other ranks have not responded for {self.timeout:g} seconds."

    def stop(self) -> None:
        """Stop checking."""
        self.over.set()
