"""Training on data that stay on the disk: as good as in memory, and the same bits each time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import (
    Augmentation,
    Blocks,
    DataError,
    DivergedError,
    Hook,
    TrainingConfig,
    TrainingInterrupted,
    TrainingWarning,
    UsageError,
    evaluate,
    load_mnist,
    load_model,
    open_blocks,
    split_blocks,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.data.convert import convert
from mnn_gpu.data.npy_folder import reader as npy_folder
from mnn_gpu.nn import network
from mnn_gpu.training.batches import epoch_order as stream
from mnn_gpu.training.batches.streaming import _some_rows
from tests.data.test_blocks import folder, frame
from tests.support.in_blocks import InBlocks
from tests.support.program import run, run_process
from tests.support.ranks import SharedJob

CONFIG = TrainingConfig(
    hidden=(8, 6), epochs=4, batch_size=7, optimizer="adam", learning_rate=0.01, shards=3
)
EVERYTHING = replace(
    CONFIG,
    dropout=0.25,
    input_dropout=0.1,
    augmentation=Augmentation(half_turned=(1,)),
    image_shape=(3, 4),
    ema_decay=0.9,
    scale_inputs=True,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Split few rows into many blocks and windows; verify that no thread is left."""
    monkeypatch.setattr(npy_folder, "BLOCK", 60)
    monkeypatch.setattr(stream, "WINDOW", 300)
    monkeypatch.setattr(stream, "MIN_WINDOW", 60)
    yield
    assert "mnn_gpu prefetch" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def path(images: dict[str, Any], tmp_path: Path) -> Path:
    return folder(tmp_path / "converted", images["X"], images["y"], 11)


@pytest.fixture
def blocks(path: Path) -> Blocks:
    blocks = open_blocks(path)
    assert len(blocks.bounds) == 7
    return blocks


class After(Hook):
    """Does something to a training, from an iteration on."""

    def __init__(self, iteration: int, work: Callable[[], Any]) -> None:
        self.iteration = iteration
        self.work = work

    def on_step(self, iteration: int) -> None:
        if iteration >= self.iteration:
            self.work()


def interrupt() -> None:
    raise KeyboardInterrupt


# ---- the same bits -------------------------------------------------------------------


@pytest.mark.parametrize("config", [CONFIG, EVERYTHING, replace(EVERYTHING, shards=None)])
def test_a_cut_training_ends_with_the_same_bits(
    backend: Backend, blocks: Blocks, images: dict[str, Any], tmp_path: Path, config: TrainingConfig
) -> None:
    held_out = images["X"][::3], images["y"][::3]
    everything: dict[str, Any] = {"backend": backend, "validation": held_out}
    expected, history = train(blocks, None, config, **everything)
    everything |= {"checkpoint": tmp_path / "kept", "checkpoint_every": 2, "resume": True}
    for cut in (3, 9, 10):
        with pytest.raises(TrainingInterrupted):
            train(blocks, None, config, hooks=[After(cut, interrupt)], **everything)
    model, resumed = train(blocks, None, config, **everything)
    np.testing.assert_array_equal(model.theta, expected.theta)
    for one, other in zip(resumed.records, history.records, strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)
    assert resumed.training == history.training


def test_where_records_and_checkpoints_fall_changes_no_bit(blocks: Blocks, tmp_path: Path) -> None:
    expected, _ = train(blocks, None, EVERYTHING)
    for every in (1, 3):
        config = replace(EVERYTHING, report_every=every)
        kept = tmp_path / f"{every}"
        model, _ = train(blocks, None, config, checkpoint=kept, checkpoint_every=every + 1)
        np.testing.assert_array_equal(model.theta, expected.theta)


def test_how_blocks_are_read_changes_no_bit(images: dict[str, Any]) -> None:
    found = [
        train(InBlocks(images["X"], images["y"], [9, 0, 12, 9], at_once), None, CONFIG)[0].theta
        for at_once in (1, 4, 100)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


JOB = ("--hidden", "8", "6", "--batch-size", "16", "--epochs", "3", "--device", "cpu")
RANDOM = ("--rotation", "10", "--dropout", "0.2", "--holdout", "20", "--seed", "3")


def test_any_number_of_ranks_makes_the_same_file(tmp_path: Path, job: SharedJob) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (300, 36)).astype(np.uint8), rng.integers(0, 3, 300)
    np.savez(tmp_path / "d.npz", x_train=X.reshape(-1, 6, 6), y_train=y)
    convert(tmp_path / "d.npz", tmp_path / "d", rows_per_file=37)
    recipe = ("train", "--data", "d", *JOB, *RANDOM)
    alone = run_process(*recipe, "--shards", "8", "--out", "lone", "-q", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    for count in (2, 3):
        job.run(count, *recipe, "--out", "many", "-q", cwd=tmp_path)
        assert (tmp_path / "many").read_bytes() == (tmp_path / "lone").read_bytes()
    kept = ("--checkpoint", "kept", "--resume", "--checkpoint-every", "4", "--out", "parts", "-q")
    job.run(4, *recipe, *kept, "--target-accuracy", "0.0001", "--report-every", "9", cwd=tmp_path)
    job.run(2, *recipe, *kept, cwd=tmp_path)
    parts, lone = (load_model(tmp_path / name) for name in ("parts", "lone"))
    np.testing.assert_array_equal(parts.theta, lone.theta)


# ---- as good as in memory --------------------------------------------------------------


def test_the_scale_of_inputs_is_that_of_rows_all_over_the_data() -> None:
    X = np.repeat(np.arange(200, dtype=np.uint8), 100)[:, None].repeat(12, 1)
    blocks = InBlocks(X, np.arange(len(X)) % 3, [15_000, 5_000, 0])
    found = _some_rows(blocks)
    assert len(found) == 16 * 256
    assert abs(found.mean() - X.mean()) < 10
    few = InBlocks(X[:5], np.arange(5), [5])
    np.testing.assert_array_equal(_some_rows(few), X[:5])


def test_one_whole_batch_is_one_step_in_memory(
    backend: Backend, images: dict[str, Any], blocks: Blocks
) -> None:
    config = replace(CONFIG, batch_size=30, shards=None, dtype="float64")
    streamed, history = train(blocks, None, config, backend=backend)
    in_memory, expected = train(images["X"], images["y"], config, backend=backend)
    np.testing.assert_allclose(streamed.theta, in_memory.theta, rtol=1e-9, atol=1e-12)
    assert history.training.errors == expected.training.errors
    assert history.training.loss == pytest.approx(expected.training.loss)


@pytest.mark.parametrize("shards", [None, 4])
def test_rows_sorted_by_label_are_learnt(
    tmp_path: Path, shards: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (X, y), (X_test, y_test) = load_mnist()
    rows = np.argsort(y[:6000], kind="stable")
    monkeypatch.setattr(npy_folder, "BLOCK", 60 * 784)
    monkeypatch.setattr(stream, "WINDOW", 2000 * 784)
    blocks = open_blocks(folder(tmp_path / "sorted", X[rows], y[rows]))
    assert len(blocks.bounds) == 101
    config = TrainingConfig(
        hidden=(32,), epochs=6, batch_size=50, optimizer="adam", learning_rate=0.003, shards=shards
    )
    held_out = X_test[:2000], y_test[:2000]
    _, streamed = train(blocks, None, config, validation=held_out)
    _, in_memory = train(X[rows], y[rows], config, validation=held_out)
    assert streamed.validation is not None
    assert in_memory.validation is not None
    assert in_memory.validation.accuracy > 0.88
    assert streamed.validation.accuracy > in_memory.validation.accuracy - 0.015


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_scores_are_those_of_all_rows(images: dict[str, Any], tmp_path: Path, dtype: Any) -> None:
    X = images["X"] if dtype == np.uint8 else images["X"] / np.float32(255)
    blocks = open_blocks(folder(tmp_path / "d", X, images["y"], 11))
    assert blocks.dtype == dtype
    model, history = train(blocks, None, CONFIG)
    assert history.training.rows == 30
    assert history.records[-1].epoch == 4
    alone = evaluate(model, X, images["y"])
    assert history.training.errors == alone.errors
    assert history.training.loss == pytest.approx(alone.loss, rel=1e-5)


def test_it_stops_early_by_held_out_rows(blocks: Blocks) -> None:
    training, held_out = split_blocks(blocks, 9)
    config = replace(CONFIG, epochs=400, patience=3, learning_rate=0.3)
    validation = held_out.X, held_out.labels()
    _, history = train(training, None, config, validation=validation)
    assert history.iterations < 400 * 3
    assert history.best is not None
    assert history.training.rows == 21
    assert history.validation is not None
    assert history.validation.rows == 9


def test_parquet_is_streamed_where_it_is_asked_for(
    images: dict[str, Any], path: Path, tmp_path: Path
) -> None:
    frame(images["X"], images["y"]).to_parquet(tmp_path / "d.parquet", row_group_size=7)
    train_it = ("train", *JOB, "--holdout", "0", "--json", "-q")
    found = {}
    for way in ("--stream", "--no-stream"):
        result = run(*train_it, "--data", "d.parquet", way, "--out", way[2:], cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        found[way] = json.loads(result.stdout)
    default = run(*train_it, "--data", "d.parquet", "--out", "default", cwd=tmp_path)
    assert json.loads(default.stdout)["training"] == found["--no-stream"]["training"]
    theta = {name: load_model(tmp_path / name).theta for name in ("stream", "no-stream")}
    assert not np.array_equal(theta["stream"], theta["no-stream"])
    one_group = tmp_path / "one.parquet"
    frame(images["X"], images["y"]).to_parquet(one_group)
    whole, _ = train(open_blocks(one_group), None, CONFIG)
    same = InBlocks(images["X"], images["y"], [30])
    np.testing.assert_array_equal(whole.theta, train(same, None, CONFIG)[0].theta)


def test_the_index_tells_the_shape_of_images(images: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=images["X"].reshape(-1, 3, 4), y_train=images["y"])
    convert(tmp_path / "d.npz", tmp_path / "shaped", rows_per_file=11)
    convert_flat = folder(tmp_path / "flat", images["X"], images["y"], 11)
    config = replace(EVERYTHING, image_shape=None)
    expected, _ = train(open_blocks(convert_flat), None, EVERYTHING)
    model, _ = train(open_blocks(tmp_path / "shaped"), None, config)
    np.testing.assert_array_equal(model.theta, expected.theta)
    with pytest.raises(UsageError, match="no images that can be deformed"):
        train(open_blocks(convert_flat), None, config)


# ---- refused input ---------------------------------------------------------------------


def test_whole_batches_are_refused(blocks: Blocks) -> None:
    with pytest.raises(UsageError, match="in batches") as caught:
        train(blocks, None, TrainingConfig())
    assert "--batch-size" in caught.value.cure


def test_labels_that_data_bring_are_not_given_again(blocks: Blocks, images: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="has labels"):
        train(blocks, images["y"], CONFIG)


def test_data_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("p,q\n1,2\n3,4\n")
    convert(tmp_path / "d.csv", tmp_path / "d", labelled=False)
    with pytest.raises(DataError, match="has no labels"):
        train(open_blocks(tmp_path / "d"), None, CONFIG)


def test_classes_that_are_not_all_are_refused(blocks: Blocks) -> None:
    with pytest.raises(DataError, match="the label 1 is not one of the model's 2 classes"):
        train(blocks, None, CONFIG, classes=[0, 2])
    model, _ = train(blocks, None, CONFIG, classes=[0, 1, 2, 7])
    assert model.classes.tolist() == [0, 1, 2, 7]


def test_some_rows_of_what_stays_on_the_disk_are_refused(path: Path) -> None:
    result = run("train", "--data", path, "--rows", "20", *JOB, cwd=path.parent)
    assert result.returncode == 2
    assert "--rows selects from data in memory" in result.stderr
    assert "--no-stream" in result.stderr


@pytest.mark.parametrize("command", [("train",), ("evaluate", "record")])
def test_what_comes_with_the_package_is_not_streamed(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    result = run(*command, "--stream", cwd=tmp_path)
    assert result.returncode == 2
    assert "--stream reads a file or folder" in result.stderr


def test_two_files_are_not_streamed(path: Path) -> None:
    result = run("train", "--data", path, path, "--stream", *JOB, cwd=path.parent)
    assert result.returncode == 2
    assert "--stream reads one file or folder" in result.stderr


def test_other_data_go_on_from_no_checkpoint(blocks: Blocks, tmp_path: Path) -> None:
    train(blocks, None, CONFIG, checkpoint=tmp_path / "kept")
    training, _ = split_blocks(blocks, 3)
    with pytest.raises(UsageError, match="other data"):
        train(training, None, CONFIG, checkpoint=tmp_path / "kept", resume=True)


# ---- faults while it runs --------------------------------------------------------------


def every_file(path: Path, work: Callable[[Path], Any]) -> Callable[[], None]:
    """Return what does something, once, to all files of images."""

    def once() -> None:
        for file in path.glob("images-*.npy"):
            work(file)

    return once


@pytest.mark.parametrize(
    ("work", "cause"),
    [
        (Path.unlink, "cannot be read"),
        (lambda file: os.truncate(file, 100), "has been truncated"),
    ],
)
def test_a_file_that_goes_away_ends_the_training(
    path: Path, blocks: Blocks, work: Any, cause: str
) -> None:
    config = replace(CONFIG, epochs=1000)
    once = every_file(path, lambda file: file.stat().st_size > 100 and work(file))
    with pytest.raises(DataError, match=rf"images-0000\d.npy {cause}"):
        train(blocks, None, config, hooks=[After(5, once)])


def test_labels_that_change_are_noticed(images: dict[str, Any]) -> None:
    class Changed(InBlocks):
        @property
        def classes(self) -> Any:
            return np.array([0, 1])

    changed = Changed(images["X"], images["y"], [10, 10, 10])
    with pytest.raises(DataError, match="was changed while it was trained on"):
        train(changed, None, CONFIG)


def test_a_training_that_diverges_names_its_rows(images: dict[str, Any]) -> None:
    X, y = (images["X"] / 255).astype(np.float32), images["y"]
    config = replace(CONFIG, optimizer="sgd", learning_rate=1e30, epochs=20, report_every=1)
    blocks = InBlocks(X, y, [11, 0, 12, 7])
    with pytest.raises(DivergedError) as caught:
        train(blocks, None, config)
    error = caught.value
    place = (error.iteration - 1) % 5
    assert error.rows is not None
    assert len(error.rows) == (7 if place < 4 else 2)
    assert len(set(error.rows.tolist())) == len(error.rows)
    order = stream.EpochOrder(blocks, config.seed, (error.iteration - 1) // 5, 7, 3)
    assert error.rows.tolist() == order.batch(place, len(error.rows)).tolist()


def test_want_of_memory_makes_smaller_shards(
    blocks: Blocks, images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []
    forward = network.forward

    def limited(layers: Any, X: Any, *rest: Any) -> Any:
        if X.shape[1] > 2:
            raise MemoryError
        most.append(X.shape[1])
        return forward(layers, X, *rest)

    monkeypatch.setattr(network, "forward", limited)
    # Microbatches of steps are then as large as those of the held-out rows.
    monkeypatch.setattr("mnn_gpu.backends.numpy_backend.WORKERS", 1)
    held_out = images["X"], images["y"]
    config = replace(CONFIG, shards=None)
    with pytest.warns(TrainingWarning, match="continuing with 2"):
        _, history = train(blocks, None, config, validation=held_out)
    assert history.training.rows == 30
    assert max(most) == 2
