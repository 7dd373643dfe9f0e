"""A step that is captured and launched is the plain step; what can't be captured runs plainly.

Where there is no CUDA, a stand-in device takes the place of its graphs: what is captured there
is done again, on the same memory, at each launch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace, device

from mnn_gpu import TrainingConfig, TrainingWarning
from mnn_gpu.backend import Backend
from mnn_gpu.backend.capturable import Capturable, Namespace, unwrapped
from mnn_gpu.backend.capture import Captured
from mnn_gpu.backend.numpy_backend import NumpyBackend
from mnn_gpu.backend.trees import leaves, mapped
from tests.libraries import Library, library
from tests.test_compile import EVERYTHING, problem


class Again:
    """A device that does again what it was asked for, on NumPy's arrays."""

    def __init__(self) -> None:
        self.products = 0
        self.launches = 0
        self.namespace = Namespace(library("numpy").xp, self.product)

    def product(self, A: Any, B: Any) -> Any:
        self.products += 1
        return A @ B

    def capturable(self, array: Any) -> Any:
        return self.namespace.wrapped(array)

    def plain(self, array: Any) -> Any:
        return unwrapped(array)

    def copy(self, array: Any) -> Any:
        return np.array(array)

    def overwrite(self, place: Any, array: Any) -> None:
        place[...] = array

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        def launch() -> None:
            self.launches += 1
            work()

        return launch

    def active(self) -> AbstractContextManager[Any]:
        return nullcontext()


class Refusing(Again):
    """A device on which nothing can be captured."""

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError("not during capture")


def runs(config: TrainingConfig, graphs: Again) -> tuple[Any, Any]:
    """Return the last state of a training, run plainly and captured."""
    backend = NumpyBackend()
    step, data, state, batches = problem(backend, config)
    plain = Backend.compile(backend, step, data)
    captured = Captured(step, data, plain, graphs)
    one, other = state, state
    for batch in batches:
        one, other = plain(one, batch), captured(other, batch)
    return one, other


@pytest.mark.parametrize("batch_size", [None, 8, 25])
@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
def test_a_captured_step_is_the_plain_step(
    batch_size: int | None, shard_rows: int | None, more: dict[str, Any]
) -> None:
    config = TrainingConfig(
        hidden=(6, 5),
        optimizer="adam",
        batch_size=batch_size,
        shard_rows=shard_rows,
        epochs=5,
        learning_rate=0.01,
        **more,
    )
    graphs = Again()
    plain, captured = runs(config, graphs)
    for one, other in zip(leaves(plain), leaves(captured), strict=True):
        np.testing.assert_array_equal(one, other)
    assert graphs.launches > 0
    # Every product of a launch is the device's own.
    assert graphs.products >= graphs.launches * 5


def test_what_cannot_be_captured_runs_as_it_is_and_says_so_once() -> None:
    config = TrainingConfig(hidden=(5,), batch_size=8, epochs=6)
    with pytest.warns(TrainingWarning, match=r"cannot be captured \(NotImplemented") as warned:
        plain, captured = runs(config, Refusing())
    assert len(warned) == 1
    for one, other in zip(leaves(plain), leaves(captured), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_state_from_elsewhere_is_left_alone() -> None:
    config = TrainingConfig(hidden=(5,), batch_size=25, epochs=3)
    backend = NumpyBackend()
    step, data, state, batches = problem(backend, config)
    captured = Captured(step, data, Backend.compile(backend, step, data), Again())
    first = captured(state, batches[0])
    theta = np.array(first.theta)
    one = np.array(captured(first, batches[1]).theta)
    np.testing.assert_array_equal(first.theta, theta)
    # Another state in between, then the first one once more.
    captured(state, batches[2])
    np.testing.assert_array_equal(captured(first, batches[1]).theta, one)


def test_wrapped_arrays_compute_as_their_library_does(lib: Library) -> None:
    namespace = Namespace(lib.xp, lambda A, B: A @ B)
    host = np.arange(6.0).reshape(2, 3)
    a, plain = namespace.wrapped(lib.asarray(host)), lib.asarray(host)
    assert array_namespace(a) is namespace
    assert device(a) == lib.device
    assert (a.shape, a.ndim, a.dtype) == ((2, 3), 2, plain.dtype)
    xp = lib.xp
    for one, other in (
        (a + 1, plain + 1),
        (1 - a, 1 - plain),
        (2 * a / 4, 2 * plain / 4),
        (-a, -plain),
        (a > 2, plain > 2),
        (a @ a.T, plain @ plain.T),
        (a[:1, :], plain[:1, :]),
        (namespace.sum(a, axis=1, keepdims=True), xp.sum(plain, axis=1, keepdims=True)),
        (namespace.concat([a, a]), xp.concat([plain, plain])),
        (namespace.astype(a, namespace.float32), xp.astype(plain, xp.float32)),
    ):
        assert isinstance(one, Capturable)
        np.testing.assert_array_equal(lib.to_numpy(unwrapped(one)), lib.to_numpy(other))
    with pytest.raises(TypeError, match="may not decide"):
        bool(a)


def test_trees_keep_their_form() -> None:
    tree = ([1, None], (2, (3,)))
    assert list(leaves(tree)) == [1, 2, 3]
    assert mapped(lambda leaf: leaf + 1, tree) == ((2, None), (3, (4,)))
