"""Independent tasks on several threads, and large products in pieces."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from collections.abc import Callable
from functools import partial
from threading import Event, Thread, get_ident
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import TrainingConfig, train
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.compiler import large_matmul, parallel
from mnn_gpu.compiler.large_matmul import in_pieces
from mnn_gpu.compiler.parallel import ParallelTasks
from mnn_gpu.compiler.replay import Replay
from mnn_gpu.utils.blas import single_threaded
from tests.compiler.test_compile import threads_of_products


@given(count=st.integers(0, 40), threads=st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_every_task_runs_once_whatever_the_number_of_threads(count: int, threads: int) -> None:
    seen: list[int] = []
    tasks = ParallelTasks([partial(seen.append, i) for i in range(count)], threads)
    for _ in range(3):
        seen.clear()
        tasks()
        assert sorted(seen) == list(range(count))


def test_all_tasks_are_done_when_the_call_returns() -> None:
    source, results = np.arange(20_000.0), np.zeros((4, 20_000))
    tasks = ParallelTasks([partial(np.sqrt, source, row) for row in results], 4)
    for _ in range(500):
        results[:] = -1
        tasks()
        assert results.min() == 0


def test_other_threads_run_tasks() -> None:
    both = Event(), Event()

    def meet(mine: Event, other: Event) -> None:
        mine.set()
        assert other.wait(20)

    ParallelTasks([partial(meet, *both), partial(meet, *both[::-1])], 2)()


def test_the_caller_runs_what_a_thread_without_a_processor_has_not_begun() -> None:
    release, begun = Event(), Event()

    def occupy() -> None:
        begun.set()
        assert release.wait(20)

    # Every thread of the pool is occupied by another caller's tasks.
    threads = len(parallel._pool(os.getpid())) + 2
    other = Thread(target=ParallelTasks([occupy] * threads, threads))
    other.start()
    assert begun.wait(20)
    seen: list[int] = []
    ParallelTasks([lambda: seen.append(get_ident())] * 3, threads)()
    release.set()
    other.join()
    assert len(seen) == 3


def test_tasks_may_contain_parallel_tasks() -> None:
    seen: list[int] = []
    inner = ParallelTasks([partial(seen.append, i) for i in range(3)], 3)
    ParallelTasks([inner, inner, inner], 3)()
    assert sorted(seen) == sorted([*range(3)] * 3)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failure_is_raised_after_the_tasks_that_had_begun(failing: int) -> None:
    running: list[int] = []

    def slow() -> None:
        running.append(1)
        time.sleep(0.02)
        running.pop()

    def fail() -> None:
        raise ZeroDivisionError

    tasks: list[Callable[[], None]] = [slow] * 3
    tasks[failing] = fail
    with pytest.raises(ZeroDivisionError):
        ParallelTasks(tasks, 3)()
    assert not running
    ParallelTasks([slow] * 3, 3)()


def test_an_overflow_in_another_thread_is_as_silent_as_in_the_caller() -> None:
    both = Event(), Event()

    def overflow(mine: Event, other: Event) -> None:
        mine.set()
        assert other.wait(20)
        np.exp(np.float32(1000))

    def tasks() -> None:
        for event in both:
            event.clear()
        ParallelTasks([partial(overflow, *both), partial(overflow, *both[::-1])], 2)()

    with np.errstate(all="ignore"):
        tasks()
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        tasks()


def test_without_further_threads_the_caller_runs_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_pool", lambda _: [])
    monkeypatch.setattr(Thread, "start", refuse)
    seen: list[int] = []
    ParallelTasks([partial(seen.append, i) for i in range(4)], 3)()
    assert seen == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tasks_run_in_a_forked_process() -> None:
    seen: list[int] = []
    tasks = ParallelTasks([lambda: seen.append(1), lambda: seen.append(2)], 2)
    tasks()
    child = os.fork()
    if child == 0:
        tasks()
        os._exit(len(seen))
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended[0] == child
    assert os.waitstatus_to_exitcode(ended[1]) == 4


def test_threads_keep_no_task_alive() -> None:
    class Memory:
        def use(self) -> None:
            pass

    memory = Memory()
    gone = weakref.ref(memory)
    gc.disable()
    try:
        ParallelTasks([memory.use] * 3, 3)()
        del memory
        deadline = time.monotonic() + 20
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.001)  # A thread may only now find that nothing is left.
        assert gone() is None
    finally:
        gc.enable()


# ---- large products ----------------------------------------------------------------------


@given(
    rows=st.integers(1, 100),
    inner=st.integers(1, 40),
    columns=st.integers(1, 40),
    orders=st.tuples(st.sampled_from("CF"), st.sampled_from("CF")),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(deadline=None, max_examples=60)
def test_a_product_in_pieces_is_the_product(
    rows: int, inner: int, columns: int, orders: tuple[str, str], dtype: str
) -> None:
    rng = np.random.default_rng(rows)
    A = np.asarray(rng.integers(-9, 9, (rows, inner)), dtype, orders[0])  # type: ignore[call-overload]
    B = np.asarray(rng.integers(-9, 9, (inner, columns)), dtype, orders[1])  # type: ignore[call-overload]
    out = np.empty((rows, columns), dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_matmul, "LARGE", 1000)
        in_pieces(partial(np.dot, A, B, out), 3)()
    np.testing.assert_array_equal(out, A @ B)


def products(shape: tuple[int, int, int], threads: int) -> Any:
    """Return the product of a compiled step."""
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    A, B = rng.random((rows, inner), np.float32), rng.random((inner, columns), np.float32)
    run = Replay(lambda _, state, batch: (state[0] * 0 + batch[0] @ batch[1],), (), threads)
    start = np.zeros((rows, columns), np.float32)
    return run((start,), (A[None], B[None]))[0]


@pytest.mark.parametrize("shape", [(100, 784, 300), (784, 128, 200), (33, 900, 800)])
def test_large_products_have_the_same_bits_with_any_number_of_threads(
    shape: tuple[int, int, int],
) -> None:
    expected = products(shape, 1)
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(products(shape, threads), expected)


def test_a_run_has_the_same_bits_with_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((256, 784), np.float32), rng.integers(0, 10, 256)
    config = TrainingConfig(hidden=(128, 64), batch_size=128, iterations=6, optimizer="adam")
    thetas = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(
            "mnn_gpu.backends.numpy_backend.thread_count", lambda _, threads=threads: threads
        )
        thetas.append(train(X, y, config, backend=NumpyBackend())[0].theta)
    for theta in thetas[1:]:
        np.testing.assert_array_equal(theta, thetas[0])


def test_a_step_with_large_products_uses_one_blas_thread_and_restores_the_number() -> None:
    before = threads_of_products()
    seen = []

    def step(_: Any, state: Any, batch: Any) -> Any:
        return (state[0] + batch[0] @ batch[0],)

    run = Replay(step, (), 2)
    square = np.ones((2, 100, 100))
    run((np.zeros((100, 100)),), (square,))
    (_, program) = next(iter(run.programs.values()))
    program.operations.append(lambda: seen.append(threads_of_products()))
    run((np.zeros((100, 100)),), (square,))
    assert seen == [1, 1]
    assert threads_of_products() == before


def test_an_interrupted_step_restores_the_number_of_blas_threads() -> None:
    before = threads_of_products()
    with pytest.raises(KeyboardInterrupt), single_threaded():
        raise KeyboardInterrupt
    assert threads_of_products() == before
