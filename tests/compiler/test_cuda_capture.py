"""Capture on CUDA: unsupported operations, captures ended from outside, and cleanup."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace

from mnn_gpu import TrainingWarning, select_backend
from mnn_gpu.backends import Backend
from mnn_gpu.compiler.cuda_graphs import cuda_graphs, memory_plan, program
from mnn_gpu.compiler.cuda_graphs.compile import CapturedStep
from mnn_gpu.compiler.cuda_graphs.cublas import Cublas
from mnn_gpu.compiler.cuda_graphs.kernels import Product
from mnn_gpu.compiler.cuda_graphs.scheduling import ScheduleEntry
from tests.compiler.test_compile import STEPS
from tests.compiler.test_cuda_graphs import WITHOUT_KERNEL, Batches, added, twice
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
        return graphs.captured(operations, [ScheduleEntry(0, ())] * len(operations))


def elsewhere(work: Callable[[], object]) -> None:
    """Run something in another thread, whatever it raises."""

    def suppressed() -> None:
        with pytest.raises(RuntimeError):
            work()

    thread = threading.Thread(target=suppressed)
    thread.start()
    thread.join()


def test_allocations_during_a_capture_are_refused(gpu: Any, graphs: Any) -> None:
    x = gpu.asarray(np.ones(3))

    def double() -> None:
        gpu.cupy.multiply(x, 2, out=x)

    double()
    with pytest.raises(RuntimeError, match="512 bytes were requested during a capture"):
        captured(graphs, lambda: gpu.cupy.empty(512, np.uint8))
    # The next capture is not affected.
    launch = captured(graphs, double)
    np.testing.assert_array_equal(gpu.to_numpy(x), 2)
    with graphs.active():
        launch()
    np.testing.assert_array_equal(gpu.to_numpy(x), 4)


def test_a_capture_that_another_thread_ends_returns_none(gpu: Any, graphs: Any) -> None:
    assert captured(graphs, lambda: elsewhere(gpu.cupy.cuda.Device(0).synchronize)) is None


def test_also_if_cublas_only_reports_a_general_failure(gpu: Any, graphs: Any) -> None:
    A, C = (gpu.asarray(np.ones((3, 3))) for _ in range(2))
    multiply = graphs.launcher(Product())

    def ended_then_multiplied() -> None:
        elsewhere(gpu.cupy.cuda.Device(0).synchronize)
        multiply([A, A], [C])()

    assert captured(graphs, ended_then_multiplied) is None


@on_the_stand_in
def test_an_error_of_cublas_itself_is_raised(gpu: Any, graphs: Any) -> None:
    A, C = (gpu.asarray(np.ones((3, 3))) for _ in range(2))
    multiply = graphs.launcher(Product())
    with settings(fail_product=15), pytest.raises(RuntimeError, match="NOT_SUPPORTED"):
        captured(graphs, lambda: multiply([A, A], [C])())


def test_a_matrix_with_gaps_in_rows_and_columns_is_refused(gpu: Any, graphs: Any) -> None:
    A, C = gpu.asarray(np.ones((6, 6)))[::2, ::2], gpu.asarray(np.ones((3, 3)))
    with gpu.active(), pytest.raises(NotImplementedError, match="strides"):
        Cublas.current(gpu.cupy).product(A, A, C)


# ---- compiled steps --------------------------------------------------------------------


def compiled(gpu: Any, graphs: Any, step: Any) -> CapturedStep:
    return CapturedStep(step, (), Backend.compile(gpu, step, ()), graphs)


def assert_as_plain(gpu: Any, run: CapturedStep, step: Any, *state: Any) -> None:
    """Run twice, so that the step is captured if possible."""
    x = np.random.default_rng(0).random((2, *state[0].shape))
    batches = Batches(gpu.asarray(x))
    one = other = tuple(map(gpu.asarray, state))
    plain = Backend.compile(gpu, step, ())
    for _ in range(2):
        one, other = run(one, batches), plain(other, batches)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(gpu.to_numpy(a), gpu.to_numpy(b), rtol=1e-9)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.filterwarnings("ignore:The step cannot be captured.*negative strides")
def test_the_state_is_updated_in_place_only_where_that_is_safe(
    gpu: Any, graphs: Any, name: str
) -> None:
    def step(data: Any, state: Any, batch: Any) -> Any:
        return chosen(data, state, batch[:1])

    chosen: Any = STEPS[name]
    assert_as_plain(gpu, compiled(gpu, graphs, step), step, np.eye(4), np.full((4, 4), 0.25))


def of_two_dtypes(_: Any, state: Any, batch: Any) -> Any:
    xp = array_namespace(batch.x)
    return (state[0] + xp.astype(batch.x, xp.float32) @ state[0],)


def of_columns(_: Any, state: Any, batch: Any) -> Any:
    xp = array_namespace(batch.x)
    return (xp.take(state[0] + batch.x, xp.astype(batch.x[0, :], xp.int64), axis=1),)


def of_a_transposed_constant(_: Any, state: Any, batch: Any) -> Any:
    return (state[0] + array_namespace(batch.x).ones_like(batch.x.T),)


OF_MATRICES = [
    (of_two_dtypes, "a product of operands of different dtypes"),
    (of_columns, "rows can only be taken from row-major arrays"),
    (of_a_transposed_constant, "a constant that is not row-major"),
]


@pytest.mark.parametrize(
    ("step", "reason", "state"),
    [
        *((*case, np.zeros(2)) for case in WITHOUT_KERNEL),
        *((*case, np.eye(4)) for case in OF_MATRICES),
        (added, "changes the form of its state", np.zeros(2, np.float32)),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_operations_without_a_kernel_run_uncompiled(
    gpu: Any, graphs: Any, step: Any, reason: str, state: Any
) -> None:
    with pytest.warns(TrainingWarning, match=reason):
        assert_as_plain(gpu, compiled(gpu, graphs, step), step, state)


def test_shared_buffers_are_read_before_they_are_overwritten(
    gpu: Any, graphs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        # Too large for one `Columns` kernel: five products, each read by the next.
        x = batch.x
        for _ in range(5):
            x = x @ state[0]
        return (state[0] * 0.5 + x / 1e6,)

    monkeypatch.setattr(memory_plan, "MOST_UNSHARED", 0)
    run = compiled(gpu, graphs, step)
    assert_as_plain(gpu, run, step, np.eye(100))
    (made,) = run.programs.values()
    assert len(made.buffers) < 6


def test_a_sum_of_another_dtype_is_converted(gpu: Any, graphs: Any) -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        xp = array_namespace(batch.x)
        return state[0] + batch.x, state[1] + xp.sum(xp.astype(batch.x > 0.5, xp.int32))

    assert_as_plain(gpu, compiled(gpu, graphs, step), step, np.zeros((3, 50)), np.int64(0))


def test_results_without_a_common_shape_are_two_kernels(gpu: Any, graphs: Any) -> None:
    """Each is of a transposed matrix, which cannot be reshaped without a copy."""

    def step(_: Any, state: Any, batch: Any) -> Any:
        xp = array_namespace(batch.x)
        tall, wide = batch.x[:3, :4].T * 2, batch.x[:6, :2].T * 3
        total = xp.reshape(tall, (12,)) + xp.reshape(wide, (12,))
        return (state[0] * 0.5 + total[:6],)

    assert_as_plain(gpu, compiled(gpu, graphs, step), step, np.eye(6))


def test_a_program_too_long_for_a_graph_runs_uncompiled_without_a_warning(
    gpu: Any, graphs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST_CALLS", 1)
    assert_as_plain(gpu, compiled(gpu, graphs, twice), twice, np.eye(2), np.eye(2))


@on_the_stand_in
@pytest.mark.parametrize("failure", [{"fail_product": 3}, {"fail_instantiate": 1}])
def test_out_of_memory_a_step_runs_uncompiled_from_its_previous_state(
    gpu: Any, graphs: Any, failure: dict[str, int]
) -> None:
    run = compiled(gpu, graphs, twice)
    with settings(**failure), pytest.warns(TrainingWarning, match="cannot be captured"):
        assert_as_plain(gpu, run, twice, np.eye(100), np.eye(100))


@on_the_stand_in
def test_after_an_error_that_loses_the_gpu_nothing_runs_uncompiled(gpu: Any, graphs: Any) -> None:
    def plain(state: Any, batches: Any) -> Any:
        raise AssertionError("runs uncompiled")

    run = CapturedStep(added, (), plain, graphs)
    state, batches = (gpu.asarray(np.zeros(3)),), Batches(gpu.asarray(np.ones((1, 3))))
    with settings(fail_launch=1), pytest.raises(RuntimeError, match="LaunchFailure"):
        run(state, batches)


def test_a_state_of_another_shape_is_refused(gpu: Any, graphs: Any) -> None:
    run, batches = compiled(gpu, graphs, added), Batches(gpu.asarray(np.ones((1, 3))))
    run((gpu.asarray(np.zeros(3)),), batches)
    with pytest.raises(ValueError, match="another shape or dtype"):
        run((gpu.asarray(np.zeros((3, 1))),), batches)


def test_a_backend_that_waits_in_another_thread_ends_no_capture(gpu: Any, graphs: Any) -> None:
    def wait() -> None:
        thread = threading.Thread(target=gpu.synchronize)
        thread.start()
        thread.join()

    assert captured(graphs, wait) is not None


def test_no_garbage_is_collected_during_a_capture(gpu: Any, graphs: Any) -> None:
    """Freeing device memory, for example by the garbage collector, would end a capture."""
    with gpu.active():
        memory = [gpu.cupy.cuda.Memory(512)]

    def leave_garbage() -> None:
        cycle: list[Any] = [memory.pop()]
        cycle.append(cycle)
        del cycle
        _ = [[] for _ in range(2000)]

    before = gc.get_threshold()
    gc.set_threshold(10, 1, 1)
    try:
        assert captured(graphs, leave_garbage) is not None
    finally:
        gc.set_threshold(*before)
