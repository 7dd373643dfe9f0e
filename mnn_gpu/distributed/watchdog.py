"""A thread that sees when nothing comes back from the other ranks any more.

MPI ends a job of which a rank dies. NCCL does not: its kernels wait on the GPU for ever, and
so does whoever waits for the GPU.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INTERVAL = 1.0


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
        Is told why, and does not come back.
    interval : float
        Seconds between two looks.
    """

    def __init__(
        self,
        waiting_for: Callable[[], object],
        patience: float,
        give_up: Callable[[str], object],
        interval: float = INTERVAL,
    ) -> None:
        super().__init__(name="mnn_gpu watchdog", daemon=True)
        self.waiting_for = waiting_for
        self.patience = patience
        self.give_up = give_up
        self.interval = interval
        self.over = threading.Event()

    def run(self) -> None:
        same: object = None
        since = time.monotonic()
        while not self.over.wait(self.interval):
            try:
                now = self.waiting_for()
            except Exception as error:
                self.give_up(f"The exchange with the other ranks failed ({error}).")
                return
            if now is None or now != same:
                same, since = now, time.monotonic()
            elif time.monotonic() - since > self.patience:
                self.give_up(
                    f"Nothing has come from the other ranks for {self.patience:g} seconds."
                )
                return

    def stop(self) -> None:
        """Look no more."""
        self.over.set()
