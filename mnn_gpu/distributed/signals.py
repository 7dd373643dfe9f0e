"""Signals received while the main thread is in the MPI library, where no Python handler runs."""

from __future__ import annotations

import signal
import socket
import weakref
from contextlib import suppress

from mnn_gpu.utils.signals import SIGNALS, FinishStep, terminate


class SignalPipe:
    """Ctrl-C and SIGTERM for another thread, as numbers in a pipe (`signal.set_wakeup_fd`).

    The pipe is a pair of sockets, since Windows has no pipes that do not block.

    Receives none outside the main thread, or if the program already has such a pipe (as with
    asyncio). Signals that the program ignores or handles itself do not count.
    """

    def __init__(self) -> None:
        self.came: list[int] = []
        self.reader, writer = socket.socketpair()
        self.reader.setblocking(False)
        writer.setblocking(False)
        is_set = _wake(writer.fileno())
        weakref.finalize(self, _close, self.reader, writer, is_set)

    def all(self) -> list[int]:
        """Return the numbers of all signals received so far; may be called from any thread."""
        with suppress(BlockingIOError):
            came = self.reader.recv(1024)
            self.came += [number for number in came if number in SIGNALS and _ends(number)]
        return list(self.came)


def _ends(number: int) -> bool:
    """Return whether a signal terminates the program."""
    handler = signal.getsignal(number)
    ours = isinstance(getattr(handler, "__self__", None), FinishStep)
    return ours or handler in (signal.default_int_handler, terminate)


def _wake(descriptor: int) -> bool:
    """Have signals written to a pipe, unless there is one already; return whether they are."""
    try:
        before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    except ValueError:  # Not the main thread.
        return False
    if before != -1:
        signal.set_wakeup_fd(before)
    return before == -1


def _close(reader: socket.socket, writer: socket.socket, is_set: bool) -> None:
    """Close the pipe, unless signals are still written to it."""
    if is_set:
        try:
            now = signal.set_wakeup_fd(-1)
        except ValueError:  # Only the main thread may change it.
            reader.detach(), writer.detach()
            return
        if now not in (writer.fileno(), -1):
            signal.set_wakeup_fd(now)
    reader.close()
    writer.close()
