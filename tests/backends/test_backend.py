"""Default behavior of backends: compiled runs, parallel_map, errors, attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import DeviceError, UsageError
from mnn_gpu.backends import Backend
from mnn_gpu.backends.array_api_backend import PlainBackend
from mnn_gpu.step.execution import SERIAL, entries
from tests.support.libraries import Library, library, without_float64


class Two(NamedTuple):
    """A batch with an optional part."""

    one: Any
    other: Any = None


@dataclass(frozen=True)
class Watched(PlainBackend):
    """A backend that records when it is active, and explains one kind of error."""

    log: list[str] = field(default_factory=list)

    @contextmanager
    def active(self) -> Iterator[None]:
        self.log.append("active")
        yield
        self.log.append("over")

    def explain(self, error: BaseException) -> DeviceError | None:
        return DeviceError("It burns.", "Leave.") if isinstance(error, ArithmeticError) else None


def plain(workers: int = 1) -> Backend:
    numpy = library("numpy")
    return PlainBackend("numpy", "cpu", numpy.xp, 4, 1, workers=workers)


def watched() -> Watched:
    return Watched("numpy", "cpu", library("numpy").xp, 4, 1)


# ---- compiled runs -------------------------------------------------------------------------


def test_a_run_makes_one_step_for_each_entry_in_order(lib: Library) -> None:
    backend = PlainBackend.of(lib.asarray([0.0]))
    run = backend.compile(lambda data, state, batch: state * data + batch.one, lib.asarray(10.0))
    state = run(lib.asarray(0.0), Two(lib.asarray([1.0, 2.0, 3.0])))
    assert lib.owns(state)
    assert float(state) == 123
    assert float(run(state, Two(lib.asarray([])))) == 123


def test_entries_keep_missing_parts_missing() -> None:
    taken = list(entries(Two(np.arange(6).reshape(3, 2))))
    assert [type(entry) for entry in taken] == [Two] * 3
    assert [entry.one.tolist() for entry in taken] == [[0, 1], [2, 3], [4, 5]]
    assert [entry.other for entry in taken] == [None] * 3
    (both,) = entries(Two(np.array([7]), np.array([[8, 9]])))
    assert (both.one, both.other.tolist()) == (7, [8, 9])


# ---- parallel_map ------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 9))
def test_items_are_divided_evenly_among_the_workers_in_order(items: int, workers: int) -> None:
    runs = plain(workers).parallel_map(lambda array, part: [array, *part], "array", range(items))
    assert all(first == "array" for first, *_ in runs)
    assert [item for _, *part in runs for item in part] == list(range(items))
    sizes = [len(part) for _, *part in runs]
    assert len(sizes) == min(workers, items)
    assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + 1


def test_fuse_returns_the_update_unchanged_by_default() -> None:
    def update(theta: Any) -> tuple[Any, ...]:
        return (theta,)

    assert plain().fuse(update) is update


# ---- errors ------------------------------------------------------------------------------


def test_translate_errors_activates_the_device_and_explains_its_errors() -> None:
    backend = watched()
    with backend.translate_errors():
        backend.log.append("work")
    assert backend.log == ["active", "work", "over"]
    with pytest.raises(DeviceError, match="It burns") as caught, backend.translate_errors():
        raise ZeroDivisionError("smoke")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("at", ["begin", "end"])
@pytest.mark.parametrize(
    ("error", "expected"), [(ZeroDivisionError("smoke"), DeviceError), (KeyError("k"), KeyError)]
)
def test_errors_of_entering_and_leaving_the_device_are_also_explained(
    at: str, error: Exception, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def active(_: Backend) -> Iterator[None]:
        if at == "begin":
            raise error
        yield
        raise error

    monkeypatch.setattr(Watched, "active", active)
    with pytest.raises(expected), watched().translate_errors():
        pass


@pytest.mark.parametrize(
    "error", [KeyError("not the device's"), UsageError("ours", "already"), KeyboardInterrupt()]
)
def test_other_errors_are_not_changed(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, watched().translate_errors():
        raise error
    assert caught.value is error


def test_an_error_of_this_package_is_not_explained_again() -> None:
    class BothError(UsageError, ArithmeticError):
        """An error that the backend could also explain."""

    with pytest.raises(BothError), watched().translate_errors():
        raise BothError("ours", "already")


# ---- attributes --------------------------------------------------------------------------


def test_by_default_everything_is_done_at_once() -> None:
    backend = plain()
    assert (backend.cached, backend.workers) == (SERIAL.cached, SERIAL.workers)
    assert backend.threads == 1
    assert backend.prescales_pixels is True


def test_optional_attributes_are_keyword_only() -> None:
    backend = PlainBackend("numpy", "cpu", np, 4, 1, "there")
    assert backend.place == "there"
    assert (backend.cached, backend.workers) == (SERIAL.cached, SERIAL.workers)


def test_repr_shows_only_library_and_device() -> None:
    assert repr(plain()) == "PlainBackend(name='numpy', device='cpu')"
    with pytest.raises(FrozenInstanceError):
        plain().workers = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", ["float32", "float64", "int32"])
def test_a_dtype_is_found_by_its_name(lib: Library, name: str) -> None:
    backend = PlainBackend.of(lib.asarray([0.0]))
    assert backend.dtype(name) == getattr(lib.xp, name)


def test_a_device_without_float64_converts_what_need_not_be_float64() -> None:
    lib = without_float64()
    backend = PlainBackend.of(lib.asarray([0.0], "float32"))
    there = backend.asarray(np.array([0.5, 3.0]))
    assert there.dtype == lib.xp.float32
    np.testing.assert_array_equal(backend.to_numpy(there), [0.5, 3.0])
    assert backend.asarray([1]).dtype == lib.xp.int64


def test_a_device_without_float64_refuses_to_compute_in_it() -> None:
    backend = PlainBackend.of(without_float64().asarray([0.0], "float32"))
    with pytest.raises(UsageError, match=r"no_float64.* has no float64") as caught:
        backend.dtype("float64")
    assert "float32" in caught.value.cure
    with pytest.raises(UsageError, match="has no float64"):
        backend.asarray(np.zeros(1, np.float32), "float64")


def test_host_arrays_of_any_byte_order_are_copied(lib: Library) -> None:
    backend, host = PlainBackend.of(lib.asarray([0.0])), np.arange(3, dtype=">f4")
    host.flags.writeable = False
    np.testing.assert_array_equal(lib.to_numpy(backend.asarray(host)), host)


@pytest.mark.parametrize(("error", "expected"), [(MemoryError(), True), (OSError(), False)])
def test_is_out_of_memory_recognizes_memory_errors(error: Exception, expected: bool) -> None:
    assert plain().is_out_of_memory(error) is expected
