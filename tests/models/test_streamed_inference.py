"""Inference on data on disk: equal to that on the same data in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import (
    Blocks,
    DataError,
    Model,
    OutputError,
    Predictor,
    TrainingConfig,
    UsageError,
    evaluate,
    open_blocks,
    predict,
    save_model,
    split_blocks,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.backends.numpy_backend import NumpyBackend
from mnn_gpu.data.convert import convert
from mnn_gpu.data.npy_folder import reader as npy_folder
from mnn_gpu.storage.atomic_write import write_atomically
from tests.data.test_blocks import folder, frame
from tests.support import ranks
from tests.support.in_blocks import InBlocks
from tests.support.program import run, run_process
from tests.support.ranks import SharedJob

ROWS = 300


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(npy_folder, "BLOCK", 240)
    yield
    assert "mnn_gpu prefetch" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (ROWS, 12)).astype(np.uint8), rng.integers(0, 4, ROWS) * 2


@pytest.fixture(scope="module")
def model(data: tuple[Any, Any]) -> Model:
    config = TrainingConfig(hidden=(9,), epochs=3, batch_size=20, learning_rate=0.3)
    return train(*data, config, backend=NumpyBackend())[0]


@pytest.fixture
def path(data: tuple[Any, Any], tmp_path: Path) -> Path:
    return folder(tmp_path / "d", *data, 130)


@pytest.fixture
def blocks(path: Path) -> Blocks:
    return open_blocks(path)


# ---- in Python -----------------------------------------------------------------------


def test_predictions_and_scores_equal_those_in_memory(
    backend: Backend, data: tuple[Any, Any], model: Model, blocks: Blocks
) -> None:
    assert len(blocks.bounds) == 15
    streamed, in_memory = evaluate(model, blocks, None, backend), evaluate(model, *data, backend)
    assert (streamed.rows, streamed.errors) == (ROWS, in_memory.errors)
    assert streamed.loss == pytest.approx(in_memory.loss, rel=1e-5)
    expected = predict(model, data[0], backend)
    np.testing.assert_array_equal(predict(model, blocks, backend), expected)
    predictor = Predictor(model, backend)
    for _ in range(3):
        np.testing.assert_array_equal(predictor.predict(blocks), expected)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=9).filter(any),
    at_once=st.integers(1, 50),
)
@settings(deadline=None, max_examples=30)
def test_results_do_not_depend_on_the_division_into_blocks(
    data: tuple[Any, Any], model: Model, sizes: list[int], at_once: int
) -> None:
    X, y = (np.resize(array, (sum(sizes), *array.shape[1:])) for array in data)
    blocks = InBlocks(X, y, sizes, at_once)
    np.testing.assert_array_equal(predict(model, blocks), predict(model, X))
    assert evaluate(model, blocks).errors == evaluate(model, X, y).errors


def test_rows_that_are_not_held_out_are_predicted(
    data: tuple[Any, Any], model: Model, blocks: Blocks
) -> None:
    training, held_out = split_blocks(blocks, 70)
    whole = evaluate(model, *data)
    parts = evaluate(model, training), evaluate(model, held_out.X, held_out.labels())
    assert sum(part.errors for part in parts) == whole.errors
    assert len(predict(model, training)) == ROWS - 70


def test_predictions_ignore_labels(tmp_path: Path, data: tuple[Any, Any], model: Model) -> None:
    header = ",".join(f"p{i}" for i in range(12))
    np.savetxt(tmp_path / "d.csv", data[0], "%d", ",", header=header, comments="")
    convert(tmp_path / "d.csv", tmp_path / "bare", labelled=False, rows_per_file=99)
    bare = open_blocks(tmp_path / "bare")
    np.testing.assert_array_equal(predict(model, bare), predict(model, data[0]))
    with pytest.raises(DataError, match="has no labels"):
        evaluate(model, bare)


def test_invalid_arguments_are_refused(data: tuple[Any, Any], model: Model, blocks: Blocks) -> None:
    with pytest.raises(UsageError, match="has labels"):
        evaluate(model, blocks, data[1])
    with pytest.raises(DataError, match="no labels"):
        evaluate(model, data[0])
    wide = InBlocks(np.zeros((5, 13), np.uint8), np.zeros(5, np.int64), [5])
    for ask in (predict, evaluate):
        with pytest.raises(DataError, match="have 13 pixels, the model was trained on 12"):
            ask(model, wide)


def test_a_label_unknown_to_the_model_is_located(data: tuple[Any, Any], model: Model) -> None:
    y = data[1].copy()
    y[123] = 5
    blocks = InBlocks(data[0], y, [100, 100, 100])
    with pytest.raises(DataError, match="row 124: the label 5 is not one of the model's 4 classes"):
        evaluate(model, blocks)


def test_a_file_that_disappears_is_reported(path: Path, model: Model, blocks: Blocks) -> None:
    (path / "images-00001.npy").unlink()
    for ask in (predict, evaluate):
        with pytest.raises(DataError, match=r"images-00001\.npy cannot be read"):
            ask(model, blocks)


PEAK = """
import sys
from mnn_gpu import evaluate, load_model, open_blocks, predict, select_backend
from scripts.benchmarks.worker import peak_memory
model, backend = load_model(sys.argv[1]), select_backend("cpu")
small, large = map(open_blocks, sys.argv[2:])
peaks = []
# How much is read in advance depends on the threads' timing: three times, to fill the buffers.
for blocks in (small, small, small, large):
    predict(model, blocks, backend), evaluate(model, blocks, None, backend)
    peaks.append(peak_memory())
print(peaks[-1] - peaks[-2])
"""


MORE_MEMORY = pytest.mark.skipif(
    int(pyarrow.__version__.partition(".")[0]) < 21, reason="pyarrow before 21 keeps more memory"
)


@pytest.mark.parametrize(
    ("kind", "small", "large"),
    [
        ("folder", 60_000, 160_000),
        pytest.param("parquet", 10_000, 60_000, marks=MORE_MEMORY),
    ],
)
def test_memory_does_not_depend_on_the_size_of_the_data(
    tmp_path: Path, kind: str, small: int, large: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2_000, 784), np.uint8)
    model, _ = train(
        images, np.arange(len(images)) % 2, TrainingConfig(iterations=2), backend=NumpyBackend()
    )
    save_model(tmp_path / "m", model)
    paths = []
    for rows in (small, large):
        path = tmp_path / f"{rows}.{kind}"
        X, y = np.resize(images, (rows, 784)), np.arange(rows) % 2
        if kind == "folder":
            folder(path, X, y)
        else:
            frame(X, y).to_parquet(path, row_group_size=5_000)
        paths.append(str(path))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "m"), *paths]
    more = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # The images of the larger set have 78 MB more, in Parquet 39 MB.
    assert more < 25_000 * 1024


# ---- from the command line -------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, data: tuple[Any, Any], model: Model, path: Path) -> Path:
    """Return a folder with a model, and data in several formats."""
    save_model(tmp_path / "m", model)
    frame(*data).to_parquet(tmp_path / "d.parquet", row_group_size=70)
    assert path == tmp_path / "d"
    return tmp_path


SOURCES = [("d",), ("d", "--stream"), ("d.parquet", "--stream"), ("d.parquet",)]


@pytest.mark.parametrize("source", SOURCES)
def test_commands_give_the_same_results(home: Path, source: tuple[str, ...]) -> None:
    ways = {"in memory": ("d", "--no-stream"), "here": source}
    results = {
        way: run("evaluate", "m", "--data", *s, "--json", cwd=home) for way, s in ways.items()
    }
    read = {way: json.loads(result.stdout) for way, result in results.items()}
    assert read["here"]["errors"] == read["in memory"]["errors"]
    assert read["here"]["data"] == source[0]
    csv = [run("predict", "m", *s, cwd=home).stdout for s in ways.values()]
    assert csv[0] == csv[1]
    assert csv[0].startswith("ImageId,Label\n1,")
    assert len(csv[0].splitlines()) == ROWS + 1
    written = run("predict", "m", *source, "-o", "out.csv", cwd=home)
    assert written.stdout == ""
    assert (home / "out.csv").read_text() == csv[0]
    labels = json.loads(run("predict", "m", *source, "--json", cwd=home).stdout)["labels"]
    assert [line.split(",")[1] for line in csv[0].splitlines()[1:]] == list(map(str, labels))


def test_ranks_divide_the_blocks(home: Path, job: SharedJob) -> None:
    for command in (("evaluate", "m", "--json", "--data", "d"), ("predict", "m", "d")):
        alone = run_process(*command, cwd=home)
        assert job.run(2, *command, cwd=home).stdout == alone.stdout
    one = home / "one"
    one.mkdir()
    folder(one / "d", np.zeros((1, 12), np.uint8), [2])
    result = job.run(2, "evaluate", "m", "--json", "--data", one / "d", cwd=home)
    assert json.loads(result.stdout)["rows"] == 1


def test_a_rank_with_missing_blocks_ends_the_job(home: Path) -> None:
    code = """
from mpi4py import MPI
import pathlib, mnn_gpu
blocks = mnn_gpu.open_blocks("d")
MPI.COMM_WORLD.Barrier()
if MPI.COMM_WORLD.rank == 1:
    pathlib.Path("d/images-00002.npy").unlink()
try:
    mnn_gpu.predict(mnn_gpu.load_model("m"), blocks, comm=MPI.COMM_WORLD)
except mnn_gpu.MnnGpuError as error:
    kinds = MPI.COMM_WORLD.gather(type(error).__name__)
    if MPI.COMM_WORLD.rank == 0:
        print(kinds)
"""
    assert ranks.run_python(2, code, home) == "['RankError', 'DataError']\n"


def test_image_files_are_not_streamed(home: Path) -> None:
    result = run("predict", "m", "a.png", "--stream", cwd=home)
    assert result.returncode == 2
    assert "--stream is for data sets" in result.stderr


def test_data_that_are_not_converted_are_not_streamed(home: Path) -> None:
    for command in (("evaluate", "m", "--data"), ("predict", "m")):
        result = run(*command, "d.npz", "--stream", cwd=home)
        assert result.returncode == 4
        assert "mnn-gpu convert" in result.stderr


# ---- files in parts --------------------------------------------------------------------


def test_a_file_written_in_parts_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_atomically(path, (b"%d\n" % i for i in range(3)))
    assert path.read_bytes() == b"0\n1\n2\n"

    def broken() -> Iterator[bytes]:
        yield b"3\n"
        raise DataError("It broke.", "Mend it.")

    with pytest.raises(DataError):
        write_atomically(path, broken())
    assert path.read_bytes() == b"0\n1\n2\n"
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
    with pytest.raises(OutputError):
        write_atomically(tmp_path / "none" / "out.csv", iter([b"1"]))
