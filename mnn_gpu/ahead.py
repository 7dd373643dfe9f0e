"""Something made in a thread of its own, a little before it is wanted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterates over what an iterator yields, which a thread asks for in advance.

    Parameters
    ----------
    items : iterator
        Used by the thread alone. What it raises is raised here, in its turn.
    most : float
        How much may lie ready; one item may, whatever its size.
    size : callable, optional
        Returns how much an item is. Default: 1.
    """

    def __init__(
        self, items: Iterator[T], most: float, size: Callable[[T], float] = lambda _: 1
    ) -> None:
        self.items = items
        self.most = most
        self.size = size
        self.ready: deque[tuple[T, float]] = deque()
        self.lies = 0.0
        self.error: BaseException | None = None
        self.over = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, name="mnn_gpu ahead", daemon=True)
        self.thread.start()

    def __iter__(self) -> Generator[T, None, None]:
        """Yield the items; the thread ends with the generator."""
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.ready or self.over)
                    if not self.ready:
                        break
                    item, size = self.ready.popleft()
                    self.lies -= size
                    self.changed.notify()
                yield item
            if self.error is not None:
                raise self.error
        finally:
            self.close()

    def close(self) -> None:
        """End the thread, after the item that it is making."""
        with self.changed:
            self.over = True
            self.changed.notify()
        self.thread.join()

    def _run(self) -> None:
        try:
            for item in self.items:
                size = self.size(item)
                with self.changed:
                    self.changed.wait_for(
                        lambda size=size: (
                            not self.ready  # type: ignore[misc]
                            or self.lies + size <= self.most
                            or self.over
                        )
                    )
                    if self.over:
                        return
                    self.ready.append((item, size))
                    self.lies += size
                    self.changed.notify()
        except BaseException as error:
            self.error = error
        finally:
            with self.changed:
                self.over = True
                self.changed.notify()
