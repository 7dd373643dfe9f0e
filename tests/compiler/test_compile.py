"""`Backend.compile` and `Backend.fuse`: the same results as the uncompiled step, only faster."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from array_api_compat import array_namespace, device
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from mnn_gpu import Hook, Record, TrainingConfig, select_backend, train
from mnn_gpu.backends import Backend, jax_vectors
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.compiler import small_matmul
from mnn_gpu.compiler.blocked import blockwise
from mnn_gpu.compiler.cuda_graphs.compile import CapturedStep
from mnn_gpu.compiler.operations import PRODUCTS
from mnn_gpu.compiler.replay import Program, Replay
from mnn_gpu.compiler.trace import Tape
from mnn_gpu.nn.augmentation import Augmentation
from mnn_gpu.nn.optimizers import Adam, step_scalars
from mnn_gpu.nn.parameters import flatten, init_parameters
from mnn_gpu.nn.schedules import constant
from mnn_gpu.step.batch import Batch, NetworkSpec
from mnn_gpu.step.execution import entries
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.train_step import State, first_state, training_step
from mnn_gpu.training.batches.in_memory import to_device
from mnn_gpu.training.batches.loader import Batches, load_batches
from mnn_gpu.training.start import plan_run
from mnn_gpu.utils.blas import has_small_kernels, single_threaded
from mnn_gpu.utils.choices import OPTIMIZERS
from tests.support.replay_device import ReplayDevice
from tests.support.steps import run_inputs

ROWS = 50


def problem(
    backend: Backend, config: TrainingConfig, sharding: BatchSharding | None = None
) -> tuple[Any, Any, State, list[Any]]:
    """Return a step, its data, an initial state and all batches of a run."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (ROWS, 25), np.uint8), rng.integers(0, 4, ROWS)
    step, data, state, batches = run_inputs(backend, config, X, y, sharding)
    return step, data, state, list(batches)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [None, 8, 25])
@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("hidden", [(), (6,), (200, 150)])
def test_a_compiled_step_equals_the_plain_step(
    backend: Backend,
    optimizer: str,
    batch_size: int | None,
    shard_rows: int | None,
    hidden: tuple[int, ...],
) -> None:
    assert_compiled_as_plain(
        backend,
        TrainingConfig(
            hidden=hidden,
            optimizer=optimizer,
            batch_size=batch_size,
            shard_rows=shard_rows,
            epochs=3,
            learning_rate=0.01,
        ),
    )


@given(
    features=st.sampled_from([5, 64, 200]),
    hidden=st.lists(st.sampled_from([3, 17, 128]), max_size=2),
    batch_size=st.integers(1, 400),
    optimizer=st.sampled_from(["sgd", "momentum", "adam"]),
    clip_norm=st.sampled_from([None, 0.1]),
    max_norm=st.sampled_from([None, 0.5]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_only_small_matmuls_may_change_the_last_bits_of_a_random_step(
    features: int, hidden: list[int], batch_size: int, seed: int, **more: Any
) -> None:
    numpy = NumpyBackend()
    config = TrainingConfig(hidden=tuple(hidden), batch_size=batch_size, **more)
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 256, (400, features), np.uint8), rng.integers(0, 5, 400)
    data = to_device(X, y, None, np.arange(5), config, numpy)
    sizes, adam = (features, *hidden, 5), config.make_optimizer()
    task = NetworkSpec(layer_sizes=sizes, regularization=config.regularization)
    resident = data.step_data()
    step = training_step(task, adam, numpy)
    theta = flatten(init_parameters(sizes, rng)).astype(np.float32)
    state = first_state(theta, adam, "float32", numpy.asarray)
    scalars = np.array(step_scalars(adam, constant, 0.05, range(1, 3), 2), np.float32)
    batch = Batch(scalars, rng.integers(0, 400, (2, batch_size)).astype(np.int32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_matmul, "is_small", lambda *_: False)
        compiled = numpy.compile(step, resident)(state, batch)
    with single_threaded():
        plain = Backend.compile(numpy, step, resident)(state, batch)
    for one, other in zip(_leaves(plain), _leaves(compiled), strict=True):
        np.testing.assert_array_equal(one, other)


EVERYTHING: dict[str, Any] = {
    "augmentation": Augmentation(half_turned=(1, 2)),
    "scale_inputs": True,
    "dropout": 0.3,
    "input_dropout": 0.1,
    "label_smoothing": 0.1,
    "clip_norm": 0.5,
    "max_norm": 2.0,
    "weight_decay": 0.1,
    "ema_decay": 0.9,
    "warmup": 0.2,
}


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("hidden", [(6,), (200, 150)])
@pytest.mark.parametrize("without", ["nothing", "augmentation", "max_norm", "clip_norm"])
def test_a_compiled_step_with_all_options_equals_the_plain_step(
    backend: Backend,
    optimizer: str,
    batch_size: int | None,
    shard_rows: int | None,
    hidden: tuple[int, ...],
    without: str,
) -> None:
    wanted = {name: value for name, value in EVERYTHING.items() if name != without}
    assert_compiled_as_plain(
        backend,
        TrainingConfig(
            hidden=hidden,
            optimizer=optimizer,
            batch_size=batch_size,
            shard_rows=shard_rows,
            epochs=2,
            learning_rate=0.01,
            **wanted,
        ),
    )


def assert_compiled_as_plain(backend: Backend, config: TrainingConfig) -> None:
    """Check that a compiled run ends like the plain one, on NumPy bit for bit.

    (None of them has small matmuls.)
    """
    if backend.name != "numpy":  # Adam would amplify float32 rounding differences.
        config = replace(config, dtype="float64")
    step, data, state, batches = problem(backend, config)
    plain, compiled = Backend.compile(backend, step, data), backend.compile(step, data)
    expected = actual = state
    # As in a compiled step; the rounding depends on the number of BLAS threads.
    with backend.single_threaded():
        for batch in batches:
            expected = plain(expected, batch)
    actual = problem(backend, config)[2]
    for batch in batches:
        actual = compiled(actual, batch)
    for one, other in zip(_leaves(expected), _leaves(actual), strict=True):
        one, other = backend.to_numpy(one), backend.to_numpy(other)
        if backend.name == "numpy":
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batch_size", [None, 140])
def test_small_matmuls_agree_to_float32_tolerance(batch_size: int | None) -> None:
    cpu = select_backend("cpu")
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 256, (280, 300), np.uint8), rng.integers(0, 3, 280)
    config = TrainingConfig(hidden=(6,), batch_size=batch_size, iterations=20, dtype="float64")
    compiled, _ = train(X, y, config, backend=cpu)
    plain, _ = train(X, y, config, backend=_Plain())
    np.testing.assert_allclose(compiled.theta, plain.theta, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("has_small_kernels", [True, False])
@pytest.mark.parametrize("rows", [1, 5, 12, 20, 32])
@pytest.mark.parametrize(("inner", "columns"), [(128, 200), (784, 130), (997, 613)])
@pytest.mark.parametrize("transposed", [True, False])
def test_a_small_matmul_equals_the_product(
    monkeypatch: pytest.MonkeyPatch,
    has_small_kernels: bool,
    rows: int,
    inner: int,
    columns: int,
    transposed: bool,
) -> None:
    monkeypatch.setattr(small_matmul, "has_small_kernels", lambda: has_small_kernels)
    rng = np.random.default_rng(rows)
    A, B = rng.random((rows, inner)), rng.random((inner, columns))
    if transposed:
        B = np.asfortranarray(B)
    tape = Tape()
    traced = tape.traced(A) @ tape.traced(B)
    assert tape.calls[0].function in PRODUCTS
    assert tape.calls[0].result.shape != (rows, columns)
    assert traced.array.flags.c_contiguous
    actual = np.empty((rows, columns))
    Program(tape.calls, [traced.array], [actual]).run()
    np.testing.assert_allclose(actual, A @ B)


class _Plain(NumpyBackend):
    """NumPy without compilation."""

    compile = Backend.compile


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_do_not_change_a_bit(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any], threads: int, optimizer: str
) -> None:
    config = TrainingConfig(hidden=(40,), batch_size=8, iterations=30, optimizer=optimizer)
    expected, _ = train(images["X"], images["y"], config, backend=_Plain())
    # 643 parameters of four bytes: eleven blocks.
    monkeypatch.setattr("mnn_gpu.backends.numpy_backend.BLOCK", 256)
    monkeypatch.setattr("mnn_gpu.backends.numpy_backend.thread_count", lambda _: threads)
    actual, _ = train(images["X"], images["y"], config, backend=select_backend("cpu"))
    np.testing.assert_array_equal(actual.theta, expected.theta)


@pytest.mark.parametrize("batch_size", [None, 25])
def test_batches_in_parts_have_the_same_bits_with_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any], batch_size: int | None
) -> None:
    config = TrainingConfig(hidden=(8,), batch_size=batch_size, shard_rows=4, epochs=10)
    thetas = []
    for threads in (1, 2, 3, 64):
        monkeypatch.setattr(
            "mnn_gpu.backends.numpy_backend.thread_count", lambda _, threads=threads: threads
        )
        thetas.append(train(images["X"], images["y"], config, backend=NumpyBackend())[0].theta)
    for theta in thetas[1:]:
        np.testing.assert_array_equal(theta, thetas[0])


def threads_of_products() -> int:
    """Return the number of threads of NumPy's products; SciPy has a separate library."""
    (threads,) = {
        library["num_threads"] for library in threadpool_info() if "numpy" in library["filepath"]
    }
    return int(threads)


def test_parallel_products_use_one_thread_each() -> None:
    before = threads_of_products()
    seen = []
    with single_threaded():
        seen.append(threads_of_products())
    assert seen == [1]
    assert threads_of_products() == before
    assert has_small_kernels() in (True, False)


def _leaves(state: State) -> list[Any]:
    return [state.theta, *state.optimizer_state, state.loss, state.correct, state.finite_steps]


def test_a_state_from_elsewhere_is_not_changed() -> None:
    cpu = select_backend("cpu")
    step, data, state, batches = problem(cpu, TrainingConfig(epochs=2, batch_size=8))
    before = [leaf.copy() for leaf in _leaves(state)]
    run = cpu.compile(step, data)
    after = run(state, batches[0])
    for old, leaf in zip(before, _leaves(state), strict=True):
        np.testing.assert_array_equal(old, leaf)
    again = cpu.compile(step, data)(state, batches[0])
    np.testing.assert_array_equal(after.theta, again.theta)


def test_metrics_set_from_outside_are_used() -> None:
    cpu = select_backend("cpu")
    step, data, state, batches = problem(cpu, TrainingConfig(epochs=2, batch_size=8))
    run = cpu.compile(step, data)
    once = run(state, batches[0])
    loss = float(once.loss)
    reset = run(once._replace(loss=np.float32(0)), batches[1])
    plain = Backend.compile(cpu, step, data)
    expected = plain(plain(state, batches[0])._replace(loss=np.float32(0)), batches[1])
    assert float(reset.loss) == float(expected.loss) != loss


def test_a_step_that_branches_on_array_values_is_refused() -> None:
    def curious(data: Any, state: Any, batch: Any) -> Any:
        if batch.scalars > 0:
            return state
        return None

    rates = np.ones(3)
    with pytest.raises(TypeError, match="must not branch"):
        Replay(curious, ())((np.zeros(2),), Batch(rates))


def captured(step: Any, data: Any) -> CapturedStep:
    """Compile as for a GPU, with a stand-in that computes with NumPy."""
    plain = Backend.compile(NumpyBackend(), step, data)
    return CapturedStep(step, data, plain, ReplayDevice())


COMPILERS: dict[str, Callable[[Any, Any], Any]] = {"replayed": Replay, "captured": captured}
One = namedtuple("One", "x")


def compiled_states(compiler: str, step: Any, state: Any, batches: Any) -> list[Any]:
    """Return the states that a compiled step returns, one after the other."""
    run = COMPILERS[compiler](step, ())
    states = []
    for batch in batches:
        state = run(state, One(batch[None]))
        states.append(tuple(np.array(leaf) for leaf in state))
    return states


def plain_step(step: Any, state: Any, batch: Any) -> Any:
    return step((), state, One(batch))


STEPS = {
    "the inputs swapped": lambda _, s, b: (s[1], s[0]),
    "an input unchanged": lambda _, s, b: (s[0], s[1] + b[0]),
    "an old value read after its successor is made": lambda _, s, b: (s[0] + b[0], s[0] * s[1]),
    "a chain over the old value": lambda _, s, b: (s[0] - (s[1] * 2 + s[0]) * b[0], s[1] * s[0]),
    "an input read backwards": lambda _, s, b: (s[0] + s[0][::-1, :], s[1] * 1.5),
    "a transposed result": lambda _, s, b: ((s[0] + b[0]).T, s[1] + s[0].T),
    "one result twice": lambda _, s, b: ((t := s[0] * s[1]), t),
    "a part of a result": lambda _, s, b: ((s[0] @ s[1])[:, :], s[1][:, :]),
    "parts joined": lambda xp, s, b: (
        join(s[0][1:, :] * 2, s[1][:1, :] - b[0][0, :1]),
        s[0] + s[1],
    ),
    "largest of each row, backwards": lambda xp, s, b: (
        s[0] - array_namespace(s[0]).max(s[0][:, ::-1], axis=1, keepdims=True),
        s[1] - array_namespace(s[1]).max(s[1][::-1, :], axis=0, keepdims=True),
    ),
    "transposed parts joined": lambda xp, s, b: (
        join((s[0] * 2).T[:2, :], (s[1] + 0).T[2:, :]),
        s[0],
    ),
}


def join(*parts: Any) -> Any:
    return array_namespace(parts[0]).concat(list(parts))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.filterwarnings("ignore:The step cannot be captured.*negative strides")
def test_the_state_is_updated_in_place_only_where_that_is_safe(
    compiler: str, name: str, order: Literal["C", "F"]
) -> None:
    rng = np.random.default_rng(0)
    state = tuple(np.array(rng.random((4, 4)), order=order) for _ in range(2))
    batches = rng.random((5, 4, 4))
    actual = compiled_states(compiler, STEPS[name], state, batches)
    for batch, after in zip(batches, actual, strict=True):
        state = plain_step(STEPS[name], state, batch)
        for one, other in zip(state, after, strict=True):
            np.testing.assert_array_equal(one, other)


OPERATIONS: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "product": lambda x, y: x @ y,
    "maximum": lambda x, y: array_namespace(x).maximum(x, y),
    "transposed": lambda x, _: x.T,
    "backwards": lambda x, _: x[::-1, :],
    "joined": lambda x, y: join(x[2:, :], y[:2, :]),
    "joined of results": lambda x, y: join((x + y)[:2, :], x[1:3, :] * 2),
    "joined of one": lambda x, _: join((x * 3)[:2, :], (x * 3)[2:, :]),
    "reduced": lambda x, y: x + array_namespace(y).sum(y, axis=1, keepdims=True),
    "largest": lambda x, y: x - array_namespace(y).max(y, axis=0, keepdims=True),
    "cast": lambda x, y: array_namespace(y).astype(y > 0.2, y.dtype) * x,
    "relu": lambda x, _: array_namespace(x).maximum(x, 0.1),
}


def in_worker(array: Any, worker: int) -> None:
    """Assign the following operations to a worker, if the array's namespace has workers."""
    if isinstance(array_namespace(array), Tape):
        array_namespace(array).worker = worker


def follow(calls: Any, values: list[Any]) -> list[Any]:
    """Append the results of the calls; arguments are indices from the end, so mostly recent."""
    values = list(values)
    for name, i, j in calls:
        x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
        values.append(OPERATIONS[name](x, y))
    return values


def assert_compiled_as_it_is(compiler: str, step: Any, rtol: float) -> None:
    rng = np.random.default_rng(0)
    state = tuple(rng.random((2, 4, 4)) / 4)
    batches = rng.random((3, 4, 4)) / 4
    with np.errstate(all="ignore"):
        actual = compiled_states(compiler, step, state, batches)
        for batch, after in zip(batches, actual, strict=True):
            state = plain_step(step, state, batch)
            for one, other in zip(state, after, strict=True):
                np.testing.assert_allclose(one, other, rtol=rtol)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.filterwarnings("ignore:The step cannot be captured.*negative strides")
@given(
    program=st.lists(
        st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    outputs=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
@settings(deadline=None, max_examples=300)
def test_random_programs_are_compiled_correctly(
    compiler: str, program: list[tuple[str, int, int]], outputs: tuple[int, int]
) -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        values = follow(program, [*state, *batch])
        return tuple(values[-1 - i % len(values)] for i in outputs)

    assert_compiled_as_it_is(compiler, step, rtol=1e-12)


INDEX = st.integers(0, 9)
CALLS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), INDEX, INDEX), max_size=4)


@given(
    groups=st.lists(st.tuples(CALLS, st.lists(CALLS, max_size=3)), min_size=1, max_size=3),
    outputs=st.tuples(INDEX, INDEX),
)
@settings(deadline=None, max_examples=200)
def test_workers_of_random_programs_are_replayed_correctly(
    groups: list[tuple[Any, list[Any]]], outputs: tuple[int, int]
) -> None:
    def step(_: Any, state: Any, batch: Any) -> Any:
        values = [*state, *batch]
        for alone, workers in groups:
            values = follow(alone, values)
            known = len(values)
            results = []
            for worker, calls in enumerate(workers, start=1):
                in_worker(state[0], worker)
                results += follow(calls, values)[known:]
            in_worker(state[0], 0)
            values += results
        return tuple(values[-1 - i % len(values)] for i in outputs)

    assert_compiled_as_it_is("replayed", step, rtol=1e-10)


def test_values_read_by_other_workers_are_not_overwritten() -> None:
    def step(_: Any, state: Any, __: Any) -> Any:
        (a,), xp = state, array_namespace(state[0])
        in_worker(a, 1)
        x = a * 2
        in_worker(a, 2)
        y = xp.exp(a)
        in_worker(a, 0)
        z = x + y
        in_worker(a, 1)
        u = xp.log(xp.exp(xp.log(xp.exp(z)))) + y
        in_worker(a, 2)
        v = y * 3
        in_worker(a, 0)
        return (u + v,)

    start = np.random.default_rng(0).random((2000, 500))
    expected = step((), (start,), ())[0]
    for _ in range(5):
        (actual,) = Replay(step, ())((start,), (np.zeros(1),))
        np.testing.assert_array_equal(actual, expected)


def test_leaving_the_last_context_restores_the_threads() -> None:
    before = threads_of_products()
    first, second = single_threaded(), single_threaded()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads_of_products() == 1
    second.__exit__(None, None, None)
    assert threads_of_products() == before


def test_a_wide_small_matmul_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_matmul, "has_small_kernels", lambda: True)
    tape = Tape()
    tape.worker = 1
    tape.traced(np.empty((10, 2048))) @ tape.traced(np.empty((2048, 100_000)))
    tape.traced(np.empty((10, 100_000))) @ tape.traced(np.empty((2048, 100_000)).T)
    assert max(call.result.size for call in tape.calls) == 10 * 100_000


@pytest.mark.parametrize("compiler", COMPILERS)
def test_buffers_may_be_swapped_and_other_shapes_are_refused(compiler: str) -> None:
    run = COMPILERS[compiler](lambda _, s, b: (s[0] + b[0], s[1] * b[0]), ())
    first = run((np.ones(3), np.full(3, 2.0)), One(np.full((1, 3), 2.0)))
    assert [leaf.tolist() for leaf in first] == [[3] * 3, [4] * 3]
    second = run((first[1], first[0]), One(np.full((1, 3), 10.0)))
    assert [leaf.tolist() for leaf in second] == [[14] * 3, [30] * 3]
    with pytest.raises(ValueError, match="another shape"):
        run((np.ones(1), np.ones(3)), One(np.ones((1, 3))))


@pytest.mark.parametrize(
    "step",
    [
        lambda _, s, b: (array_namespace(s[0]).maximum(s[0], 0.5) + b[0],),
        lambda _, s, b: (1 / (s[0] * -0.0 + b[0] * 0.0) + 1 / (s[0] * 0.0 + b[0] * -0.0),),
        lambda _, s, b: (join(s[0] * 2, s[0] * 2)[1:4] + b[0],),
        lambda _, s, b: (join((s[0] * 2)[1:], s[0] * 2)[:3] + b[0],),
        lambda _, s, b: (join(array_namespace(s[0]).astype(s[0], "float32"), b[0] * 2)[2:5],),
    ],
)
def test_edge_cases_are_as_without_replay(step: Any) -> None:
    state, batch = (np.array([1.0, -2, 3]),), (np.array([[4.0, 5, 6]]),)
    with np.errstate(all="ignore"):
        (actual,) = Replay(step, ())(state, batch)
        (expected,) = step((), state, (batch[0][0],))
    np.testing.assert_array_equal(actual, expected)


def adam_update(theta: Any, g: Any, rate: float, epsilon: float, m: Any, v: Any) -> Any:
    """Adam, with the arguments that a backend's `fuse` expects."""
    theta, state = Adam().update(theta, g, None, (rate, epsilon), (m, v))
    return theta, *state


@given(st.integers(1, 50), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_blocks_do_not_change_an_update(length: int, block: int) -> None:
    rng = np.random.default_rng(length)
    theta, g, m, v = rng.random((4, length))
    expected = adam_update(theta, g, 0.1, 1e-8, m, v)
    actual = blockwise(adam_update, block * theta.itemsize)(theta, g, 0.1, 1e-8, m, v)
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(1, 50), st.sets(st.integers(0, 50)))
@settings(deadline=None, max_examples=40)
def test_pieces_do_not_change_an_update(length: int, cuts: set[int]) -> None:
    rng = np.random.default_rng(length)
    bounds = tuple(sorted({0, length} | {c for c in cuts if c < length}))
    theta, g, m, v = rng.random((4, length))
    rate, epsilon = 0.1, 1e-8
    expected = adam_update(theta, g, rate, epsilon, m, v)
    pieces = jax_vectors.piecewise(adam_update)
    for one, other in zip(expected, pieces(theta, g, rate, epsilon, m, v), strict=True):
        np.testing.assert_array_equal(one, other)
    cut = [jax_vectors.cut(vector, bounds) for vector in (theta, m, v)]
    for one, other in zip(expected, pieces(cut[0], g, rate, epsilon, *cut[1:]), strict=True):
        assert (other.shape, other.dtype, other.bounds) == (one.shape, one.dtype, bounds)
        np.testing.assert_array_equal(one, np.concatenate(other.parts))


def test_a_vector_in_pieces_records_where_it_is_sliced() -> None:
    asked: set[int] = set()
    whole = jax_vectors.Concat([np.arange(10)], (0, 10), asked)
    np.testing.assert_array_equal(whole[2:7], np.arange(2, 7))
    assert asked == {2, 7}
    pieces = jax_vectors.cut(np.arange(10), (0, 2, 7, 10))
    assert device(whole) == device(whole.parts[0])
    for key in (slice(2, 7), slice(3, 5), slice(0, 1), slice(9, 10), slice(7, None)):
        np.testing.assert_array_equal(pieces[key], np.arange(10)[key])


def batches(config: TrainingConfig, rows: int, start: int = 0, steps_per_call: int = 16) -> Batches:
    """Return the batches of a run on images of 6 x 6."""
    backend = select_backend("cpu")
    object.__setattr__(backend, "steps_per_call", steps_per_call)
    X, y = np.zeros((rows, 36), np.uint8), np.arange(rows) % 3
    data = to_device(X, y, None, [0, 1, 2], config, backend)
    return load_batches(plan_run(config, data, backend), data, start)


@given(
    rows=st.integers(1, 12),
    batch_size=st.one_of(st.none(), st.integers(1, 14)),
    start=st.integers(0, 12),
    steps_per_call=st.integers(1, 5),
)
@settings(deadline=None, max_examples=60)
def test_it_does_not_matter_where_a_plan_resumes_nor_how_long_its_calls_are(
    rows: int, batch_size: int | None, start: int, steps_per_call: int
) -> None:
    config = TrainingConfig(
        iterations=13,
        batch_size=batch_size,
        optimizer="adam",
        dropout=0.5,
        input_dropout=0.25,
        augmentation=Augmentation(half_turned=(1,)),
    )
    expected = [one for _, run in batches(config, rows) for one in entries(run)]
    later = batches(config, rows, start, steps_per_call)
    actual = [one for _, run in later for one in entries(run)]
    assert len(actual) == 13 - start
    for one, other in zip(actual, expected[start:], strict=True):
        for array, like in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, like)


@given(
    rows=st.integers(1, 40),
    batch_size=st.one_of(st.none(), st.integers(1, 45)),
    iterations=st.integers(1, 60),
    report_every=st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_each_epoch_has_every_row_once_and_calls_end_at_every_report(
    rows: int, batch_size: int | None, iterations: int, report_every: int
) -> None:
    config = TrainingConfig(
        iterations=iterations, batch_size=batch_size, report_every=report_every, optimizer="adam"
    )
    runs = list(batches(config, rows))
    per_epoch = config.steps_per_epoch(rows)
    ends = np.cumsum([steps for steps, _ in runs])
    assert ends[-1] == iterations
    for stop in (
        *range(report_every, iterations, report_every),
        *range(per_epoch, iterations, per_epoch),
    ):
        assert stop in ends
    rates = np.concatenate([batch.scalars[:, 0] for _, batch in runs])
    expected = [Adam().scalars(t, 0.1)[0] for t in range(1, iterations + 1)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    if per_epoch > 1:
        order = np.concatenate([np.asarray(batch.rows).reshape(-1) for _, batch in runs])
        for start in range(0, len(order) - rows + 1, rows):
            assert sorted(order[start : start + rows]) == list(range(rows))


def test_reports_do_not_change_the_result(images: dict[str, Any]) -> None:
    class Count(Hook):
        records = 0

        def on_record(self, record: Record) -> None:
            Count.records += 1

    thetas = []
    for every in (1, 7, 50):
        config = TrainingConfig(
            hidden=(5,), iterations=50, batch_size=8, optimizer="adam", report_every=every
        )
        thetas.append(train(images["X"], images["y"], config, hooks=[Count()])[0].theta)
    assert Count.records == 50 + 8 + 1
    np.testing.assert_array_equal(thetas[0], thetas[1])
    np.testing.assert_array_equal(thetas[0], thetas[2])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_every_optimizer_learns_with_every_schedule(
    backend: Backend, images: dict[str, Any], optimizer: str, schedule: str
) -> None:
    config = TrainingConfig(
        hidden=(16,),
        optimizer=optimizer,
        schedule=schedule,
        learning_rate=0.02 if optimizer == "adam" else 0.2,
        batch_size=8,
        epochs=60,
    )
    _, history = train(images["X"], images["y"], config, backend=backend)
    assert history.training.accuracy == 1
