"""Prefetching: all items, in order, with a bounded buffer, and no thread left running."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import count, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu.utils.prefetch import prefetch

NAME = "mnn_gpu prefetch"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    assert not threads()
    yield
    assert not threads()


class Made:
    """A generator of numbers that records how many it has yielded, and whether it was closed."""

    def __init__(self, numbers: Iterable[int], fault: BaseException | None = None) -> None:
        self.numbers = numbers
        self.fault = fault
        self.count = 0
        self.is_closed = False
        self.changed = threading.Condition()

    def items(self) -> Generator[int, None, None]:
        try:
            for number in self.numbers:
                with self.changed:
                    self.count += 1
                    self.changed.notify()
                yield number
            if self.fault is not None:
                raise self.fault
        finally:
            self.is_closed = True

    def wait_for(self, number: int) -> None:
        """Wait until ``number`` items were made."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.count >= number, 30)


@given(
    sizes=st.lists(st.integers(0, 9), max_size=30),
    most=st.integers(0, 20),
    stop=st.integers(0, 40),
)
@settings(deadline=None)
def test_items_are_yielded_in_order(sizes: list[int], most: int, stop: int) -> None:
    made = Made(sizes)
    with closing(prefetch(made.items(), most, float)) as items:
        assert list(islice(items, stop)) == sizes[:stop]
    assert made.is_closed or stop == 0


def test_items_are_computed_in_another_thread() -> None:
    def names() -> Generator[str, None, None]:
        yield threading.current_thread().name

    assert list(prefetch(names(), 1)) == [NAME]


def test_no_more_items_are_computed_than_the_buffer_holds() -> None:
    made = Made(count())
    with closing(prefetch(made.items(), 3)) as items:
        for taken in range(1, 6):
            next(items)
            # The buffer holds three, and one waits for space.
            made.wait_for(taken + 4)
            assert made.count == taken + 4


def test_an_item_larger_than_the_buffer_is_alone_in_it() -> None:
    made = Made([100, 1, 100, 1])
    with closing(prefetch(made.items(), 5, float)) as items:
        assert next(items) == 100
        made.wait_for(3)
        assert made.count == 3
        assert list(items) == [1, 100, 1]


@pytest.mark.parametrize("fault", [ValueError("spoilt"), MemoryError(), KeyboardInterrupt()])
def test_an_error_is_raised_after_the_items_before_it(fault: BaseException) -> None:
    made = Made([1, 2, 3], fault)
    items = prefetch(made.items(), 10)
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(type(fault)) as caught:
        next(items)
    assert caught.value is fault
    assert list(items) == []


def test_an_error_from_the_size_function_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(prefetch(Made([1, 0]).items(), 10, lambda number: 1 / number))


def test_the_thread_starts_with_the_first_request() -> None:
    made = Made([1])
    items = prefetch(made.items(), 1)
    assert not threads()
    items.close()
    assert made.count == 0


def test_closing_ends_a_thread_that_waits_for_space() -> None:
    made = Made(count())
    items = prefetch(made.items(), 2)
    next(items)
    made.wait_for(4)
    items.close()
    assert made.is_closed
    assert made.count == 4


def test_closing_waits_for_the_current_item() -> None:
    is_closing, made = threading.Event(), Made([])

    def slowly() -> Generator[int, None, None]:
        yield 1
        assert is_closing.wait(30)
        made.count = 2
        yield 2

    items = prefetch(slowly(), 10)
    next(items)
    threading.Timer(0.05, is_closing.set).start()
    items.close()
    assert made.count == 2


def test_garbage_collection_ends_the_thread() -> None:
    made = Made(count())
    items = prefetch(made.items(), 2)
    next(items)
    del items
    gc.collect()
    assert made.is_closed


def test_an_error_in_the_consumer_ends_the_thread() -> None:
    made = Made(count())

    def use() -> None:
        with closing(prefetch(made.items(), 2)) as items:
            for item in items:
                if item == 3:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert made.is_closed


def test_concurrent_generators_are_independent() -> None:
    with closing(prefetch(Made(count()).items(), 2)) as one:
        other = prefetch(Made(range(50)).items(), 2)
        assert list(zip(other, one, strict=False)) == [(i, i) for i in range(50)]


def test_the_thread_uses_the_consumer_s_error_state() -> None:
    def overflows() -> Generator[float, None, None]:
        yield float(np.float32(1e38) * np.float32(1e38))

    with np.errstate(over="ignore"):
        assert list(prefetch(overflows(), 1)) == [np.inf]
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        list(prefetch(overflows(), 1))
