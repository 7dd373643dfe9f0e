"""The gradient of a sharded batch: equal to the plain gradient, bit-identical for any ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import TrainingConfig, UsageError, train
from mnn_gpu.backends import Backend
from mnn_gpu.nn.parameters import flatten, init_parameters, parameter_count
from mnn_gpu.step.batch import Batch, NetworkSpec, StepData, batch_samples, shard_samples
from mnn_gpu.step.execution import SERIAL
from mnn_gpu.step.gradient import LossAndGradient, batch_sums, upcast
from mnn_gpu.step.sharded_gradient import sharded_sums
from mnn_gpu.step.sharding import BatchSharding
from mnn_gpu.step.tree_sum import tree_sum
from tests.support.libraries import Library, without_float64

SIZES = (6, 5, 3)
TASK = NetworkSpec(layer_sizes=SIZES)


def problem(lib: Library, m: int, dtype: str) -> tuple[Any, StepData, Any]:
    """Return theta, the data and the sample weight."""
    rng = np.random.default_rng(m)
    theta = flatten(init_parameters(SIZES, rng))
    X, labels = rng.integers(0, 256, (m, 6)).astype(np.uint8), rng.integers(0, 3, m)
    data = StepData(lib.asarray(X), lib.asarray(labels, "int32"), ())
    return lib.asarray(theta, dtype), data, lib.asarray(1 / m, dtype)


def of_rank(
    lib: Library, m: int, dtype: str, sharding: BatchSharding, rows: int = 4
) -> LossAndGradient:
    theta, data, share = problem(lib, m, dtype)
    own = [i for part in sharding.parts(m) for i in range(m)[part]]
    batch = Batch(theta[:0], lib.asarray(np.array(own, np.int32)), sample_weight=share)
    parts = shard_samples(data, batch, TASK, len(sharding.mine), rows)
    return sharded_sums(theta, TASK, parts, share, sharding)


@pytest.mark.parametrize("shards", [1, 3, 8, 20])
@pytest.mark.parametrize("m", [1, 5, 33])
def test_it_equals_the_plain_gradient(lib: Library, shards: int, m: int) -> None:
    theta, data, _ = problem(lib, m, "float64")
    rows = lib.asarray(np.arange(m, dtype=np.int32))
    plain = batch_sums(theta, TASK, batch_samples(data, Batch(theta[:0], rows), TASK, 100))
    shared = of_rank(lib, m, "float64", BatchSharding(shards))
    assert lib.owns(shared.gradient)
    for one, other in zip(shared, plain, strict=True):
        np.testing.assert_allclose(lib.to_numpy(one), lib.to_numpy(other), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("m", [2, 33])
@pytest.mark.parametrize(("shards", "ranks"), [(8, 2), (8, 3), (8, 8), (13, 5), (20, 2)])
def test_any_number_of_ranks_is_bit_identical(
    lib: Library, shards: int, ranks: int, m: int, is_wide: bool
) -> None:
    alone = of_rank(lib, m, "float32", BatchSharding(shards, is_wide=is_wide))
    given: list[tuple[Any, Any]] = []
    for rank in range(ranks):
        sharding = BatchSharding(shards, rank, ranks, is_wide)

        def kept(own: Sequence[Any], out: Any, sharding: BatchSharding = sharding) -> None:
            branches = sharding.branches_of(sharding.rank)
            given.extend(zip(branches, map(lib.to_numpy, own), strict=True))

        with np.errstate(invalid="ignore"):  # Its result stays uninitialized.
            of_rank(lib, m, "float32", replace(sharding, exchange=kept))
    dtype = np.dtype(np.float64 if is_wide else np.float32)
    branches, vectors = zip(*given, strict=True)
    whole = tree_sum(branches, vectors, lambda a, b: np.add(a, b, dtype=dtype)).astype(np.float32)
    parameters = parameter_count(SIZES)
    np.testing.assert_array_equal(whole[:parameters], lib.to_numpy(alone.gradient))
    assert whole[parameters] == lib.to_numpy(alone.loss)
    assert whole[parameters + 1] == lib.to_numpy(alone.correct)


def test_sums_are_float64_where_the_device_has_it(lib: Library) -> None:
    for dtype in ("float32", "float64"):
        assert upcast(lib.asarray([0.5], dtype)).dtype == lib.xp.float64
    there = without_float64()
    assert upcast(there.asarray([0.5], "float32")).dtype == there.xp.float32


def test_empty_shards_preserve_the_sign_of_zero(lib: Library) -> None:
    theta, _, share = problem(lib, 1, "float32")
    nothing = sharded_sums(theta, TASK, [[]], share, BatchSharding(1), execution=SERIAL)
    assert np.signbit(lib.to_numpy(nothing.gradient)).all()


@pytest.mark.parametrize("batch_size", [None, 7, 2])
def test_training_with_shards_equals_training(
    backend: Backend, images: dict[str, Any], batch_size: int | None
) -> None:
    config = TrainingConfig(hidden=(4,), epochs=5, batch_size=batch_size, dtype="float64")
    plain, _ = train(images["X"], images["y"], config, backend=backend)
    for shards in (1, 4, 11):
        shared, history = train(
            images["X"], images["y"], replace(config, shards=shards), backend=backend
        )
        np.testing.assert_allclose(shared.theta, plain.theta, rtol=1e-10, atol=1e-13)
        assert history.training.rows == 30


def test_a_shard_is_the_same_for_any_number_of_threads(
    images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mnn_gpu.backends.numpy_backend import NumpyBackend

    config = TrainingConfig(hidden=(40, 20), epochs=3, batch_size=25, shards=8)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(
            "mnn_gpu.backends.numpy_backend.thread_count", lambda _, threads=threads: threads
        )
        found.append(train(images["X"], images["y"], config, backend=NumpyBackend())[0].theta)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_shards_must_be_a_whole_number() -> None:
    with pytest.raises(UsageError, match="shards is 0"):
        TrainingConfig(shards=0)
    with pytest.raises(UsageError, match="fast_reduce is 1"):
        TrainingConfig(fast_reduce=1)  # type: ignore[arg-type]
