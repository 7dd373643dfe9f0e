"""Failures during training: no results are lost, and messages say how to continue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import (
    DeviceError,
    DivergedError,
    Hook,
    OutputError,
    TrainingConfig,
    TrainingWarning,
    load_model,
    predict,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.cli.save_fallback import save_somewhere
from mnn_gpu.compiler.replay import Program
from mnn_gpu.utils.random_streams import SHUFFLE, generator
from tests.support.program import NO_STDERR, PROGRAM, prepared, run, run_process

MINIBATCHES = TrainingConfig(
    hidden=(8, 6), epochs=6, batch_size=10, optimizer="adam", learning_rate=0.01, dropout=0.25
)


class HookOnce(Hook):
    """Runs an action after the twelfth iteration."""

    def on_step(self, iteration: int) -> None:
        if iteration == 12:
            self.act()

    def act(self) -> None:
        raise NotImplementedError


# ---- out of memory -------------------------------------------------------------------


class Few(np.ndarray):
    """An array with which layers fail for more than `most` samples of 12 pixels."""

    most = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, Few) else x for x in inputs]
        if ufunc is np.matmul and plain[1].shape[0] == 12 and plain[1].shape[1] > Few.most:
            raise MemoryError(f"no memory for {plain[1].shape[1]} samples")
        result = getattr(ufunc, method)(*plain, **options)
        return result.view(Few) if isinstance(result, np.ndarray) else result


class Cramped(NumpyBackend):
    """A CPU with memory for a few samples only, without compilation."""

    def __init__(self, most: int) -> None:
        super().__init__()
        Few.most = most

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        there = super().asarray(array, dtype)
        return there.view(Few) if there.ndim == 2 else there

    compile = Backend.compile


@pytest.mark.parametrize("most", [1, 3, 9])
@pytest.mark.parametrize("batch_size", [None, 10])
def test_out_of_memory_halves_the_shards(
    images: dict[str, Any], most: int, batch_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Microbatches of steps are then as large as those of the held-out rows.
    monkeypatch.setattr("mnn_gpu.backends.numpy_backend.WORKERS", 1)
    config = replace(MINIBATCHES, batch_size=batch_size, epochs=3)
    held_out = images["X"][:15], images["y"][:15]
    expected, history = train(images["X"], images["y"], config, validation=held_out)
    with pytest.warns(TrainingWarning, match=r"cpu has no memory for .* continuing with") as caught:
        model, other = train(
            images["X"], images["y"], config, validation=held_out, backend=Cramped(most)
        )
    assert len(caught) == 1
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-5)
    assert len(other.records) == len(history.records)


def test_out_of_memory_in_the_last_evaluation_halves_the_shards(images: dict[str, Any]) -> None:
    class Full(Hook):
        def on_end(self) -> None:
            Few.most = 3

    expected, history = train(images["X"], images["y"], MINIBATCHES)
    with pytest.warns(TrainingWarning, match="has no memory for"):
        model, other = train(
            images["X"], images["y"], MINIBATCHES, hooks=[Full()], backend=Cramped(1000)
        )
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-5)
    assert len(other.records) == len(history.records)


def test_without_memory_for_one_sample_it_gives_up(images: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="ran out of memory") as caught:
        train(images["X"], images["y"], MINIBATCHES, backend=Cramped(0))
    assert "--shard-rows" in caught.value.cure


def test_a_step_interrupted_by_out_of_memory_is_not_repeated(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = train(images["X"], images["y"], MINIBATCHES)
    calls, done = 0, Program.run

    def torn(self: Program) -> None:
        nonlocal calls
        calls += 1
        done(self)
        if calls == 8:
            raise MemoryError

    monkeypatch.setattr(Program, "run", torn)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(DeviceError, match="ran out of memory"):
        train(images["X"], images["y"], MINIBATCHES, **everything)
    model, _ = train(images["X"], images["y"], MINIBATCHES, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)


# ---- a device that fails -------------------------------------------------------------


class Fragile(NumpyBackend):
    """A device that fails permanently at some step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        object.__setattr__(self, "left", step)

    def compile(self, *arguments: Any) -> Any:
        run = super().compile(*arguments)

        def failing(state: Any, batches: Any) -> Any:
            object.__setattr__(self, "left", self.left - 1)  # type: ignore[attr-defined]
            if self.left == 0:  # type: ignore[attr-defined]
                raise ConnectionError("cudaErrorLaunchFailure: unspecified launch failure")
            return run(state, batches)

        return failing

    def explain(self, error: BaseException) -> DeviceError | None:
        return DeviceError("The GPU failed.", "Restart.") if "cuda" in str(error) else None


@pytest.mark.parametrize("step", [1, 2, 4, 6])
def test_a_device_that_fails_leaves_the_last_checkpoint(
    images: dict[str, Any], tmp_path: Path, step: int
) -> None:
    expected, _ = train(images["X"], images["y"], MINIBATCHES)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(DeviceError, match=r"The GPU failed"):
        train(images["X"], images["y"], MINIBATCHES, backend=Fragile(step), **everything)
    model, _ = train(images["X"], images["y"], MINIBATCHES, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)


# ---- a loss that is not finite -------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 7])
def test_divergence_keeps_the_last_finite_parameters(
    backend: Backend, images: dict[str, Any], batch_size: int | None
) -> None:
    good = TrainingConfig(hidden=(8,), iterations=1, batch_size=batch_size, learning_rate=1e30)
    expected, _ = train(images["X"], images["y"], good, backend=backend)
    bad = replace(good, iterations=40, report_every=1)
    with pytest.raises(DivergedError) as caught:
        train(images["X"], images["y"], bad, backend=backend)
    model = caught.value.model
    assert model is not None
    assert model.info["iterations"] == caught.value.iteration - 1
    assert np.isfinite(model.theta).all()
    if caught.value.iteration == 2:
        np.testing.assert_array_equal(model.theta, expected.theta)


def test_divergence_names_the_batch(backend: Backend, images: dict[str, Any]) -> None:
    rows = len(images["X"])
    config = TrainingConfig(hidden=(8,), epochs=3, batch_size=7, learning_rate=1e30)
    with pytest.raises(DivergedError) as caught:
        train(images["X"], images["y"], config, backend=backend)
    per_epoch = -(-rows // 7)
    epoch, batch = divmod(caught.value.iteration - 1, per_epoch)
    assert f"(epoch {epoch + 1}, batch {batch + 1} of {per_epoch})" in caught.value.cause
    assert caught.value.rows is not None
    order = generator(SHUFFLE, config.seed, epoch).permutation(rows)
    assert caught.value.rows.tolist() == order[7 * batch : 7 * batch + 7].tolist()


def test_the_command_line_saves_the_last_finite_parameters(tmp_path: Path) -> None:
    options = ["--rows", "3000", "--batch-size", "50", "--hidden", "20", "--report-every", "1"]
    result = run("train", *options, "--lr", "1e18", "--out", "m", cwd=tmp_path)
    assert result.returncode == 5
    assert "the last finite ones, in m." in result.stderr
    assert load_model(tmp_path / "m").info["iterations"] > 0


# ---- signals -------------------------------------------------------------------------


def started(tmp_path: Path, *options: str) -> Any:
    """Start a long run; return its process after the first report."""
    command = ["train", "--iterations", "1000000", "--rows", "3000", "--report-every", "1"]
    whole = [*PROGRAM, *command, "--device", "cpu", "--out", str(tmp_path / "m"), *options]
    process = subprocess.Popen(
        # A background job of a shell starts with Ctrl-C ignored.
        prepared("signal.signal(signal.SIGINT, signal.SIG_DFL)", whole),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("iteration"):
            break
    return process


def test_sigterm_saves_the_current_parameters_and_says_how_to_resume(tmp_path: Path) -> None:
    process = started(tmp_path, "--checkpoint", str(tmp_path / "run"))
    try:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "with --resume continues from there" in stderr
    assert "Traceback" not in stderr
    assert load_model(tmp_path / "m").info["iterations"] > 0
    assert list((tmp_path / "run").glob("checkpoint-*"))


SIGNALLED = """
import os, signal, sys
module, number = sys.argv.pop(1), int(sys.argv.pop(1))
signal.signal(signal.SIGINT, signal.default_int_handler)
class Sends:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Sends())
from mnn_gpu.cli.start import main
sys.exit(main())
"""
"""Runs the program, which sends itself a signal before importing a given module."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module", ["mnn_gpu.cli.main", "argparse", "numpy", "numpy.linalg", "mnn_gpu.training.trainer"]
)
def test_a_signal_during_imports_ends_the_program_in_order(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", SIGNALLED, module, str(int(number)), "train", "--rows=2000"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 128 + number
    assert result.stderr.endswith("Interrupted.\n")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_reports_at_once_that_the_step_is_finishing(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = started(tmp_path)
    try:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert f"{number.name}: finishing this step, then saving." in stderr
    assert load_model(tmp_path / "m").info["iterations"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, "--hidden", "1500", "1500")
    try:
        process.send_signal(number)
        time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr


def test_a_program_s_own_sigterm_handler_is_kept(images: dict[str, Any]) -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:

        class Sends(HookOnce):
            def act(self) -> None:
                os.kill(os.getpid(), signal.SIGTERM)

        train(images["X"], images["y"], MINIBATCHES, hooks=[Sends()])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [1]


# ---- disks ---------------------------------------------------------------------------


NO_FILE_ABOVE = (
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
)
"""Every write beyond a number of bytes fails, as on a full disk."""


def test_a_full_disk_loses_no_checkpoint_and_no_model(tmp_path: Path) -> None:
    options = ["--rows", "2000", "--epochs", "4", "--batch-size", "50", "--optimizer", "adam"]
    command = [*PROGRAM, "train", *options, "--device", "cpu", "--checkpoint", "run"]
    result = subprocess.run(
        # A model has 32 KB, a checkpoint 97.
        prepared(NO_FILE_ABOVE.format(size=64_000), [*command, "--out", "m"]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("note: ") == 1
    assert "cannot be written: File too large. Training continues" in result.stderr
    assert load_model(tmp_path / "m").info["iterations"] == 144
    assert not list((tmp_path / "run").glob(".check*"))


def test_a_model_that_cannot_be_written_is_saved_elsewhere(
    images: dict[str, Any], tmp_path: Path
) -> None:
    result = run_process(
        *("train", "--rows", 2000, "--iterations", 3, "--out", "/dev/full"),
        env={"TMPDIR": str(tmp_path)},
    )
    assert result.returncode == 4
    assert "No space left on device. The model is in" in result.stderr
    (place,) = tmp_path.glob("mnn_gpu-*/full")
    assert str(place) in result.stderr
    assert load_model(place).info["iterations"] == 3


def test_a_model_is_saved_in_the_home_folder_as_a_last_resort(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = train(images["X"], images["y"], MINIBATCHES)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OutputError, match="The model is in") as caught:
        save_somewhere(tmp_path / "gone" / "m", model)
    (place,) = tmp_path.glob("mnn_gpu-*/m")
    assert str(place) in caught.value.cause
    np.testing.assert_array_equal(
        predict(load_model(place), images["X"]), predict(model, images["X"])
    )
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    with pytest.raises(OutputError) as caught:
        save_somewhere(tmp_path / "gone" / "m", model)
    assert caught.value.cause.endswith("m cannot be written: No such file or directory.")


def test_invalid_output_paths_are_refused(tmp_path: Path) -> None:
    options = ["train", "--rows", 2000, "--iterations", 3]
    for more, cause in (
        (["--checkpoint", ""], "checkpoint is ''"),
        (["--checkpoint", "run", "--out", "run"], "--out is the folder of the checkpoints"),
    ):
        result = run(*options, *more, cwd=tmp_path)
        assert result.returncode == 2
        assert cause in result.stderr
    assert not list(tmp_path.iterdir())


# ---- environment ---------------------------------------------------------------------


def test_a_minimal_environment_is_sufficient(tmp_path: Path) -> None:
    """No terminal, locale, home folder or user."""
    result = subprocess.run(
        [*PROGRAM, "train", "--rows", "2000", "--iterations", "3", "--device", "cpu"],
        capture_output=True,
        cwd=tmp_path,
        env={"LANG": "C", "LC_ALL": "C", "HOME": "/nonexistent", "PATH": ""},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    assert load_model(tmp_path / "model.safetensors").info["iterations"] == 3


@pytest.mark.parametrize("closed", ["stdout", pytest.param("stderr", marks=NO_STDERR), "stdin"])
def test_a_closed_stream_loses_no_model(tmp_path: Path, closed: str) -> None:
    number = {"stdin": 0, "stdout": 1, "stderr": 2}[closed]
    command = [*PROGRAM, "train", "--rows", "2000", "--iterations", "3", "--device", "cpu"]
    result = subprocess.run(
        prepared(f"os.close({number})", command),
        cwd=tmp_path,
        stdout=None if closed == "stdout" else subprocess.PIPE,
        stderr=None if closed == "stderr" else subprocess.PIPE,
        check=False,
    )
    assert result.returncode == 0
    assert load_model(tmp_path / "model.safetensors").info["iterations"] == 3


def test_setting_the_clock_back_has_no_effect(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = train(images["X"], images["y"], MINIBATCHES)
    now = time.time()

    class BackInTime(HookOnce):
        def act(self) -> None:
            monkeypatch.setattr(time, "time", lambda: now - 1e6)
            for path in tmp_path.glob("checkpoint-*"):
                os.utime(path, (0, 0))
            raise KeyboardInterrupt

    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        train(images["X"], images["y"], MINIBATCHES, hooks=[BackInTime()], **everything)
    model, history = train(images["X"], images["y"], MINIBATCHES, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)
    assert 0 <= history.seconds < 60
