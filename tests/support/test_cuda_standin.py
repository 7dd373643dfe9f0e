"""The stand-in for CUDA: it detects the faults it is meant for, and runs correct programs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mnn_gpu import select_backend
from tests.support.cuda_standin.control import IS_IN_FRONT, get, run, settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not IS_IN_FRONT, reason="requires scripts/test --cuda-standin"),
]

ROTATED = """extern "C" __global__ void rotated(const float* x, float* y) {{
    extern __shared__ float held[];
    held[threadIdx.x] = x[threadIdx.x];
    {synchronize}
    y[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];
}}"""


@pytest.fixture
def cupy() -> Iterator[Any]:
    yield select_backend("cuda").cupy  # type: ignore[attr-defined]
    with settings():  # no error is left to the next test
        pass


def rotated(cupy: Any, synchronize: str) -> Any:
    kernel = cupy.RawKernel(ROTATED.format(synchronize=synchronize), "rotated")
    x = cupy.arange(128, dtype=np.float32)
    y = cupy.empty_like(x)
    kernel((1,), (128,), (x, y), shared_mem=512)
    return y.get()


def test_threads_of_a_block_share_memory_and_synchronize(cupy: Any) -> None:
    np.testing.assert_array_equal(rotated(cupy, "__syncthreads();"), np.roll(np.arange(128), -1))


def test_a_missing_barrier_is_detected(cupy: Any) -> None:
    assert not np.array_equal(rotated(cupy, ""), np.roll(np.arange(128), -1))


def test_a_barrier_reached_by_half_of_the_threads_is_a_failure(cupy: Any) -> None:
    with pytest.raises(RuntimeError, match="LaunchFailure"):
        rotated(cupy, "if (threadIdx.x < 64) __syncthreads(); else __syncwarp(1);")


def test_shuffles_read_from_their_warp(cupy: Any) -> None:
    kernel = cupy.RawKernel(
        """extern "C" __global__ void sums(float* x) {
            float sum = x[threadIdx.x];
            for (int by = 16; by; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
            x[threadIdx.x] = sum + __shfl_down_sync(~0u, sum, 1) + __shfl_sync(~0u, sum, 0);
        }""",
        "sums",
    )
    x = cupy.arange(64, dtype=np.float32)
    kernel((1,), (64,), (x,))
    np.testing.assert_array_equal(x.get(), 3 * np.repeat([496.0, 1520.0], 32))


@pytest.mark.parametrize("at", [-2000, 3000])
def test_an_access_out_of_bounds_is_an_illegal_address_from_then_on(cupy: Any, at: int) -> None:
    kernel = cupy.RawKernel(
        'extern "C" __global__ void read(const float* x, float* y, int at) { y[0] = x[at]; }',
        "read",
    )
    pool = cupy.cuda.MemoryPool()
    with settings(), cupy.cuda.using_allocator(pool.malloc):
        x, y = cupy.zeros(1024, np.float32), cupy.zeros(1, np.float32)
        with pytest.raises(RuntimeError, match="IllegalAddress"):
            kernel((1,), (1,), (x, y, np.int32(at)))
        for call in (cupy.cuda.Device().synchronize, lambda: cupy.zeros(77_777)):
            with pytest.raises(RuntimeError, match="IllegalAddress"):
                call()


def test_copies_and_products_check_their_bounds(cupy: Any) -> None:
    runtime = cupy.cuda.runtime
    place = runtime.malloc(512)
    host = np.zeros(256, np.float32)
    with pytest.raises(RuntimeError, match="InvalidValue"):
        runtime.memcpy(place, host.ctypes.data, host.nbytes, runtime.memcpyHostToDevice)
    runtime.free(place)


def chain(cupy: Any, *, waits: bool) -> list[float]:
    """Double on one stream what another one has incremented, in a graph that runs 30 times."""
    one, two = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    x = cupy.zeros(1, np.float32)
    results = []
    with one:
        one.begin_capture()
        two.wait_event(one.record())
        x += 1
        if waits:
            two.wait_event(one.record())
        with two:
            x *= 2
        one.wait_event(two.record())
        graph = one.end_capture()
        for _ in range(30):
            x.fill(3)
            graph.launch(one)
            results.append(float(x[0]))
    return results


def test_graphs_run_in_the_order_of_their_dependencies(cupy: Any) -> None:
    assert set(chain(cupy, waits=True)) == {8.0}


def test_a_missing_dependency_is_detected(cupy: Any) -> None:
    assert set(chain(cupy, waits=False)) == {7.0, 8.0}


def test_unjoined_work_ends_a_capture(cupy: Any) -> None:
    one, two = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    x = cupy.zeros(1)
    one.begin_capture()
    two.wait_event(one.record())
    with two:
        x += 1
    with pytest.raises(RuntimeError, match="StreamCaptureUnjoined"):
        one.end_capture()


def test_a_thread_that_synchronizes_the_device_ends_a_capture(cupy: Any) -> None:
    stream, said = cupy.cuda.Stream(non_blocking=True), []

    def disturb() -> None:
        try:
            cupy.cuda.Device().synchronize()
        except RuntimeError as error:
            said.append(str(error))

    stream.begin_capture()
    thread = threading.Thread(target=disturb)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()
    assert "StreamCaptureUnsupported" in said[0]


def test_memory_is_limited_and_can_be_freed(cupy: Any) -> None:
    cupy.get_default_memory_pool().free_all_blocks()
    with settings(memory=1 << 30):
        with pytest.raises(MemoryError):
            cupy.empty((1 << 30) + 512, np.uint8)
        free, total = cupy.cuda.runtime.memGetInfo()
        assert total == 1 << 30
        place = cupy.cuda.runtime.malloc(1 << 20)
        assert cupy.cuda.runtime.memGetInfo()[0] == free - (1 << 20)
        cupy.cuda.runtime.free(place)
        assert cupy.cuda.runtime.memGetInfo()[0] == free


ON_TWO_DEVICES = """
import cupy
x = cupy.ones(5, "float32")
kernel = cupy.RawKernel('extern "C" __global__ void f(float* y, float* x) { *y = *x; }', "f")
with cupy.cuda.Device(1):
    y = cupy.ones(5, "float32")
    print(float((y + 1)[0]))
    """


def test_each_device_has_its_memory_and_streams() -> None:
    said = run(
        sys.executable, "-c", ON_TWO_DEVICES + "kernel((1,), (1,), (y, x.data.ptr))", devices=2
    ).stdout
    assert said.startswith("2.0")
    assert "IllegalAddress" in said
    said = run(
        sys.executable, "-c", ON_TWO_DEVICES + "print(float(cupy.asarray(x)[2]))", devices=2
    ).stdout
    assert said == "2.0\n1.0\n"


def test_a_forked_child_is_refused(cupy: Any) -> None:
    cupy.ones(2)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            cupy.cuda.runtime.deviceSynchronize()
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"InitializationError" in os.read(reader, 200)


def test_source_that_does_not_compile_is_reported(cupy: Any) -> None:
    with pytest.raises(cupy.cuda.compiler.CompileException, match="colour"):
        cupy.RawKernel('extern "C" __global__ void f() { colour; }', "f").compile()


def test_live_objects_are_counted(cupy: Any) -> None:
    before = get("streams")
    streams = [cupy.cuda.Stream() for _ in range(3)]
    assert get("streams") == before + 3
    del streams
    assert get("streams") == before
