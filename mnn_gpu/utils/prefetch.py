"""Items of a generator, computed in advance in another thread."""

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
    """Yield the items of a generator, which a thread computes in advance.

    The thread starts when the first item is requested, and has ended when this generator
    is closed, garbage-collected or exhausted.

    Parameters
    ----------
    items : generator
        Used and closed by the thread only. Exceptions that it raises are raised here, in order.
    most : float
        Total size of the items in the buffer, at most. A single item may be larger. One more
        item may be under construction.
    size : callable, optional
        Returns the size of an item. Default: 1.
    """
    buffer: _Buffer[T] = _Buffer(most)
    # In a copy of the context, which holds NumPy's error state (`numpy.errstate`).
    work = copy_context().run, (_fill, items, size, buffer)
    thread = threading.Thread(target=work[0], args=work[1], name="mnn_gpu prefetch", daemon=True)
    thread.start()
    try:
        yield from buffer.items()
    finally:
        buffer.close()
        thread.join()


def _fill(items: Generator[T, None, None], size: Callable[[T], float], buffer: _Buffer[T]) -> None:
    """Fill the buffer until the items end or the consumer has closed it."""
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
    """A first-in, first-out buffer between two threads.

    Parameters
    ----------
    most : float
        Total size of the items, at most.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self.ready: deque[tuple[T, float]] = deque()
        self.size_held = 0.0
        self.is_open = True
        self.has_ended = False
        self.error: BaseException | None = None
        self.changed = threading.Condition()

    def put(self, item: T, size: float) -> bool:
        """Wait for space and add an item; return whether the consumer still needs items."""

        def has_space() -> bool:
            return not self.is_open or not self.ready or self.size_held + size <= self.most

        with self.changed:
            self.changed.wait_for(has_space)
            self.ready.append((item, size))
            self.size_held += size
            self.changed.notify()
            return self.is_open

    def end(self, error: BaseException | None) -> None:
        """Mark the end of the items, and the error that caused it, if any."""
        with self.changed:
            self.has_ended, self.error = True, error
            self.changed.notify()

    def items(self) -> Iterator[T]:
        """Yield the items as they become available, then raise the error, if any."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.ready or self.has_ended)
                if not self.ready:
                    break
                item, size = self.ready.popleft()
                self.size_held -= size
                self.changed.notify()
            yield item
            # Release its memory before the next item is taken.
            del item
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Signal that no more items are needed."""
        with self.changed:
            self.is_open = False
            self.changed.notify()
