"""The watchdog reports waits that take too long, and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterable
from itertools import count

import pytest

from mnn_gpu.distributed import watchdog
from mnn_gpu.distributed.signals import SignalPipe
from mnn_gpu.distributed.watchdog import Watchdog
from mnn_gpu.utils.signals import FinishStep

LOOKS = 30
"""Number of checks without a report: several times the timeout that should expire."""


def why_it_gives_up(
    waiting_for: object, timeout: float = 0.05, signals: Iterable[list[int]] = ()
) -> str | None:
    """Let a watchdog check something `LOOKS` times; return its report, None if there is none.

    ``signals`` are those received by each check, then those of the last one.
    """
    said: list[str] = []
    called = threading.Event()
    looked = 0
    coming = deque(signals or [[]])

    def give_up(why: str, number: int | None) -> None:
        said.append(why if number is None else f"{why} {number}")
        called.set()

    def looks() -> object:
        nonlocal looked
        looked += 1
        if looked > LOOKS:
            called.set()
        return waiting_for() if callable(waiting_for) else waiting_for

    dog = Watchdog(
        looks,
        timeout,
        give_up,
        0.005,
        signals=lambda: coming.popleft() if len(coming) > 1 else coming[0],
        say=said.append,
    )
    dog.start()
    assert called.wait(60)
    dog.stop()
    dog.join(10)
    assert not dog.is_alive()
    return " ".join(said) if said else None


def test_it_reports_a_wait_that_takes_too_long() -> None:
    said = why_it_gives_up("exchange 7")
    assert said == "The other ranks have not responded for 0.05 seconds."


def test_it_is_silent_while_waits_change_or_there_is_none() -> None:
    assert why_it_gives_up(count().__next__) is None
    assert why_it_gives_up(None) is None
    assert why_it_gives_up("exchange 7", timeout=1000) is None


def test_it_reports_a_failed_wait_immediately() -> None:
    def failed() -> object:
        raise RuntimeError("remote process exited")

    said = why_it_gives_up(failed, timeout=1000)
    assert said == "The exchange with the other ranks failed (remote process exited)."


WAITING = "SIGINT: waiting 10 s for other ranks. Again: stop at once."


def test_an_interrupt_shortens_the_wait_and_another_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = why_it_gives_up("exchange 7", 1000, signals=[[], [signal.SIGINT]])
    assert said == WAITING
    said = why_it_gives_up("exchange 7", 1000, signals=[[2], [2], [2], [2], [2, 2]])
    assert said == f"{WAITING} Interrupted while waiting for the other ranks. 2"
    monkeypatch.setattr(watchdog, "INTERRUPT_TIMEOUT", 0.02)
    said = why_it_gives_up("exchange 7", 1000, signals=[[], [signal.SIGTERM]])
    assert said is not None
    assert said.endswith("Interrupted while waiting for the other ranks. 15")


def test_an_interrupt_without_a_wait_is_left_to_the_program() -> None:
    for looks in (None, count().__next__):
        assert why_it_gives_up(looks, signals=[[2], [2, 2]]) is None


def test_another_thread_receives_signals_that_terminate_the_program() -> None:
    heard = SignalPipe()
    with FinishStep():
        os.kill(os.getpid(), signal.SIGINT)
        assert heard.all() == heard.all() == [signal.SIGINT]
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.all() == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, before)
    del heard
    assert signal.set_wakeup_fd(-1) == -1


def test_a_programs_own_signal_pipe_is_not_replaced() -> None:
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        try:
            heard = SignalPipe()
            with FinishStep():
                os.kill(os.getpid(), signal.SIGINT)
            assert heard.all() == []
            assert reader.recv(9) == bytes([signal.SIGINT])
            del heard
        finally:
            assert signal.set_wakeup_fd(-1) == writer.fileno()
