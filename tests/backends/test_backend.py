"""What every backend does unless it knows better: steps, runs of items, errors, defaults."""

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
from tests.support.libraries import Library, library


class Two(NamedTuple):
    """A batch of which one part may be missing."""

    one: Any
    other: Any = None


@dataclass(frozen=True)
class Watched(PlainBackend):
    """A backend that notes when it is active, and knows one of its errors."""

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


# ---- steps ---------------------------------------------------------------------------------


def test_a_run_makes_a_step_of_every_entry_in_turn(lib: Library) -> None:
    backend = PlainBackend.of(lib.asarray([0.0]))
    run = backend.compile(lambda data, state, batch: state * data + batch.one, lib.asarray(10.0))
    state = run(lib.asarray(0.0), Two(lib.asarray([1.0, 2.0, 3.0])))
    assert lib.owns(state)
    assert float(state) == 123
    assert float(run(state, Two(lib.asarray([])))) == 123


def test_entries_keep_what_is_missing_missing() -> None:
    taken = list(entries(Two(np.arange(6).reshape(3, 2))))
    assert [type(entry) for entry in taken] == [Two] * 3
    assert [entry.one.tolist() for entry in taken] == [[0, 1], [2, 3], [4, 5]]
    assert [entry.other for entry in taken] == [None] * 3
    (both,) = entries(Two(np.array([7]), np.array([[8, 9]])))
    assert (both.one, both.other.tolist()) == (7, [8, 9])


# ---- runs of items -----------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 9))
def test_items_are_spread_evenly_over_the_lanes_in_their_order(items: int, workers: int) -> None:
    runs = plain(workers).parallel_map(lambda array, part: [array, *part], "array", range(items))
    assert all(first == "array" for first, *_ in runs)
    assert [item for _, *part in runs for item in part] == list(range(items))
    sizes = [len(part) for _, *part in runs]
    assert len(sizes) == min(workers, items)
    assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + 1


def test_an_update_is_handed_back_where_nothing_is_faster() -> None:
    def update(theta: Any) -> tuple[Any, ...]:
        return (theta,)

    assert plain().fuse(update) is update


# ---- errors ------------------------------------------------------------------------------


def test_work_is_done_on_the_device_and_its_errors_are_explained() -> None:
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
def test_errors_of_entering_and_leaving_the_device_are_explained_too(
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
def test_what_is_not_the_devices_fault_stays_what_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, watched().translate_errors():
        raise error
    assert caught.value is error


def test_an_error_of_ours_is_not_explained_again() -> None:
    class BothError(UsageError, ArithmeticError):
        """One that the backend would explain too."""

    with pytest.raises(BothError), watched().translate_errors():
        raise BothError("ours", "already")


# ---- what it is --------------------------------------------------------------------------


def test_without_more_knowledge_everything_is_done_at_once() -> None:
    backend = plain()
    assert (backend.cached, backend.workers) == (SERIAL.cached, SERIAL.workers)
    assert backend.prescales_pixels is True


def test_what_a_backend_may_leave_out_is_given_by_name() -> None:
    backend = PlainBackend("numpy", "cpu", np, 4, 1, "there")
    assert backend.place == "there"
    assert (backend.cached, backend.workers) == (SERIAL.cached, SERIAL.workers)


def test_only_its_library_and_device_are_shown() -> None:
    assert repr(plain()) == "PlainBackend(name='numpy', device='cpu')"
    with pytest.raises(FrozenInstanceError):
        plain().workers = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", ["float32", "float64", "int32"])
def test_a_dtype_has_the_name_it_was_asked_by(lib: Library, name: str) -> None:
    backend = PlainBackend.of(lib.asarray([0.0]))
    assert backend.dtype(name) == getattr(lib.xp, name)


@pytest.mark.parametrize(("error", "expected"), [(MemoryError(), True), (OSError(), False)])
def test_want_of_memory_is_known_by_pythons_error(error: Exception, expected: bool) -> None:
    assert plain().is_out_of_memory(error) is expected
