"""A captured step equals the plain step, with fewer kernels, some of them concurrent.

Without a GPU, a stand-in runs the same kernels with NumPy and executes the streams in random
order (`replay_device.py`). The CUDA kernels themselves are only tested on machines with a GPU.
"""

from __future__ import annotations

import gc
import math
import random
import threading
import tracemalloc
from collections import Counter, namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import RECIPES, TrainingConfig, TrainingWarning, select_backend, train
from mnn_gpu.backends import Backend
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.compiler.cuda_graphs import cuda_graphs, cuda_source, modules, small_matmul_kernels
from mnn_gpu.compiler.cuda_graphs.column_fusion import MOST_WORK
from mnn_gpu.compiler.cuda_graphs.column_kernels import column_kernel
from mnn_gpu.compiler.cuda_graphs.compile import CapturedStep
from mnn_gpu.compiler.cuda_graphs.expressions import Expression, Input, Number, Operation
from mnn_gpu.compiler.cuda_graphs.kernels import (
    ColumnProduct,
    ColumnReduction,
    Columns,
    Product,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.memory_plan import MOST_UNSHARED
from mnn_gpu.compiler.cuda_graphs.program import Program
from mnn_gpu.compiler.cuda_graphs.scheduling import Access, ScheduleEntry, dependencies, schedule
from mnn_gpu.compiler.cuda_graphs.uncaptured import UncapturedStep
from mnn_gpu.compiler.pytrees import leaves, tree_map
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.nn.matmul_precision import SIGNIFICANT_BITS
from mnn_gpu.step.batch import StepData
from mnn_gpu.step.sharding import BatchSharding
from tests.compiler.test_compile import EVERYTHING, ROWS, problem
from tests.support.cuda_standin.control import IS_IN_FRONT, get
from tests.support.replay_device import GpuLostError, ReplayDevice, any_order

Batches = namedtuple("Batches", "x")


def captured(step: Any, data: Any, device: ReplayDevice, *allgather: Any) -> CapturedStep:
    plain = Backend.compile(NumpyBackend(), step, data)
    return CapturedStep(step, data, plain, device, *allgather)


def both(
    config: TrainingConfig, device: ReplayDevice, backend: NumpyBackend | None = None
) -> tuple[Any, Any]:
    """Return the last state of a run, uncompiled and captured."""
    backend = backend or NumpyBackend()
    step, data, state, batches = problem(backend, config)
    plain, run = Backend.compile(backend, step, data), captured(step, data, device)
    one, other = state, state
    for batch in batches:
        one, other = plain(one, batch), run(other, batch)
    return one, other


def assert_same(one: Any, other: Any) -> None:
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def program_of(config: TrainingConfig, sharding: BatchSharding | None = None) -> Program:
    """Return the program of a run's step."""
    step, data, state, batches = problem(NumpyBackend(), config, sharding)
    first = tree_map(lambda stack: stack[0, ...], batches[0])
    return Program(step, data, tree_map(np.array, state), first, ReplayDevice())


# ---- the plain step --------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 8, 25])
@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
def test_a_captured_step_equals_the_plain_step(
    batch_size: int | None, shard_rows: int | None, optimizer: str, more: dict[str, Any]
) -> None:
    config = TrainingConfig(
        hidden=(6, 5),
        optimizer=optimizer,
        batch_size=batch_size,
        shard_rows=shard_rows,
        epochs=3,
        learning_rate=0.01,
        **more,
    )
    device = ReplayDevice()
    assert_same(*both(config, device))
    assert device.runs > 0


class TensorCores(NumpyBackend):
    """Leaves the rounding of products to the device when a step is traced."""

    def low_precision_matmul(self, A: Any, B: Any, bits: int) -> Any:
        xp = array_namespace(A)
        if isinstance(xp, Tape):
            return xp.low_precision_matmul(A, B, bits)
        return super().low_precision_matmul(A, B, bits)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("backend", [NumpyBackend(), TensorCores()], ids=["kernels", "products"])
def test_products_have_the_precision_of_the_plain_step(
    precision: Any, backend: NumpyBackend
) -> None:
    config = TrainingConfig(
        hidden=(6, 5), batch_size=8, epochs=5, optimizer="adam", matmul_precision=precision
    )
    device = ReplayDevice()
    assert_same(*both(config, device, backend))
    bits = {spec.bits for spec in device.launched if isinstance(spec, Product)}
    assert bits == ({SIGNIFICANT_BITS[precision]} if type(backend) is TensorCores else {None})


@pytest.mark.parametrize("name", RECIPES)
def test_all_kernels_of_every_recipe_have_a_source(name: str) -> None:
    program = program_of(replace(RECIPES[name].config, hidden=(6, 5), batch_size=10))
    for kernel in program.memory_plan.kernels:
        spec = kernel.spec.expression if isinstance(kernel.spec, Reduction) else kernel.spec
        if isinstance(spec, Expression):
            lines = cuda_source.statements(spec).splitlines()
            assert len(lines) == len(spec.operations)


def test_long_sums_are_two_kernels() -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        xp = batch.x.__array_namespace__()
        total = xp.sum(batch.x * 2, axis=1)
        return (state[0] + total, state[1] + xp.sum(xp.astype(batch.x > 0.5, xp.int32)))

    rng = np.random.default_rng(0)
    batches = Batches(rng.random((1, 3, 6000)))
    device = ReplayDevice()
    sums, count = captured(step, (), device)((np.zeros(3), np.int64(0)), batches)
    np.testing.assert_allclose(sums, 2 * batches.x[0].sum(axis=1))
    assert count == (batches.x > 0.5).sum()
    reductions = [spec for spec in device.launched if isinstance(spec, Reduction)]
    assert len(reductions) == 4
    with_a_prime = Batches(rng.random((1, 3, 6007)))
    captured(step, (), ReplayDevice())((np.zeros(3), np.int64(0)), with_a_prime)


# ---- few kernels, few buffers ----------------------------------------------------------


def test_a_step_has_few_kernels() -> None:
    config = TrainingConfig(hidden=(6, 5), optimizer="adam", batch_size=8)
    kinds = Counter(type(kernel.spec) for kernel in program_of(config).memory_plan.kernels)
    # The batch; Adam; the metrics. The gradients of the weights. Sums: three gradients of
    # biases, the loss, the correct predictions. All the rest are `Columns` kernels.
    assert kinds == {Expression: 3, Product: 3, Reduction: 5, Columns: 1}


@pytest.mark.parametrize("hidden", [(32,) * 8, (64,) * 4, (10,) * 30, (64, 10) * 4])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_a_deep_network_is_several_kernels_of_bounded_size(
    hidden: tuple[int, ...], batch_size: int | None
) -> None:
    config = TrainingConfig(hidden=hidden, batch_size=batch_size, optimizer="adam")
    kernels = [kernel.spec for kernel in program_of(config).memory_plan.kernels]
    columns = [spec for spec in kernels if isinstance(spec, Columns)]
    assert columns
    for spec in columns:
        assert work(spec) <= MOST_WORK
        # The size of the unrolled code, however many iterations a loop has.
        assert len(column_kernel(spec)) < 16_384


def work(spec: Columns) -> int:
    """Return the number of multiplications, sums and other operations for a column."""
    products = [o.shape for o in spec.operations if isinstance(o, ColumnProduct)]
    folded = [o.rows for o in spec.operations if isinstance(o, ColumnReduction)]
    pairs = zip(spec.operations, spec.rows, strict=True)
    others = [rows for o, rows in pairs if not isinstance(o, ColumnProduct | ColumnReduction)]
    return sum(rows * inner for rows, inner in products) + sum(folded) + sum(others)


@pytest.mark.parametrize("hidden", [(32,) * 6, (64, 10, 64)])
def test_a_deep_network_in_several_kernels_equals_the_plain_step(hidden: tuple[int, ...]) -> None:
    device = ReplayDevice()
    config = TrainingConfig(hidden=hidden, batch_size=8, epochs=3, learning_rate=0.01)
    assert_same(*both(config, device))
    assert device.runs > 0


def test_half_of_the_kernels_need_not_wait_for_the_other_half() -> None:
    accesses = program_of(TrainingConfig(hidden=(6, 5), optimizer="adam", batch_size=8)).accesses
    dealt = schedule(dependencies(accesses * 10))
    assert length(dealt) < 0.6 * len(dealt)
    assert length(schedule(dependencies(accesses * 10), streams=1)) == len(dealt)


def length(dealt: list[ScheduleEntry]) -> int:
    """Return the number of kernels in the longest chain."""
    ends: dict[int, int] = {}
    depth: list[int] = []
    for entry in dealt:
        depth.append(1 + max([ends.get(entry.stream, 0), *(depth[n] for n in entry.after)]))
        ends[entry.stream] = depth[-1]
    return max(depth)


def test_the_state_is_updated_in_place_and_large_buffers_are_shared() -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        x = batch.x
        for _ in range(5):
            x = x @ x
        return (state[0] - x,)

    side = 2000
    state = (np.zeros((side, side)),)
    program = Program(step, (), state, Batches(np.zeros((side, side))), ReplayDevice())
    assert len(program.memory_plan.kernels) == 6
    assert program.memory_plan.sizes == [side * side * 8 // 256 * 256] * 2
    assert sum(program.memory_plan.sizes) < MOST_UNSHARED < 5 * side * side * 8


def test_data_larger_than_memory_are_traced_without_memory() -> None:
    step, _, state, batches = problem(
        NumpyBackend(), TrainingConfig(hidden=(6, 5), batch_size=8, optimizer="adam")
    )
    rows = 1 << 40

    def elsewhere(shape: tuple[int, ...], dtype: Any) -> Any:
        size = np.dtype(dtype).itemsize
        strides = tuple(size * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        return SimpleNamespace(shape=shape, dtype=np.dtype(dtype), strides=strides)

    X, labels = elsewhere((rows, 25), np.uint8), elsewhere((rows,), np.int64)
    data = StepData(X, labels, ((X, labels),))
    first = tree_map(lambda stack: stack[0, ...], batches[0])
    tracemalloc.start()
    program = Program(step, data, tree_map(np.array, state), first, ReplayDevice())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert program.memory_plan.kernels
    assert peak < 1 << 22


accesses = st.builds(
    lambda home, start, size, is_write: Access(home, start, start + size, is_write),
    *(st.integers(0, 2), st.integers(0, 9), st.integers(1, 5), st.booleans()),
)


@given(
    st.lists(st.lists(accesses, max_size=3), max_size=20), st.integers(1, 4), st.integers(0, 999)
)
@settings(deadline=None)
def test_values_are_written_before_they_are_read_for_any_order_of_the_streams(
    kernels: list[list[Access]], streams: int, seed: int
) -> None:
    waiting = dependencies(kernels)
    done: list[int] = []
    for number in any_order(schedule(waiting, streams), random.Random(seed)):
        for other in range(number):
            clash = any(
                one.buffer == two.buffer
                and max(one.start, two.start) < min(one.stop, two.stop)
                and (one.is_write or two.is_write)
                for one in kernels[number]
                for two in kernels[other]
            )
            assert other in done or not clash
        done.append(number)
    assert sorted(done) == list(range(len(kernels)))


# ---- with other ranks ------------------------------------------------------------------


class RankThreads:
    """Ranks as threads of this process, with an all-gather."""

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks
        self.barrier = threading.Barrier(ranks, timeout=30)
        self.given: list[Any] = [None] * ranks

    def allgather(self, rank: int, value: Any) -> list[Any]:
        self.given[rank] = value
        self.barrier.wait()
        gathered = list(self.given)
        self.barrier.wait()
        return gathered

    def exchange(self, rank: int, own: Any, out: Any) -> None:
        gathered = self.allgather(rank, [np.array(branch) for branch in own])
        out[...] = sum(branch for branches in gathered for branch in branches)

    def sharding(self, rank: int, shards: int) -> BatchSharding:
        return BatchSharding(shards, rank, self.ranks, exchange=partial(self.exchange, rank))

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        with ThreadPoolExecutor(self.ranks) as threads:
            return list(threads.map(work, range(self.ranks)))


def both_of_ranks(config: TrainingConfig, devices: list[ReplayDevice]) -> list[tuple[Any, Any]]:
    """Return the results of each rank, uncompiled and captured."""
    plain_ones, captured_ones = (RankThreads(len(devices)) for _ in range(2))

    def of_rank(rank: int) -> tuple[Any, Any]:
        numpy = NumpyBackend()
        step, data, one, batches = problem(numpy, config, plain_ones.sharding(rank, 8))
        plain = Backend.compile(numpy, step, data)
        for batch in batches:
            one = plain(one, batch)
        step, data, other, batches = problem(numpy, config, captured_ones.sharding(rank, 8))
        run = captured(step, data, devices[rank], partial(captured_ones.allgather, rank))
        for batch in batches:
            other = run(other, batch)
        return one, other

    return RankThreads(len(devices)).run(of_rank)


@pytest.mark.parametrize(("ranks", "batch_size"), [(2, None), (3, 9), (2, 25)])
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
def test_exchanges_with_other_ranks_are_between_graphs(
    ranks: int, batch_size: int | None, more: dict[str, Any]
) -> None:
    config = TrainingConfig(hidden=(6,), optimizer="adam", batch_size=batch_size, epochs=4, **more)
    devices = [ReplayDevice() for _ in range(ranks)]
    found = both_of_ranks(config, devices)
    for one, other in found:
        assert_same(one, other)
        assert_same(found[0][1], other)
    # For at least half of the steps: n steps with an exchange each are n + 1 graphs.
    assert min(device.runs for device in devices) > config.total_iterations(ROWS) // 2


@pytest.mark.parametrize("ranks", [2, 5])
def test_all_ranks_have_the_same_kernels_after_an_exchange(ranks: int) -> None:
    config = TrainingConfig(hidden=(6,), batch_size=20, optimizer="adamw", **EVERYTHING)
    after = []
    for rank in range(ranks):
        sharding = BatchSharding(8, rank, ranks, exchange=lambda own, out: None)
        program = program_of(config, sharding)
        (place,) = np.flatnonzero(program.is_external)
        after.append([kernel.spec for kernel in program.memory_plan.kernels[place + 1 :]])
    assert after[0]
    assert all(specs == after[0] for specs in after)


def test_if_one_rank_cannot_capture_all_ranks_run_uncompiled() -> None:
    devices = [ReplayDevice() for _ in range(3)]
    devices[1].refused = NotImplementedError("not during capture")
    config = TrainingConfig(hidden=(5,), batch_size=9, epochs=6)
    with pytest.warns(TrainingWarning, match=r"cannot be captured \(NotImplemented") as warned:
        found = both_of_ranks(config, devices)
    assert len(warned) == 3
    assert [device.runs for device in devices] == [0, 0, 0]
    for one, other in found:
        assert_same(one, other)


def test_failures_after_an_exchange_are_raised() -> None:
    """The other ranks are past this exchange: repeating it would match their next one."""
    all_reduce = []

    def exchange(own: Any, out: Any) -> None:
        all_reduce.append(len(own))
        out[...] = own[0]

    config = TrainingConfig(hidden=(5,), batch_size=9, epochs=2)
    sharding = BatchSharding(2, 0, 2, exchange=exchange)
    place = program_of(config, sharding).is_external.index(True)
    step, data, state, batches = problem(NumpyBackend(), config, sharding)
    run = captured(step, data, Failing(RuntimeError("lost"), place + 1))
    with pytest.raises(RuntimeError, match="lost"):
        run(state, batches[0])
    assert len(all_reduce) == 1


# ---- steps that run rarely -------------------------------------------------------------


class Rows(NamedTuple):
    """A batch that is not copied."""

    x: Any


def rows_and_sum(_: Any, __: Any, batch: Any) -> Any:
    xp = array_namespace(batch.x)
    return xp.sum(batch.x @ batch.x.T * 2, axis=1), xp.sum(batch.x)


def test_a_rare_step_equals_the_plain_step_for_batches_of_any_form() -> None:
    device = ReplayDevice()
    run = UncapturedStep(rows_and_sum, device)
    whole = np.random.default_rng(0).random((4, 6))
    for x in (whole, whole[:, :4], whole.T[:4], np.asfortranarray(whole), whole + 1):
        state = np.zeros(4), np.float64(0)
        found = run(state, Rows(x))
        assert_same(found, rows_and_sum((), state, Rows(x)))
        np.testing.assert_array_equal(state[0], 0)
    assert len(run.programs) == 4
    assert not any(program.buffers for _, program in run.programs.values())
    assert len(device.launched) > 5
    assert device.runs == 0


@pytest.mark.parametrize("error", [MemoryError("not enough"), RuntimeError("lost")])
def test_a_rare_step_that_fails_runs_uncompiled(error: Exception) -> None:
    state, x = (np.zeros(4), np.float64(0)), np.ones((4, 6))
    run = UncapturedStep(rows_and_sum, Failing(error, 1))
    for _ in range(2):
        assert_same(run(state, Rows(x)), rows_and_sum((), state, Rows(x)))
    assert not run.programs
    with pytest.raises(GpuLostError):
        UncapturedStep(rows_and_sum, Failing(GpuLostError("illegal address"), 1))(state, Rows(x))


# ---- failures --------------------------------------------------------------------------


def test_a_step_that_cannot_be_captured_runs_uncompiled_with_one_warning() -> None:
    device = ReplayDevice()
    device.refused = NotImplementedError("not during capture")
    config = TrainingConfig(hidden=(5,), batch_size=8, epochs=6)
    with pytest.warns(TrainingWarning, match=r"cannot be captured \(NotImplemented") as warned:
        assert_same(*both(config, device))
    assert len(warned) == 1


WITHOUT_KERNEL: list[tuple[Any, str]] = [
    (lambda _, s, b: (s[0] + b.x[::-1],), "negative strides"),
    (lambda _, s, b: (s[0] + array_namespace(b.x).argmax(b.x),), "argmax cannot be"),
    (lambda _, s, b: (s[0] + b.x * float("inf"),), "constant inf"),
    (lambda _, s, b: (s[0] + array_namespace(b.x).sum(b.x[:0]),), "empty arrays"),
    (lambda _, s, b: (s[0] + 1 if b.x[:1] > 0 else s[0],), "must not branch"),
]


@pytest.mark.parametrize(("step", "reason"), WITHOUT_KERNEL)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_operations_without_a_kernel_run_uncompiled(step: Any, reason: str) -> None:
    x = np.arange(1.0, 3.0)
    with pytest.warns(TrainingWarning, match=reason):
        (after,) = captured(step, (), ReplayDevice())((np.zeros(2),), Batches(x[None]))
    np.testing.assert_array_equal(after, step((), (np.zeros(2),), Batches(x))[0])


class Failing(ReplayDevice):
    """A device on which one launch fails, by default the third."""

    def __init__(self, error: Exception, number: int = 3) -> None:
        super().__init__()
        self.error = error
        self.number = number

    def launcher(self, spec: Any) -> Any:
        plain = super().launcher(spec)

        def launch(inputs: Any, outputs: Any) -> None:
            plain(inputs, outputs)()
            if len(self.launched) == self.number:
                raise self.error

        return partial(partial, launch)


def twice(_: Any, state: Any, batch: Any) -> Any:
    """Change the state in each of two kernels."""
    return state[0] + batch.x @ batch.x, state[1] @ batch.x + 1


def test_a_failure_in_the_first_run_restores_the_state() -> None:
    state, batches = (np.eye(2), np.eye(2)), Batches(np.ones((2, 2, 2)))
    with pytest.warns(TrainingWarning, match=r"RuntimeError: lost"):
        found = captured(twice, (), Failing(RuntimeError("lost")))(state, batches)
    assert_same(found, Backend.compile(NumpyBackend(), twice, ())(state, batches))


def test_out_of_memory_a_step_runs_uncompiled_or_raises_only_that() -> None:
    state, batches = (np.eye(2), np.eye(2)), Batches(np.ones((2, 2, 2)))
    with pytest.warns(TrainingWarning, match="MemoryError: not enough"):
        found = captured(twice, (), Failing(MemoryError("not enough")))(state, batches)
    assert_same(found, Backend.compile(NumpyBackend(), twice, ())(state, batches))

    def too_large(_: Any, __: Any) -> Any:
        raise MemoryError("nor for this")

    run = CapturedStep(twice, (), too_large, Failing(MemoryError("not enough")))
    with pytest.raises(MemoryError, match="nor for this"):
        run(state, batches)


def test_after_an_error_that_loses_the_gpu_nothing_runs_uncompiled() -> None:
    state, batches = (np.eye(2), np.eye(2)), Batches(np.ones((2, 2, 2)))
    run = captured(twice, (), Failing(GpuLostError("illegal address")))
    with pytest.raises(GpuLostError, match="illegal address"):
        run(state, batches)


def test_a_capture_that_another_thread_ends_is_retried() -> None:
    device = ReplayDevice()
    device.ended = 2
    config = TrainingConfig(hidden=(5,), batch_size=8, epochs=8)
    assert_same(*both(config, device))
    assert device.ended == 0
    assert device.runs > 0


def test_runs_of_any_number_of_steps_need_few_graphs() -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        return (state[0] * 0.5 + batch.x,)

    run, plain = captured(step, (), ReplayDevice()), Backend.compile(NumpyBackend(), step, ())
    one = other = (np.zeros(3),)
    for steps in (*range(1, 17), *range(16, 0, -1)):
        batches = Batches(np.random.default_rng(steps).random((steps, 3)))
        one, other = plain(one, batches), run(other, batches)
        np.testing.assert_array_equal(one[0], other[0])
    assert len(run.runs) == 5


@pytest.mark.parametrize("form", ["F", "sliced", "transposed"])
def test_batches_need_not_be_row_major(form: str) -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        return (state[0] * 0.5 + batch.x @ batch.x.T,)

    whole = np.random.default_rng(0).random((4, 5, 6))
    x = {
        "F": np.asfortranarray(whole[:, :, :5]),
        "sliced": whole[:, :, :5],
        "transposed": whole.transpose(0, 2, 1)[:, :5, :],
    }[form]
    run, plain = captured(step, (), ReplayDevice()), Backend.compile(NumpyBackend(), step, ())
    one = other = (np.zeros((5, 5)),)
    for _ in range(4):
        one, other = plain(one, Batches(x)), run(other, Batches(x))
    np.testing.assert_allclose(one[0], other[0])


def test_a_state_that_changes_its_form_is_not_captured() -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        return (state[0] + batch.x,)

    with pytest.warns(TrainingWarning, match="changes the form of its state"):
        (after,) = captured(step, (), ReplayDevice())(
            (np.zeros(2, np.float32),), Batches(np.ones((1, 2)))
        )
    assert after.dtype == np.float64


def test_a_state_from_elsewhere_is_not_changed() -> None:
    step, data, state, batches = problem(
        NumpyBackend(), TrainingConfig(hidden=(5,), batch_size=25, epochs=3)
    )
    run = captured(step, data, ReplayDevice())
    first = tree_map(np.array, run(state, batches[0]))
    theta = np.array(first.theta)
    one = np.array(run(first, batches[1]).theta)
    np.testing.assert_array_equal(first.theta, theta)
    # Another state in between, then the first one again.
    run(state, batches[2])
    np.testing.assert_array_equal(run(first, batches[1]).theta, one)


# ---- CUDA kernels ----------------------------------------------------------------------


def test_every_traceable_operation_exists_in_cuda() -> None:
    names = {*cuda_source.INFIX, *cuda_source.FUNCTIONS, *cuda_source.CHOICES}
    assert all(hasattr(np, name) for name in names)
    with pytest.raises(NotImplementedError, match="sin has no counterpart"):
        cuda_source.statements(expression_of("sin"))
    with pytest.raises(NotImplementedError, match="dtype complex64"):
        cuda_source.statements(expression_of("exp", "complex64"))


def expression_of(name: str, dtype: str = "float32") -> Expression:
    def step(_: Any, state: Any, batch: Any) -> Any:
        tape = batch.x.__array_namespace__()
        return (state[0] + tape.do(getattr(np, name), batch.x),)

    x = np.ones(2, dtype)
    (kernel,) = Program(step, (), (x.copy(),), Batches(x), ReplayDevice()).memory_plan.kernels
    assert isinstance(kernel.spec, Expression)
    return kernel.spec


@pytest.mark.gpu
@pytest.mark.parametrize("batch_size", [None, 8, 25])
@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
def test_cuda_graphs_equal_the_plain_step(
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int | None,
    shard_rows: int | None,
    more: dict[str, Any],
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    config = TrainingConfig(
        hidden=(6, 5),
        optimizer="adam",
        batch_size=batch_size,
        shard_rows=shard_rows,
        epochs=5,
        learning_rate=0.01,
        dtype="float64",
        **more,
    )
    gpu = select_backend("cuda")
    step, data, state, batches = problem(gpu, config)
    plain, run = Backend.compile(gpu, step, data), gpu.compile(step, data)
    assert isinstance(run, CapturedStep)
    one, other = state, state
    for batch in batches:
        one, other = plain(one, batch), run(other, batch)
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(gpu.to_numpy(a), gpu.to_numpy(b), rtol=1e-6, atol=1e-9)


def test_small_matmul_kernels_are_the_same_for_all_batch_sizes() -> None:
    rows = SmallMatmulRows(10, 784, 41_000, 784)
    slices = SmallMatmulSlices(10, 41_000, 784, 96)
    text = small_matmul_kernels.rows_kernel(rows, "float", 4)
    assert text == small_matmul_kernels.rows_kernel(rows._replace(columns=5000), "float", 4)
    text = small_matmul_kernels.slices_kernel(slices, "float", 4)
    assert text == small_matmul_kernels.slices_kernel(slices._replace(inner=5000), "float", 4)


@pytest.mark.gpu
def test_few_kernels_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    gpu: Any = select_backend("cuda")
    with gpu.active():
        device = cuda_graphs.CudaGraphs(gpu.cupy)
    rng = np.random.default_rng(0)
    A, before = rng.random((4, 256)), modules.kernel_of.cache_info().misses
    for columns in (4100, 4200, 4300):
        B = rng.random((columns, 256))
        C, spec = product(A, gpu.asarray(B).T, device)
        assert isinstance(spec, SmallMatmulRows)
        np.testing.assert_allclose(gpu.to_numpy(C), A @ B.T)
    # The product, and the sum with the state.
    assert modules.kernel_of.cache_info().misses <= before + 2
    assert modules.kernel_of.cache_info().maxsize == modules.KERNELS


def scaled(number: int) -> Expression:
    """Return an expression whose kernel no other test uses."""
    return Expression(
        ("float32",),
        (Operation("multiply", (Input(0), Number(f"{number}.75")), ("float32",) * 2, "float32"),),
        (0,),
    )


@pytest.mark.gpu
@pytest.mark.skipif(not IS_IN_FRONT, reason="counts modules of the stand-in for CUDA")
def test_unused_kernels_are_unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu: Any = select_backend("cuda")
    few = lru_cache(2)(modules.kernel_of.__wrapped__)
    monkeypatch.setattr(modules, "kernel_of", few)
    monkeypatch.setattr(modules, "KERNELS", 2)
    loaded = []
    with gpu.active():
        graphs = cuda_graphs.CudaGraphs(gpu.cupy)
        x, y = gpu.asarray(np.ones(3, np.float32)), gpu.asarray(np.zeros(3, np.float32))
        for number in range(7):
            launch = graphs.launcher(scaled(number))([x], [y])
            graphs.compile()
            launch()
            np.testing.assert_array_equal(gpu.to_numpy(y), np.full(3, number + 0.75))
            del launch
            gc.collect()
            loaded.append(get("modules"))
    # At most twice as many as are in use.
    assert max(loaded[2:]) <= loaded[2] + 2


@pytest.mark.gpu
def test_another_batch_size_only_compiles_the_columns_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu: Any = select_backend("cuda")
    kernels = lru_cache(None)(modules.kernel_of.__wrapped__)
    monkeypatch.setattr(modules, "kernel_of", kernels)
    known = []
    for batch_size in (14, 15, 17, 15):
        config = TrainingConfig(hidden=(7,), batch_size=batch_size, iterations=3)
        step, data, state, (batch, *_) = problem(gpu, config)
        gpu.compile(step, data)(state, batch)
        known.append(kernels.cache_info().currsize)
    assert np.diff(known).tolist() == [1, 1, 0]


def product(A: Any, B: Any, device: Any) -> tuple[Any, Any]:
    """Return a product computed by a device's program, and the spec of its first kernel."""

    def step(_: Any, state: Any, batch: Any) -> Any:
        return (state[0] * 0 + batch.x @ state[1], state[1])

    with device.active():
        state = device.copy(np.zeros((A.shape[0], B.shape[1]), A.dtype)), B
        batch = Batches(device.copy(A))
        program = Program(step, (), state, batch, device)
        operations = program.bind(batch)
        device.compile()
        for operation in operations:
            operation()
    return state[0], program.memory_plan.kernels[0].spec


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 7, 10, 16])
@pytest.mark.parametrize(
    ("inner", "columns"), [(784, 4100), (301, 4097), (4100, 784), (4099, 301), (200, 30)]
)
@pytest.mark.parametrize("transposed", [True, False])
def test_small_matmul_kernels_equal_products(
    dtype: str, rows: int, inner: int, columns: int, transposed: bool
) -> None:
    gpu: Any = select_backend("cuda")
    rng = np.random.default_rng(0)
    A = rng.standard_normal((rows, inner)).astype(dtype)
    B = rng.standard_normal((columns, inner) if transposed else (inner, columns)).astype(dtype)
    # Without a pool, which rounds sizes up: a read past the end is an illegal address.
    with gpu.active(), gpu.cupy.cuda.using_allocator(None):
        device, there = cuda_graphs.CudaGraphs(gpu.cupy), gpu.asarray(B)
        C, spec = product(A, there.T if transposed else there, device)
    fits = A.nbytes <= 40 << 10
    if transposed and columns > 4000 and fits:
        assert isinstance(spec, SmallMatmulRows)
    elif inner > 4000 and not transposed:
        assert isinstance(spec, SmallMatmulSlices)
    else:
        assert isinstance(spec, Product)
    expected = A.astype(float) @ (B.T if transposed else B).astype(float)
    np.testing.assert_allclose(gpu.to_numpy(C), expected, atol=1e-3 if dtype == "float32" else 1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("inner", "columns", "kind"),
    [(400, 4100, SmallMatmulRows), (200, 30, Product), (50, 30, Columns)],
)
def test_columns_may_have_a_stride_larger_than_their_length(
    inner: int, columns: int, kind: type
) -> None:
    gpu: Any = select_backend("cuda")
    rng = np.random.default_rng(0)
    A, whole = rng.standard_normal((10, inner)), rng.standard_normal((columns, inner + 4))
    with gpu.active():
        device = cuda_graphs.CudaGraphs(gpu.cupy)
    C, spec = product(A, gpu.asarray(whole)[:, :inner].T, device)
    assert isinstance(spec, kind)
    np.testing.assert_allclose(gpu.to_numpy(C), A @ whole[:, :inner].T)


@pytest.mark.gpu
@pytest.mark.parametrize("graphs", ["0", "1"])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_tensor_cores_round_like_the_reference(
    monkeypatch: pytest.MonkeyPatch, graphs: str, precision: Any
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, graphs)
    gpu, cpu, thetas = select_backend("cuda"), select_backend("cpu"), []
    X, y = np.random.default_rng(0).integers(0, 256, (200, 64), np.uint8), np.arange(200) % 4
    full = TrainingConfig(hidden=(32,), iterations=1)
    short = replace(full, matmul_precision=precision)
    for backend, config in ((gpu, short), (cpu, short), (gpu, full)):
        thetas.append(train(X, y, config, backend=backend)[0].theta)
    ours, emulated, exact = thetas
    assert np.linalg.norm(ours - emulated) < 0.2 * np.linalg.norm(ours - exact)


@pytest.mark.gpu
def test_cuda_graphs_are_bit_identical_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    gpu = select_backend("cuda")
    config = TrainingConfig(hidden=(40, 30), optimizer="adam", batch_size=10, epochs=6)

    def theta() -> Any:
        step, data, state, batches = problem(gpu, config)
        run = gpu.compile(step, data)
        for batch in batches:
            state = run(state, batch)
        return gpu.to_numpy(state.theta)

    np.testing.assert_array_equal(theta(), theta())


def added(_: Any, state: Any, batch: Any) -> Any:
    return (state[0] + batch.x,)


@pytest.mark.gpu
@pytest.mark.skipif(not IS_IN_FRONT, reason="counts captures of the stand-in for CUDA")
def test_runs_of_one_form_are_captured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    gpu: Any = select_backend("cuda")
    run, state, begun = gpu.compile(added, ()), (gpu.asarray(np.zeros(3)),), []
    for number in range(6):
        state = run(state, Batches(gpu.asarray(np.full((4, 3), float(number)))))
        begun.append(get("captures"))
    np.testing.assert_array_equal(gpu.to_numpy(state[0]), np.full(3, 4 * 15.0))
    # The first run launches kernel by kernel; the second is captured.
    assert np.diff(begun).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.gpu
def test_the_memory_of_a_graph_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreferenced memory is returned to the device before each run."""
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    gpu: Any = select_backend("cuda")
    config = TrainingConfig(hidden=(6, 5), optimizer="adam", batch_size=8, epochs=5)
    pool = gpu.cupy.cuda.MemoryPool()
    with gpu.active(), gpu.cupy.cuda.using_allocator(pool.malloc):
        step, data, state, batches = problem(gpu, config)
        plain, graphs = Backend.compile(gpu, step, data), cuda_graphs.CudaGraphs(gpu.cupy)
        run = CapturedStep(step, data, plain, graphs)
        one = other = state
        for batch in batches:
            one, other = plain(one, batch), run(other, batch)
            gc.collect()
            pool.free_all_blocks()
        np.testing.assert_allclose(
            gpu.to_numpy(one.theta), gpu.to_numpy(other.theta), rtol=1e-4, atol=1e-6
        )


@pytest.mark.gpu
def test_a_result_outlives_the_streams_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    gpu: Any = select_backend("cuda")
    pool = gpu.cupy.cuda.MemoryPool()
    with gpu.active():
        graphs = cuda_graphs.CudaGraphs(gpu.cupy)
    with gpu.active(), gpu.cupy.cuda.using_allocator(pool.malloc):
        state = (gpu.asarray(np.zeros(1 << 20)),)
        batches = Batches(gpu.asarray(np.ones((2, 1 << 20))))
        plain = Backend.compile(gpu, added, ())
        run = CapturedStep(added, (), plain, graphs)
        results = [run(state, batches)[0] for _ in range(3)]
        (result,) = run(state, batches)
        del run, graphs, results
        gc.collect()
        np.testing.assert_array_equal(gpu.to_numpy(result), 2)
        run, size = pool.total_bytes(), result.size
        del result
        # Its memory is free for the stream that allocated it.
        kept = gpu.cupy.empty(size)
        assert pool.total_bytes() == run
        del kept
