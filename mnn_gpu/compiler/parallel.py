"""Running independent operations on several threads; NumPy releases the GIL.

The calling thread runs whatever no other thread has begun. So it never waits for a thread that
gets no processor, as on a computer that is busy with other programs: OpenBLAS's own threads
wait for each other in every matrix product.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cache
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias

Task: TypeAlias = Callable[[], object]


class ParallelTasks:
    """Independent tasks, to be run by the calling thread and up to ``threads - 1`` others."""

    def __init__(self, tasks: Sequence[Task], threads: int) -> None:
        self.tasks = tasks
        self.others = min(threads, len(tasks)) - 1

    def __call__(self) -> None:
        """Run all tasks.

        Raises
        ------
        BaseException
            What a task raised, after the tasks that had begun are done.
        """
        if self.others < 1:
            for task in self.tasks:
                task()
            return
        job = _Job(self.tasks)
        for thread in _pool_threads(self.others):
            thread.offer(job)
        job.run()


class _Job:
    """The tasks of one call: each is taken by one thread."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.count = len(tasks)
        self.left = deque(tasks)
        self.finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(self) -> None:
        """Run the tasks that no other thread takes; wait for those that others have taken."""
        own = 0
        try:
            while (task := self._take()) is not None:
                own += 1
                task()
        finally:
            while self._take() is not None:
                own += 1
            errors = [self.finished.get() for _ in range(self.count - own)]
        for error in errors:
            if error is not None:
                raise error

    def help(self) -> None:
        """Run tasks in another thread until none is left."""
        while (task := self._take()) is not None:
            error: BaseException | None = None
            try:
                task()
            except BaseException as raised:
                error = raised
            self.finished.put(error)

    def _take(self) -> Task | None:
        try:
            return self.left.popleft()
        except IndexError:
            return None


class _PoolThread:
    """A thread that sleeps until it is offered a job."""

    def __init__(self) -> None:
        self.offered: tuple[_Job, Context] | None = None
        self.wake = Lock()
        self.wake.acquire()
        Thread(target=self._serve, name="mnn_gpu compute", daemon=True).start()

    def offer(self, job: _Job) -> None:
        """Wake the thread for a job, which replaces one that it has not begun."""
        # The context holds NumPy's error handling for overflows.
        self.offered = job, copy_context()
        with suppress(RuntimeError):  # It has been woken already.
            self.wake.release()

    def _serve(self) -> None:
        while True:
            self.wake.acquire()
            offered, self.offered = self.offered, None
            if offered is not None:
                job, context = offered
                context.run(job.help)
                # While it sleeps, it must not keep the memory of a program alive.
                del job, context
            del offered


def _pool_threads(count: int) -> list[_PoolThread]:
    """Return this number of threads, or fewer if the system starts no more."""
    pool = _pool(os.getpid())
    with suppress(RuntimeError):
        while len(pool) < count:
            pool.append(_PoolThread())
    return pool[:count]


@cache
def _pool(_process: int) -> list[_PoolThread]:
    """Return the threads of this process; a forked child does not inherit its parent's."""
    return []
