"""The watchdog: barks at what is waited for too long, and at nothing else."""

from __future__ import annotations

import threading
from itertools import count

from mnn_gpu.distributed.watchdog import Watchdog


def why_it_gives_up(waiting_for: object, patience: float = 0.05) -> str | None:
    """Let a watchdog look at something for a while; return what it says, None if nothing."""
    said: list[str] = []
    called = threading.Event()

    def give_up(why: str) -> None:
        said.append(why)
        called.set()

    looks = waiting_for if callable(waiting_for) else lambda: waiting_for
    dog = Watchdog(looks, patience, give_up, interval=0.005)
    dog.start()
    called.wait(0.5)
    dog.stop()
    dog.join(10)
    assert not dog.is_alive()
    return said[0] if said else None


def test_it_gives_up_what_does_not_come() -> None:
    said = why_it_gives_up("exchange 7")
    assert said == "Nothing has come from the other ranks for 0.05 seconds."


def test_it_is_patient_where_things_go_on_or_nothing_is_waited_for() -> None:
    assert why_it_gives_up(count().__next__) is None
    assert why_it_gives_up(None) is None
    assert why_it_gives_up("exchange 7", patience=1000) is None


def test_it_gives_up_at_once_what_failed() -> None:
    def failed() -> object:
        raise RuntimeError("remote process exited")

    said = why_it_gives_up(failed, patience=1000)
    assert said == "The exchange with the other ranks failed (remote process exited)."
