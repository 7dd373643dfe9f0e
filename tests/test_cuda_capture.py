"""A capture on CUDA: what it refuses, who else can end it, and what is known afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnn_gpu import select_backend
from mnn_gpu.backend.graphs import cuda_graphs
from mnn_gpu.backend.graphs.launches import Product
from mnn_gpu.backend.graphs.order import Turn
from tests.support.cuda_standin.control import IS_IN_FRONT, settings

pytestmark = pytest.mark.gpu
on_the_stand_in = pytest.mark.skipif(not IS_IN_FRONT, reason="a failure of the stand-in for CUDA")


@pytest.fixture
def gpu() -> Any:
    return select_backend("cuda")


@pytest.fixture
def graphs(gpu: Any) -> cuda_graphs.CudaGraphs:
    with gpu.active():
        return cuda_graphs.CudaGraphs(gpu.cupy)


def captured(graphs: cuda_graphs.CudaGraphs, *operations: Callable[[], object]) -> Any:
    with graphs.active():
        return graphs.captured(operations, [Turn(0, ())] * len(operations))


def elsewhere(work: Callable[[], object]) -> None:
    """Do something in another thread, whatever it raises."""

    def suppressed() -> None:
        with pytest.raises(RuntimeError):
            work()

    thread = threading.Thread(target=suppressed)
    thread.start()
    thread.join()


def test_memory_that_is_asked_for_within_a_capture_is_refused(gpu: Any, graphs: Any) -> None:
    x = gpu.asarray(np.ones(3))

    def double() -> None:
        gpu.cupy.multiply(x, 2, out=x)

    double()
    with pytest.raises(RuntimeError, match="512 bytes are asked for within a capture"):
        captured(graphs, lambda: gpu.cupy.empty(512, np.uint8))
    # The next capture is none the worse for it.
    launch = captured(graphs, double)
    np.testing.assert_array_equal(gpu.to_numpy(x), 2)
    with graphs.active():
        launch()
    np.testing.assert_array_equal(gpu.to_numpy(x), 4)


def test_a_capture_that_another_thread_ends_is_none(gpu: Any, graphs: Any) -> None:
    assert captured(graphs, lambda: elsewhere(gpu.cupy.cuda.Device(0).synchronize)) is None


def test_so_is_one_of_which_cublas_only_says_that_it_failed(gpu: Any, graphs: Any) -> None:
    A, C = (gpu.asarray(np.ones((3, 3))) for _ in range(2))
    multiply = graphs.launcher(Product())

    def ended_then_multiplied() -> None:
        elsewhere(gpu.cupy.cuda.Device(0).synchronize)
        multiply([A, A], [C])

    assert captured(graphs, ended_then_multiplied) is None


@on_the_stand_in
def test_what_cublas_refuses_by_itself_is_no_such_end(gpu: Any, graphs: Any) -> None:
    A, C = (gpu.asarray(np.ones((3, 3))) for _ in range(2))
    multiply = graphs.launcher(Product())
    with settings(fail_product=15), pytest.raises(RuntimeError, match="NOT_SUPPORTED"):
        captured(graphs, lambda: multiply([A, A], [C]))
