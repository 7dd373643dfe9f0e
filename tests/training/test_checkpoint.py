"""An interrupted run is resumed bit for bit, or refused."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

from mnn_gpu import (
    Augmentation,
    DivergedError,
    Hook,
    ModelFileError,
    OutputError,
    TrainingConfig,
    TrainingInterrupted,
    TrainingWarning,
    UsageError,
    select_backend,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.compiler.replay import Replay
from mnn_gpu.storage.safetensors_file import checksum, data_digest, load_with_checksum
from mnn_gpu.training import checkpoint

CONFIG = TrainingConfig(
    hidden=(8, 6),
    epochs=6,
    batch_size=7,
    optimizer="adamw",
    learning_rate=0.01,
    schedule="cosine",
    ema_decay=0.9,
    dropout=0.25,
    augmentation=Augmentation(half_turned=(1,)),
    image_shape=(3, 4),
)


class CutAfter(Hook):
    """Stands for somebody who interrupts the training."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration
        self.resumed: int | None = None

    def on_resume(self, iteration: int) -> None:
        self.resumed = iteration

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            raise KeyboardInterrupt


class OneByOne(NumpyBackend):
    """Makes a single step in each call."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "steps_per_call", 1)


def flipped(content: bytes) -> bytes:
    """Return the same with one bit of the numbers changed."""
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.fixture(scope="module")
def whole_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    X = np.random.default_rng(0).integers(0, 256, (20, 4), np.uint8)
    config = TrainingConfig(hidden=(3,), epochs=2, batch_size=5, patience=5)
    train(X, np.arange(20) % 3, config, validation=(X, np.arange(20) % 3), checkpoint=folder)
    return newest(folder)


def newest(folder: Path) -> Path:
    """Return the last checkpoint in a folder."""
    return max(folder.glob("checkpoint-*.safetensors"))


def alone(folder: Path) -> Path:
    """Return the last checkpoint in a folder, having removed the one before."""
    *others, last = sorted(folder.glob("checkpoint-*.safetensors"))
    for other in others:
        other.unlink()
    return last


def test_what_an_older_version_did_not_know_of_had_its_default(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_an_older_version(config: TrainingConfig) -> dict[str, Any]:
        return {name: v for name, v in asdict(config).items() if name != "matmul_precision"}

    with monkeypatch.context() as older:
        older.setattr(checkpoint, "asdict", as_an_older_version)
        train(images["X"], images["y"], TrainingConfig(iterations=2), checkpoint=tmp_path)
    again: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    train(images["X"], images["y"], TrainingConfig(iterations=2), **again)
    config = TrainingConfig(iterations=2, matmul_precision="bf16")
    with pytest.raises(UsageError, match="matmul_precision 'full', not 'bf16'"):
        train(images["X"], images["y"], config, **again)


def held_out(images: dict[str, Any]) -> tuple[Any, Any]:
    return images["X"][::3], images["y"][::3]


def test_a_cut_training_ends_with_the_same_bits(
    backend: Backend, images: dict[str, Any], tmp_path: Path
) -> None:
    everything: dict[str, Any] = {"backend": backend, "validation": held_out(images)}
    expected, history = train(images["X"], images["y"], CONFIG, **everything)
    everything |= {"checkpoint": tmp_path, "resume": True}
    for cut in (1, 5, 9, 17):
        with pytest.raises(TrainingInterrupted):
            train(images["X"], images["y"], CONFIG, hooks=[CutAfter(cut)], **everything)
    watch = CutAfter(10**9)
    model, resumed = train(images["X"], images["y"], CONFIG, hooks=[watch], **everything)
    assert watch.resumed is not None
    assert watch.resumed >= 17
    np.testing.assert_array_equal(model.theta, expected.theta)
    assert resumed.training == history.training
    times = [replace(record, seconds=0) for record in resumed.records]
    assert times == [replace(record, seconds=0) for record in history.records]


@given(cut=st.integers(1, 29), full=st.booleans(), report_every=st.integers(1, 11))
@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_it_does_not_matter_when_it_was_cut(
    images: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    cut: int,
    full: bool,
    report_every: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    config = replace(
        CONFIG, epochs=None, iterations=30, report_every=report_every, ema_decay=0.0, patience=100
    )
    config = replace(config, batch_size=None) if full else config
    arguments: dict[str, Any] = {"validation": held_out(images)}
    expected, _ = train(images["X"], images["y"], config, **arguments)
    with pytest.raises(TrainingInterrupted):
        train(
            images["X"],
            images["y"],
            config,
            hooks=[CutAfter(cut)],
            checkpoint=folder,
            **arguments,
        )
    model, _ = train(images["X"], images["y"], config, checkpoint=folder, resume=True, **arguments)
    np.testing.assert_array_equal(model.theta, expected.theta)


def test_a_finished_training_is_there_at_once(images: dict[str, Any], tmp_path: Path) -> None:
    expected, _ = train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    model, history = train(
        images["X"],
        images["y"],
        CONFIG,
        checkpoint=tmp_path,
        resume=True,
        hooks=[CutAfter(0)],
    )
    np.testing.assert_array_equal(model.theta, expected.theta)
    assert len(history.records) == 6


def test_a_checkpoint_is_never_overwritten_by_another_training(
    images: dict[str, Any], tmp_path: Path
) -> None:
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    before = newest(tmp_path).read_bytes()
    with pytest.raises(UsageError, match="already exists") as caught:
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    assert "Resume from it with --resume," in caught.value.cure
    assert "Resume from it with resume=True," in str(caught.value)
    assert newest(tmp_path).read_bytes() == before


def test_without_a_checkpoint_resuming_is_beginning(images: dict[str, Any], tmp_path: Path) -> None:
    model, _ = train(images["X"], images["y"], CONFIG, checkpoint=tmp_path / "a" / "b", resume=True)
    expected, _ = train(images["X"], images["y"], CONFIG)
    np.testing.assert_array_equal(model.theta, expected.theta)


def test_a_checkpoint_of_another_training_is_refused(
    images: dict[str, Any], tmp_path: Path
) -> None:
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    other = replace(CONFIG, learning_rate=0.02)
    with pytest.raises(UsageError, match=r"learning_rate 0\.01, not 0\.02") as caught:
        train(images["X"], images["y"], other, checkpoint=tmp_path, resume=True)
    assert "the settings of that run" in caught.value.cure
    with pytest.raises(UsageError, match="other data"):
        train(images["X"][:-1], images["y"][:-1], CONFIG, checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize("damage", ["torn", "empty", "foreign", "text"])
def test_a_damaged_checkpoint_is_an_error_with_a_cure(
    images: dict[str, Any], tmp_path: Path, damage: str
) -> None:
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    path = alone(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "torn": whole[: len(whole) // 2],
            "empty": b"",
            "foreign": save({"x": np.zeros(3)}),
            "text": b"epoch 6\n",
        }[damage]
    )
    with pytest.raises(ModelFileError, match="not a complete checkpoint") as caught:
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)
    assert caught.value.cure == "Remove it to start over."


def test_the_last_two_are_kept(images: dict[str, Any], tmp_path: Path) -> None:
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    per_epoch = -(-len(images["X"]) // 7)
    names = [f"checkpoint-{epoch * per_epoch:09d}.safetensors" for epoch in (5, 6)]
    assert sorted(path.name for path in tmp_path.glob("check*")) == names


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[: len(b) // 2], flipped])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(
    images: dict[str, Any], tmp_path: Path, damage: Any
) -> None:
    expected, _ = train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    path = newest(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    watch = CutAfter(10**9)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True, "hooks": [watch]}
    with pytest.warns(
        TrainingWarning, match=rf"{path.name} is not a complete.*Using the previous one"
    ):
        model, _ = train(images["X"], images["y"], CONFIG, **everything)
    assert watch.resumed == int(path.name[11:20]) * 5 // 6
    np.testing.assert_array_equal(model.theta, expected.theta)


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_no_flipped_bit_goes_unseen(whole_checkpoint: Path, data: st.DataObject) -> None:
    content = bytearray(whole_checkpoint.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    other = whole_checkpoint.with_name("other")
    other.write_bytes(content)
    arrays, metadata = load_with_checksum(whole_checkpoint)
    try:
        found, texts = load_with_checksum(other)
    except ValueError:
        return
    # Padding after the header may change; nothing else may.
    assert texts == metadata
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_files_of_other_names_are_left_alone(images: dict[str, Any], tmp_path: Path) -> None:
    names = ["checkpoint-best.safetensors", "checkpoint-5.safetensors", "checkpoint.safetensors"]
    for name in names:
        (tmp_path / name).write_text("mine")
    for _ in range(2):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)
    assert [(tmp_path / name).read_text() for name in names] == ["mine"] * 3
    assert len(list(tmp_path.glob("checkpoint-0*"))) == 2


def test_a_checkpoint_under_another_number_is_not_the_newest(
    images: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(TrainingInterrupted):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, hooks=[CutAfter(16)])
    renamed = tmp_path / "checkpoint-999999999999.safetensors"
    renamed.write_bytes(newest(tmp_path).read_bytes())
    with pytest.warns(TrainingWarning, match=r"its number is \d+"):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)
    assert len(list(tmp_path.glob("checkpoint-0*"))) == 2
    assert renamed.exists()


def test_what_a_killed_run_had_not_finished_is_cleared_away(
    images: dict[str, Any], tmp_path: Path
) -> None:
    torn = tmp_path / ".checkpoint-000000005.safetensors.x7k"
    torn.write_bytes(b"half")
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    assert not torn.exists()


SPECIAL = ("pipe", "dangling link", "link to a file elsewhere", "device", "folder")


def put_special(kind: str, path: Path, elsewhere: Path) -> None:
    """Put something that is no regular file at a path."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        targets = {"dangling link": "nothing", "device": "/dev/zero"}
        path.symlink_to(targets.get(kind, elsewhere))


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_run_resumes_past_what_is_no_regular_file_and_writes_in_its_own_folder(
    images: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run"
    elsewhere.write_text("mine")
    expected, _ = train(images["X"], images["y"], CONFIG, checkpoint=folder)
    last = newest(folder)
    last.unlink()
    put_special(kind, last, elsewhere)
    watch = CutAfter(10**9)
    everything: dict[str, Any] = {"checkpoint": folder, "resume": True, "hooks": [watch]}
    with pytest.warns(TrainingWarning) as caught:
        model, _ = train(images["X"], images["y"], CONFIG, **everything)
    assert "Using the previous one" in str(caught[0].message)
    assert watch.resumed == int(last.name[11:20]) * 5 // 6
    np.testing.assert_array_equal(model.theta, expected.theta)
    assert elsewhere.read_text() == "mine"
    # A folder of the name stays; everything else gives way to the new checkpoint.
    assert last.is_dir() == (kind == "folder")
    assert kind == "folder" or (last.is_file() and not last.is_symlink())


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_lock_is_a_file_in_the_folder_itself(
    images: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run"
    folder.mkdir()
    put_special(kind, folder / ".lock", elsewhere)
    with pytest.raises(OutputError, match=r"\.lock cannot be written"):
        train(images["X"], images["y"], CONFIG, checkpoint=folder)
    assert not elsewhere.exists()
    assert len(list(folder.iterdir())) == 1


def test_a_file_system_without_locks_is_named(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.warns(TrainingWarning, match="cannot be locked: No locks available"):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    assert newest(tmp_path).is_file()


def test_without_locks_a_run_removes_only_its_own_files(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    class Other(Hook):
        """Another run that writes into the same folder."""

        def on_start(self, iterations: int) -> None:
            for name in others:
                (tmp_path / name).write_bytes(b"half")

    others = {".checkpoint-000000002.safetensors.x7k", "checkpoint-000000001.safetensors"}
    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.warns(TrainingWarning, match="cannot be locked"):
        train(
            images["X"],
            images["y"],
            CONFIG,
            checkpoint=tmp_path,
            checkpoint_every=2,
            hooks=[Other()],
        )
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_size == 4} == others
    assert len(list(tmp_path.glob("checkpoint-*"))) == 3


def test_two_runs_do_not_share_a_folder(images: dict[str, Any], tmp_path: Path) -> None:
    class Second(Hook):
        def on_step(self, iteration: int) -> None:
            with pytest.raises(UsageError, match="Another run is using the folder"):
                train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)

    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, hooks=[Second()])
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("every", "kept"),
    [(1, [29, 30]), (10, [20, 30]), ("13", [26, 30]), ("1h", [30]), (None, [22, 30])],
)
def test_how_often_they_are_written(
    images: dict[str, Any], tmp_path: Path, every: Any, kept: list[int]
) -> None:
    config = replace(CONFIG, epochs=None, iterations=30, report_every=11)
    train(images["X"], images["y"], config, checkpoint=tmp_path, checkpoint_every=every)
    names = [f"checkpoint-{iteration:09d}.safetensors" for iteration in kept]
    assert sorted(path.name for path in tmp_path.glob("check*")) == names


def test_a_short_time_means_after_every_call(images: dict[str, Any], tmp_path: Path) -> None:
    everything: dict[str, Any] = {"backend": OneByOne(), "checkpoint_every": "0.000001s"}
    with pytest.raises(TrainingInterrupted):
        train(
            images["X"], images["y"], CONFIG, checkpoint=tmp_path, hooks=[CutAfter(9)], **everything
        )
    names = [f"checkpoint-{iteration:09d}.safetensors" for iteration in (8, 9)]
    assert sorted(path.name for path in tmp_path.glob("check*")) == names


@pytest.mark.parametrize("every", [0, -1, "0", "10x", "s", "", "1e3s", "0m", 1.5, True, "-5s"])
def test_how_often_must_be_meant(images: dict[str, Any], tmp_path: Path, every: Any) -> None:
    with pytest.raises(UsageError, match="checkpoint_every is"):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, checkpoint_every=every)


def test_a_training_goes_on_elsewhere(
    backend: Backend, images: dict[str, Any], tmp_path: Path
) -> None:
    """From the CPU to whichever device, and back."""
    cpu = select_backend("cpu")
    expected, _ = train(images["X"], images["y"], CONFIG, backend=cpu)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    for where, cut in ((cpu, 9), (backend, 17)):
        everything |= {"backend": where, "hooks": [CutAfter(cut)]}
        with pytest.raises(TrainingInterrupted):
            train(images["X"], images["y"], CONFIG, **everything)
    everything |= {"backend": cpu, "hooks": []}
    model, _ = train(images["X"], images["y"], CONFIG, **everything)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-3, atol=1e-4)


def test_a_folder_that_is_lost_does_not_end_the_training(
    images: dict[str, Any], tmp_path: Path
) -> None:
    class Loses(Hook):
        def on_step(self, iteration: int) -> None:
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    expected, _ = train(images["X"], images["y"], CONFIG)
    with pytest.warns(TrainingWarning, match="cannot be written.*continues") as caught:
        model, _ = train(
            images["X"], images["y"], CONFIG, checkpoint=tmp_path / "run", hooks=[Loses()]
        )
    assert len(caught) == 1
    np.testing.assert_array_equal(model.theta, expected.theta)


def test_a_disk_without_room_is_found_before_the_training(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(OutputError, match=r"has room for 0.0 MB, and 0.0 MB are needed"):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)


def rewritten(path: Path, metadata: dict[str, str], tensors: dict[str, Any]) -> None:
    """Put other values into a checkpoint, with the checksum that belongs to them."""
    with safe_open(path, framework="numpy") as file:
        before = file.metadata()
    arrays = {**load_file(path), **{name: np.asarray(array) for name, array in tensors.items()}}
    kept = {name: text for name, text in {**before, **metadata}.items() if name != "checksum"}
    save_file(arrays, path, {**kept, "checksum": checksum(arrays, kept)})


@pytest.mark.parametrize(
    "metadata",
    [
        {"settings": "[]"},
        {"settings": "null"},
        {"settings": "[" * 100_000},
        {"best": "7"},
        {"best": "true"},
        {"best": "-1"},
        {"best": "1e999"},
        {"number": "-5"},
        {"number": "31"},
        {"number": "9" * 400},
        {"number": "five"},
        {"seconds": "nan"},
        {"seconds": "-1"},
        {"seconds": "0"},
        {"best": "0"},
    ],
    ids=lambda metadata: f"{metadata}"[:50],
)
def test_what_a_checkpoint_tells_is_not_believed(
    images: dict[str, Any], tmp_path: Path, metadata: dict[str, str]
) -> None:
    config = replace(CONFIG, patience=50)
    everything: dict[str, Any] = {"validation": held_out(images), "checkpoint": tmp_path}
    train(images["X"], images["y"], config, **everything)
    rewritten(alone(tmp_path), metadata, {})
    with pytest.raises(ModelFileError, match="not a complete checkpoint"):
        train(images["X"], images["y"], config, resume=True, **everything)


def forged(table: Any, column: int, value: float) -> Any:
    """Return records of which the second has another value."""
    table = table.copy()
    table[1, column] = value
    return table


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("theta", lambda array: array.astype(np.int32)),
        ("theta", lambda array: array.astype(np.float64)),
        ("theta", lambda array: array * np.float32("nan")),
        ("optimizer_state1", lambda array: array[1:]),
        ("best", lambda array: array[1:]),
        ("best", lambda array: array.astype(np.int32)),
        ("finite_steps", lambda array: array - 1),
        ("records", lambda array: array[:, :6]),
        ("records", lambda array: array.astype(np.float32)),
        ("records", lambda array: array.ravel()),
        ("records", lambda array: array[::-1]),
        ("records", lambda array: array + 0.5),
        ("records", lambda array: array + 1e9),
        ("records", lambda array: array * np.nan),
        ("records", lambda array: array * -1),
        *(
            ("records", lambda array, column=column, value=value: forged(array, column, value))
            for column, value in [(0, 0), (1, 0), (1, 1e6), (2, -1), (3, -0.5), (3, 1.5), (4, -1)]
        ),
        *(
            ("records", lambda array, column=column, value=value: forged(array, column, value))
            for column, value in [(4, 1e9), (5, -1), (6, -0.5), (6, 1.5)]
        ),
        ("correct", lambda array: array * 0 - 1),
        ("correct", lambda array: array * 0 + 31),
        ("loss", lambda array: array * 0 - 1),
        ("loss", lambda array: array * np.float32("inf")),
        ("optimizer_state1", lambda array: array - 1),
    ],
)
def test_arrays_that_cannot_be_the_trainings_are_refused(
    images: dict[str, Any], tmp_path: Path, name: str, change: Any
) -> None:
    config = replace(CONFIG, patience=50)
    everything: dict[str, Any] = {"validation": held_out(images), "checkpoint": tmp_path}
    train(images["X"], images["y"], config, **everything)
    path = alone(tmp_path)
    rewritten(path, {}, {name: change(load_file(path)[name])})
    with pytest.raises(ModelFileError, match="not a complete checkpoint"):
        train(images["X"], images["y"], config, resume=True, **everything)


def test_reports_and_the_wanted_accuracy_may_change(images: dict[str, Any], tmp_path: Path) -> None:
    expected, _ = train(images["X"], images["y"], CONFIG)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(TrainingInterrupted):
        train(images["X"], images["y"], CONFIG, hooks=[CutAfter(9)], **everything)
    other = replace(CONFIG, report_every=2, target_accuracy=1.0)
    model, history = train(images["X"], images["y"], other, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)
    assert len(history.records) > 10


def test_other_classes_are_other_data(images: dict[str, Any], tmp_path: Path) -> None:
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    train(images["X"], images["y"], CONFIG, classes=[0, 1, 2, 3], **everything)
    with pytest.raises(UsageError, match="other data"):
        train(images["X"], images["y"], CONFIG, classes=[0, 1, 2, 7], **everything)


def test_a_diverged_training_does_not_spoil_its_checkpoint(
    images: dict[str, Any], tmp_path: Path
) -> None:
    config = TrainingConfig(hidden=(8,), learning_rate=1e30, iterations=60, report_every=50)
    everything: dict[str, Any] = {"checkpoint": tmp_path, "resume": True}
    with pytest.raises(DivergedError, match=r"from iteration [2-9] on"):
        train(images["X"], images["y"], config, hooks=[CutAfter(40)], **everything)
    assert not list(tmp_path.glob("checkpoint*"))


def test_an_interrupt_in_the_midst_of_a_step_keeps_the_last_record(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = train(images["X"], images["y"], CONFIG)
    run = Replay.__call__
    calls = 0

    def torn(self: Replay, state: Any, batches: Any) -> Any:
        nonlocal calls
        calls += 1
        result = run(self, state, batches)
        if calls == 5:  # As a second Ctrl-C does; the state has been written over.
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Replay, "__call__", torn)
    everything: dict[str, Any] = {
        "backend": select_backend("cpu"),
        "checkpoint": tmp_path,
        "resume": True,
    }
    with pytest.raises(KeyboardInterrupt) as caught:
        train(images["X"], images["y"], CONFIG, **everything)
    assert not isinstance(caught.value, TrainingInterrupted)
    model, _ = train(images["X"], images["y"], CONFIG, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)


@pytest.mark.parametrize("folder", ["", True, 5, "a\0b"])
def test_a_checkpoint_wants_the_name_of_a_folder(images: dict[str, Any], folder: Any) -> None:
    with pytest.raises(UsageError, match="checkpoint is"):
        train(images["X"], images["y"], CONFIG, checkpoint=folder)


def test_resuming_wants_a_checkpoint(images: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="resume needs a checkpoint"):
        train(images["X"], images["y"], CONFIG, resume=True)


def test_a_folder_that_cannot_be_made_is_found_before_the_training(
    images: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path / "file" / "run")


def test_data_sets_are_told_apart() -> None:
    X, y = np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(3)
    digests = {
        data_digest(X, y),
        data_digest(X.reshape(4, 3), y),
        data_digest(X, y + 1),
        data_digest(X.astype(np.int64), y),
        data_digest(X[::-1], y),
    }
    assert len(digests) == 5
    assert data_digest(X, y) == data_digest(np.asfortranarray(X), list(range(3)))


@pytest.mark.parametrize("before", ["mnn_gpu checkpoint 2", "mnn_gpu fit checkpoint 3"])
def test_a_checkpoint_of_another_version_or_command_is_refused(
    images: dict[str, Any], tmp_path: Path, before: str
) -> None:
    train(images["X"], images["y"], CONFIG, checkpoint=tmp_path)
    rewritten(newest(tmp_path), {"format": before}, {})
    with pytest.raises(ModelFileError, match="written by another version of mnn_gpu") as caught:
        train(images["X"], images["y"], CONFIG, checkpoint=tmp_path, resume=True)
    assert "Resume with the version" in caught.value.cure
