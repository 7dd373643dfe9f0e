"""Something made in a thread of its own, a little before it is wanted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")


def prefetch(
    items: Generator[T, None, None], most: float, size: Callable[[T], float] = lambda _: 1
) -> Generator[T, None, None]:
    """Yield what a generator yields, which a thread asks for in advance.

    The thread starts with the first item that is asked for here, and has ended when this
    generator is closed, dropped or at its end.

    Parameters
    ----------
    items : generator
        Used and closed by the thread alone. What it raises is raised here, in its turn.
    most : float
        How much may lie ready; one item may, whatever its size. One more may be in the making.
    size : callable, optional
        Returns how much an item is. Default: 1.
    """
    buffer: _Buffer[T] = _Buffer(most)
    # In a copy of the context, which holds NumPy's ways with overflows.
    work = copy_context().run, (_make, items, size, buffer)
    thread = threading.Thread(target=work[0], args=work[1], name="mnn_gpu prefetch", daemon=True)
    thread.start()
    try:
        yield from buffer.taken()
    finally:
        buffer.close()
        thread.join()


def _make(items: Generator[T, None, None], size: Callable[[T], float], buffer: _Buffer[T]) -> None:
    """Fill the buffer until there are no more items, or nobody wants them."""
    error: BaseException | None = None
    try:
        with closing(items):
            for item in items:
                if not buffer.put(item, size(item)):
                    break
    except BaseException as raised:
        error = raised
    buffer.end(error)


class _Buffer(Generic[T]):
    """Where one thread puts things and another takes them, in the same order.

    Parameters
    ----------
    most : float
        How much may lie there.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self.ready: deque[tuple[T, float]] = deque()
        self.lies = 0.0
        self.is_wanted = True
        self.is_over = False
        self.error: BaseException | None = None
        self.changed = threading.Condition()

    def put(self, item: T, size: float) -> bool:
        """Wait for room and put an item there; return whether anybody wants it."""

        def may_go_on() -> bool:
            return not self.is_wanted or not self.ready or self.lies + size <= self.most

        with self.changed:
            self.changed.wait_for(may_go_on)
            self.ready.append((item, size))
            self.lies += size
            self.changed.notify()
            return self.is_wanted

    def end(self, error: BaseException | None) -> None:
        """Say that nothing more comes, and why."""
        with self.changed:
            self.is_over, self.error = True, error
            self.changed.notify()

    def taken(self) -> Iterator[T]:
        """Yield the items as they come, and raise what ended them."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.ready or self.is_over)
                if not self.ready:
                    break
                item, size = self.ready.popleft()
                self.lies -= size
                self.changed.notify()
            yield item
            # The next one may take its memory.
            del item
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Say that nothing more is wanted."""
        with self.changed:
            self.is_wanted = False
            self.changed.notify()
