"""`auto` for a job that can be measured: the device that is done first, set-up included."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import FallbackWarning, TrainingConfig, train
from mnn_gpu.backends import Backend, automatic, first_done, is_automatic
from mnn_gpu.backends.automatic import COLD, IN_USE, WARM, gpu_setup, has_chance
from mnn_gpu.backends.gpu_probe import probe
from mnn_gpu.training.job import Job
from tests.support.standin_cupy import CUDARuntimeError, install, standin


def measurement(**seconds: float) -> tuple[Callable[[Backend], float], list[str]]:
    """Return a measurement with these results, and the list of the devices that it measured."""
    measured: list[str] = []

    def seconds_left(backend: Backend) -> float:
        kind = backend.device.partition(":")[0]
        measured.append(kind)
        return seconds[kind]

    return seconds_left, measured


@pytest.mark.parametrize(
    ("cpu", "cuda", "taken", "reason"),
    [
        (1.0, 0.1, "cpu", "a GPU is set up in 2.0 s at least"),
        (2.0, 0.1, "cpu", "a GPU is set up in 2.0 s at least"),
        (3.0, 0.1, "cuda:0", None),
        (3.0, 3.0, "cuda:0", None),
        (3.0, 4.5, "cpu", "cuda:0 would take 4.5 s"),
        (math.inf, 9.0, "cuda:0", None),
    ],
)
def test_the_device_that_is_done_first_is_taken(
    monkeypatch: pytest.MonkeyPatch, cpu: float, cuda: float, taken: str, reason: str | None
) -> None:
    install(monkeypatch, standin())
    seconds_left, measured = measurement(cpu=cpu, cuda=cuda)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert first_done(seconds_left, setup=2.0).device == taken
    assert measured == (["cpu", "cuda"] if 2.0 < cpu < math.inf else ["cpu"])
    said = [str(warning.message) for warning in caught]
    if reason is None:
        assert said == []
    else:
        (text,) = said
        assert text.startswith(f"Using the CPU, which takes about {cpu:.1f} s; {reason}.")
        assert issubclass(caught[0].category, FallbackWarning)
        assert "\n" not in text


def test_a_short_job_does_not_use_the_gpu_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin())
    with pytest.warns(FallbackWarning, match="Using the CPU"):
        first_done(lambda _: 0.1, setup=2.0)
    assert probe.cache_info().currsize == 0


def test_without_cupy_nothing_is_measured() -> None:
    seconds_left, measured = measurement()
    if not automatic.may_have_gpu():
        assert first_done(seconds_left).device == "cpu"
        assert measured == []


def test_a_gpu_that_does_not_work_is_explained_if_the_job_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, standin(count=CUDARuntimeError(46)))
    seconds_left, measured = measurement(cpu=5.0)
    with pytest.warns(FallbackWarning, match="busy or reserved"):
        assert first_done(seconds_left, setup=2.0).device == "cpu"
    assert measured == ["cpu"]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 20))
def test_the_choice_costs_at_most_the_set_up_of_a_gpu(
    cpu: float, cuda: float, setup: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        install(monkeypatch, standin())
        taken = first_done(measurement(cpu=cpu, cuda=cuda)[0], setup=setup)
        probe.cache_clear()
    seconds, other = (cpu, setup + cuda) if taken.is_host else (setup + cuda, cpu)
    assert seconds <= other + setup


def test_the_set_up_depends_on_what_exists_already(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "none"))
    assert gpu_setup() == COLD
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    (tmp_path / "a.cubin").touch()
    assert gpu_setup() == WARM
    install(monkeypatch, standin())
    probe(0)
    assert gpu_setup() == IN_USE


def test_a_cpu_without_a_chance_is_known_from_the_number_of_operations() -> None:
    assert has_chance(1e12)
    assert not has_chance(1e18)


@pytest.mark.parametrize(
    ("device", "library", "variable", "expected"),
    [
        (None, "auto", None, True),
        ("auto", "auto", "cuda", True),
        (None, "auto", "cpu", False),
        ("cuda", "auto", None, False),
        ("cpu", "auto", None, False),
        ("auto", "numpy", None, False),
    ],
)
def test_a_device_or_library_that_is_named_is_never_replaced(
    monkeypatch: pytest.MonkeyPatch,
    device: str | None,
    library: str,
    variable: str | None,
    expected: bool,
) -> None:
    if variable is not None:
        monkeypatch.setenv("MNN_DEVICE", variable)
    assert is_automatic(device, library) is expected


# ---- training ------------------------------------------------------------------------


def choosing(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> list[str]:
    """Install a GPU and let jobs take these times; return the list of measured devices."""
    install(monkeypatch, standin())
    seconds_left, measured = measurement(**seconds)
    monkeypatch.setattr(Job, "seconds_left", lambda _, backend: seconds_left(backend))
    return measured


@pytest.mark.parametrize(("cpu", "device"), [(0.1, "cpu"), (50.0, "cuda:0")])
def test_train_takes_the_device_that_is_done_first_and_records_it(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any], cpu: float, device: str
) -> None:
    choosing(monkeypatch, cpu=cpu, cuda=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        model, _ = train(images["X"], images["y"], TrainingConfig(hidden=(4,), iterations=3))
    assert model.info["device"] == device


@pytest.mark.parametrize("first", ["cpu", "cuda"])
def test_a_resumed_run_stays_on_its_device(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any], tmp_path: Path, first: str
) -> None:
    from mnn_gpu import select_backend

    # What the other device would take is less: only the checkpoint decides.
    measured = choosing(monkeypatch, cpu=99.0 if first == "cpu" else 0.1, cuda=1.0)
    data = images["X"], images["y"], TrainingConfig(hidden=(4,), iterations=3)
    train(*data, backend=select_backend(first), checkpoint=tmp_path)
    model, _ = train(*data, checkpoint=tmp_path, resume=True)
    assert model.info["device"].startswith(first)
    assert measured == []


def test_the_trial_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any]
) -> None:
    from mnn_gpu import select_backend

    install(monkeypatch, standin())
    data = images["X"], images["y"], TrainingConfig(hidden=(4,), iterations=9, batch_size=7)
    with pytest.warns(FallbackWarning, match="Using the CPU"):
        chosen, _ = train(*data)
    named, _ = train(*data, backend=select_backend("cpu"))
    assert chosen.theta.tobytes() == named.theta.tobytes()
