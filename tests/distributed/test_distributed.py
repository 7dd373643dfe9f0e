"""Training on several ranks: bit-identical to one rank, and terminated when one fails."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import LaunchError, TrainingConfig, UsageError, load_model
from mnn_gpu.data.mnist import bundled_mnist
from mnn_gpu.distributed import nccl
from mnn_gpu.distributed.launcher import Launch, launched
from mnn_gpu.distributed.timeout import timeout
from tests.support import failing_ranks, program, ranks
from tests.support.ranks import SharedJob
from tests.support.repeats import REPEATS

SMALL = ("--rows", "700", "--holdout", "100", "--device", "cpu")
# A longer search tries all of them.
DIFFERENCES = ["learning rate", "checkpoint", "bad option", "help"]
DIFFERENCES = DIFFERENCES if REPEATS == 1 else [*failing_ranks.DIFFERENCES]
KEPT = ("--data", "digits.npz", "--holdout", "100", "--device", "cpu")
RECIPES = {
    "full batches": (*KEPT, "--iterations", "12"),
    "minibatches": (
        *(*KEPT, "--hidden", "32", "16", "--batch-size", "128", "--epochs", "3"),
        *("--optimizer", "adam", "--lr", "0.01"),
    ),
    "everything": (
        *(*KEPT, "--recipe", "accurate", "--hidden", "32", "16", "--epochs", "3"),
        *("--batch-size", "96", "--dropout", "0.2", "--input-dropout", "0.1"),
        *("--clip-norm", "1", "--max-norm", "3", "--patience", "1"),
    ),
    "float32 sums": (*KEPT, "--batch-size", "50", "--iterations", "20", "--fast-reduce"),
    "fewer samples than shards": (
        *(*KEPT, "--rows", "30", "--holdout", "5", "--batch-size", "7", "--iterations", "20"),
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 700 of MNIST's images, which are faster to read than all of them."""
    made = tmp_path_factory.mktemp("jobs")
    digits = bundled_mnist("test")
    X, y = digits.X[:700].reshape(-1, 28, 28), digits.labels()[:700]
    np.savez(made / "digits.npz", x_train=X, y_train=y, x_test=X, y_test=y)
    return made


@pytest.mark.parametrize("name", RECIPES)
def test_any_number_of_ranks_writes_the_same_file(name: str, folder: Path, job: SharedJob) -> None:
    recipe = ("train", *RECIPES[name], "-q")
    alone = program.run(*recipe, "--shards", "8", "--out", "lone", cwd=folder)
    assert alone.returncode == 0, alone.stderr
    for count in (1, 2, 3, 4) if name == "minibatches" else (3,):
        job.run(count, *recipe, "--out", "many", cwd=folder)
        assert (folder / "many").read_bytes() == (folder / "lone").read_bytes()


def test_two_ranks_with_one_shard_each_write_the_same_file(folder: Path, job: SharedJob) -> None:
    recipe = ("train", *RECIPES["minibatches"], "--shards", "2", "-q")
    program.run(*recipe, "--out", "lone", cwd=folder)
    job.run(2, *recipe, "--out", "many", cwd=folder)
    assert (folder / "many").read_bytes() == (folder / "lone").read_bytes()


def test_an_interrupted_run_resumes_with_another_number_of_ranks(
    folder: Path, job: SharedJob
) -> None:
    recipe = ("train", *RECIPES["everything"], "--patience", "90")
    job.run(2, *recipe, "--out", "whole", cwd=folder)
    recipe = (*recipe, "--checkpoint", "kept", "--resume", "--out", "parts")
    for count, until in ((4, "2"), (1, "4"), (2, None)):
        stop = [] if until is None else ["--target-accuracy", "0.0001", "--report-every", until]
        result = job.run(count, *recipe, *stop, cwd=folder)
        assert ("resumed after" in result.stderr) == (count != 4)
    whole_theta, parts_theta = (load_model(folder / name).theta for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole_theta, parts_theta)


def test_only_rank_0_prints_and_writes(tmp_path: Path) -> None:
    """With a launcher, as users start it."""
    recipe = ("train", *SMALL, "--iterations", "12")
    result = ranks.run(3, *recipe, "--report-every", "5", "--json", cwd=tmp_path)
    assert result.returncode == 0
    report = json.loads(result.stdout)
    assert report["ranks"] == 3
    assert result.stderr.count("Training on 3 ranks") == 1
    assert result.stderr.count("iteration  5/12") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    program.run(*recipe, "--shards", "8", "--report-every", "5", "--out", "lone", cwd=tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "lone").read_bytes()


def test_evaluation_and_prediction_are_distributed(folder: Path, job: SharedJob) -> None:
    program.run("train", *KEPT, "--iterations", "5", "--out", "model", cwd=folder)
    predict = ("predict", "model", "digits.npz")
    for command in (("evaluate", "model", "--data", "digits.npz", "--json"), predict):
        alone = program.run(*command, cwd=folder)
        assert alone.returncode == 0, alone.stderr
        assert job.run(3, *command, cwd=folder).stdout == alone.stdout
    job.run(2, *predict, "-o", "labels.csv", cwd=folder)
    assert (folder / "labels.csv").read_text() == alone.stdout


def test_commands_that_are_not_distributed_run_once(tmp_path: Path, job: SharedJob) -> None:
    assert json.loads(job.run(2, "recipes", "--json", cwd=tmp_path).stdout)


# ---- failures ------------------------------------------------------------------------


@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("kind", failing_ranks.KINDS)
def test_a_rank_that_fails_terminates_the_job(kind: str, repeat: int) -> None:
    ended = failing_ranks.failing(kind, ranks=3)
    assert ended.status  # Neither 0 nor None, the status of a job that is still running.
    if kind != "killed":
        assert ended.first.startswith("rank 1 on ")


@pytest.mark.parametrize(
    ("arguments", "status", "cause"),
    [
        (("--data", "missing.csv"), 4, "error: There is no file or folder missing.csv."),
        (("--shards", "1"), 2, "error: 2 ranks cannot share 1 shards."),
        (("--lr", "1e30", "--iterations", "3"), 5, "error: The training diverged"),
        (("--nonsense",), 2, "error: unrecognized arguments: --nonsense"),
    ],
)
def test_an_error_of_all_ranks_is_reported_once(
    arguments: tuple[str, ...], status: int, cause: str, tmp_path: Path
) -> None:
    result = ranks.run(2, "train", *SMALL, *arguments, "--quiet", cwd=tmp_path)
    assert result.returncode == status
    assert result.stderr.count(cause) == 1
    assert "rank 1" not in result.stderr.split("Abort(")[0]


def test_ranks_with_other_data_are_refused(tmp_path: Path) -> None:
    for name, pixel in (("a.csv", 1), ("b.csv", 2)):
        lines = ["label,p0,p1", *[f"{i % 2},{pixel},{i}" for i in range(30)]]
        (tmp_path / name).write_text("\n".join(lines))
    command = [*program.PROGRAM, "train", "--holdout", "4", "--data"]
    result = ranks.start((1, [*command, "a.csv"]), (1, [*command, "b.csv"]), cwd=tmp_path)
    assert result.returncode == 2
    assert "error: The ranks have different data or labels: '" in result.stderr


@pytest.mark.parametrize("seed", range(REPEATS))
def test_a_job_that_is_interrupted_ends(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    job = failing_ranks.interrupted(rng.choice([2, 4]), rng.uniform(0, 3), tmp_path)
    assert job.status is not None


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_ranks_with_other_options_are_refused(kind: str, tmp_path: Path) -> None:
    job = failing_ranks.differing(kind, tmp_path)
    assert job.status == 2
    assert failing_ranks.DIFFERENCES[kind][1] in job.said
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_ends_before_mpi_starts_terminates_the_job(tmp_path: Path) -> None:
    other = [sys.executable, "-c", ""]
    command = [*program.PROGRAM, "train", *SMALL]
    result = ranks.start((1, command), (1, other), cwd=tmp_path, env={"MNN_RANK_TIMEOUT": "2"})
    assert result.returncode != 0


def test_a_stopped_rank_terminates_the_job(tmp_path: Path) -> None:
    code = """
import os, signal
from mpi4py import MPI
from mnn_gpu.distributed.connect import ranks_of
ranks = ranks_of(MPI.COMM_WORLD)
if ranks.rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
ranks.allgather(1)
"""
    command = [sys.executable, "-m", "mpi4py", "-c", code]
    result = ranks.start((2, command), cwd=tmp_path, env={"MNN_RANK_TIMEOUT": "1"})
    assert result.returncode == 3
    assert "error: The other ranks have not responded for 1 seconds." in result.stderr


def test_interrupts_end_the_wait_for_a_stopped_rank(tmp_path: Path) -> None:
    code = """
import os, signal, threading
from mpi4py import MPI
from mnn_gpu.distributed.connect import ranks_of
ranks = ranks_of(MPI.COMM_WORLD)
if ranks.rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
for seconds in (1, 1.2):  # The rank waits by then, also on a busy machine.
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
ranks.allgather(1)
"""
    result = ranks.start((2, [sys.executable, "-m", "mpi4py", "-c", code]), cwd=tmp_path)
    assert result.returncode == 130
    assert "rank 0: Interrupted while waiting for the other ranks." in result.stderr


def test_a_launcher_unknown_to_mpi_is_an_error(tmp_path: Path) -> None:
    result = program.run_process("train", *SMALL, cwd=tmp_path, env={"OMPI_COMM_WORLD_SIZE": "4"})
    assert result.returncode == 3
    assert result.stderr.startswith("error: The launcher started 4 ranks, but MPI has 1.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("raise ImportError('no such package')", "mpi4py cannot be imported"),
        ("raise RuntimeError('cannot load MPI library')", "mpi4py finds no MPI library"),
    ],
)
def test_a_launcher_without_mpi_is_an_error(module: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("")
    (tmp_path / "mpi4py" / "MPI.py").write_text(module)
    for rank, said in (("0", True), ("1", False)):
        result = program.run_process(
            *("train", *SMALL),
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PMI_SIZE": "2", "PMI_RANK": rank},
        )
        assert result.returncode == 3
        assert (cause in result.stderr) == said


def test_a_run_of_one_process_imports_no_mpi(tmp_path: Path) -> None:
    code = (
        "import sys; from mnn_gpu.cli.main import main\n"
        f"main(['train', *{SMALL!r}, '--iterations', '2'])\n"
        "mpi = ('mpi4py', 'mnn_gpu.distributed.mpi')\n"
        "assert not [name for name in sys.modules if name.startswith(mpi)]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}, Launch(2, 4)),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, Launch(0, 1)),
        ({"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "7"}, Launch(7, 8)),
        ({"PMIX_RANK": "3"}, Launch(3, None)),
        ({"PMI_SIZE": "many"}, Launch(0, None)),
    ],
)
def test_launchers_are_recognized_by_their_variables(
    environment: dict[str, str], expected: Launch | None
) -> None:
    assert launched(environment) == expected


def test_the_ranks_of_a_machine_divide_its_threads(tmp_path: Path) -> None:
    code = """
import os
os.environ.pop("OMP_NUM_THREADS", None)
from mnn_gpu.cli.mpi_job import Job
ranks = Job().connect()
from mnn_gpu.utils.threads import available_cores, thread_count
from mnn_gpu.backends.numpy_backend import NumpyBackend
share = max(available_cores() // ranks.processes_per_node, 1)
assert os.environ["OMP_NUM_THREADS"] == str(share)
assert NumpyBackend(ranks.processes_per_node).threads <= share
print(ranks.processes_per_node)
"""
    assert ranks.run_python(2, code, tmp_path) == "2\n"


# ---- in a user's program ---------------------------------------------------------------


def test_a_program_with_several_ranks_trains_one_model(tmp_path: Path, job: SharedJob) -> None:
    code = """
from mpi4py import MPI
import hashlib, mnn_gpu, numpy as np
comm = MPI.COMM_WORLD
rng = np.random.default_rng(0)
X, y = rng.integers(0, 256, (200, 30)).astype(np.uint8), rng.integers(0, 4, 200)
config = mnn_gpu.TrainingConfig(hidden=(8,), batch_size=32, epochs=3, shards=8)
model, history = mnn_gpu.train(X, y, config, validation=(X[:50], y[:50]), comm=comm)
scores = mnn_gpu.evaluate(model, X, y, comm=comm)
labels = mnn_gpu.predict(model, X, comm=comm)
assert scores.errors == int((labels != y).sum()) == history.training.errors
digests = comm.allgather(hashlib.sha256(model.theta.tobytes()).hexdigest())
assert len(set(digests)) == 1
alone, _ = mnn_gpu.train(X, y, config)
assert alone.theta.tobytes() == model.theta.tobytes()
if comm.rank == 0:
    print("same", comm.size)
"""
    assert job.run_python(3, code, tmp_path) == "same 3\n"


def test_a_hook_that_interrupts_stops_all_ranks_at_the_same_step(
    tmp_path: Path, job: SharedJob
) -> None:
    code = """
from mpi4py import MPI
import mnn_gpu, numpy as np
comm = MPI.COMM_WORLD
class Stop(mnn_gpu.Hook):
    def on_step(self, iteration):
        if iteration >= 40:
            raise KeyboardInterrupt
X, y = np.zeros((60, 9), np.uint8), np.arange(60) % 3
config = mnn_gpu.TrainingConfig(hidden=(4,), batch_size=10, epochs=100)
try:
    mnn_gpu.train(X, y, config, hooks=[Stop()], comm=comm)
except mnn_gpu.TrainingInterrupted as stop:
    done = comm.gather(stop.history.iterations)
    if comm.rank == 0:
        print(done[0] >= 40, done[0] < 100, done[0] == done[1], stop.exit_code)
"""
    assert job.run_python(2, code, tmp_path) == "True True True 130\n"


def test_ranks_with_other_arguments_are_refused(tmp_path: Path, job: SharedJob) -> None:
    code = """
from mpi4py import MPI
import mnn_gpu, numpy as np
from mnn_gpu import MLPClassifier, MLPRegressor, TrainingConfig, UsageError
comm = MPI.COMM_WORLD
odd = comm.rank == 1
X, y = np.arange(180).reshape(20, 9).astype(np.uint8), np.arange(20) % 3
quick = TrainingConfig(iterations=2, hidden=(4,))
model, _ = mnn_gpu.train(X, y, quick)
other, _ = mnn_gpu.train(X, y, TrainingConfig(iterations=3, hidden=(4,)))
calls = {
    "seed": lambda: mnn_gpu.train(X, y, TrainingConfig(seed=odd * 7), comm=comm),
    "resume": lambda: mnn_gpu.train(X, y, quick, checkpoint="kept", resume=odd, comm=comm),
    "checkpoint": lambda: mnn_gpu.train(X, y, quick, checkpoint="kept" if odd else None, comm=comm),
    "data or labels": lambda: mnn_gpu.train(X + odd, y, quick, comm=comm),
    "model": lambda: mnn_gpu.evaluate(other if odd else model, X, y, comm=comm),
    "labels": lambda: mnn_gpu.evaluate(model, X, y[::-1] if odd else y, comm=comm),
    "images": lambda: mnn_gpu.predict(model, X + odd, comm=comm),
    "call": lambda: (mnn_gpu.evaluate(model, X, y, comm=comm) if odd
                     else mnn_gpu.train(X, y, quick, comm=comm)),
    "alpha": lambda: MLPClassifier(alpha=1 + odd, comm=comm, device="cpu").fit(X, y),
    "solver": lambda: MLPRegressor(solver="lbfgs" if odd else "adam", comm=comm).fit(X, y),
}
for name, call in calls.items():
    try:
        call()
        said = "no error"
    except UsageError as error:
        said = error.cause.removeprefix("The ranks have different ").split(":")[0]
    said = comm.gather(said)
    if comm.rank == 0:
        print(name, *said, sep=", ")
"""
    reported = dict(line.split(", ", 1) for line in job.run_python(3, code, tmp_path).splitlines())
    expected = {name: name for name in reported} | dict.fromkeys(
        ("labels", "images"), "data or labels"
    )
    assert reported == {name: ", ".join([expected[name]] * 3) for name in reported}
    assert len(reported) == 10


def test_an_error_on_one_rank_is_raised_on_all(tmp_path: Path, job: SharedJob) -> None:
    code = """
from mpi4py import MPI
import mnn_gpu, numpy as np
comm = MPI.COMM_WORLD
X, y = np.zeros((20, 9), np.uint8), np.arange(20) % 3
if comm.rank == 1:
    y = y - 5
try:
    mnn_gpu.train(X, y, comm=comm)
except mnn_gpu.MnnGpuError as error:
    kinds = comm.gather(type(error).__name__)
    if comm.rank == 0:
        print(kinds, error.cause)
"""
    said = job.run_python(2, code, tmp_path)
    assert said.startswith("['RankError', 'DataError'] Rank 1 failed: y, row 1: the label -5")


def test_device_arrays_are_exchanged_through_the_host(tmp_path: Path, job: SharedJob) -> None:
    code = """
from mpi4py import MPI
import array_api_strict as strict, mnn_gpu, numpy as np
from mnn_gpu.backends.array_api_backend import PlainBackend
comm = MPI.COMM_WORLD
backend = PlainBackend.of(strict.zeros(1, device=strict.Device("device1")))
rng = np.random.default_rng(0)
X, y = rng.integers(0, 256, (100, 12)).astype(np.uint8), rng.integers(0, 3, 100)
config = mnn_gpu.TrainingConfig(hidden=(5,), batch_size=32, epochs=2, dtype="float64", shards=8)
model, _ = mnn_gpu.train(X, y, config, backend=backend, comm=comm)
alone, _ = mnn_gpu.train(X, y, config, backend=mnn_gpu.select_backend("cpu"))
np.testing.assert_allclose(model.theta, alone.theta, rtol=1e-10, atol=1e-12)
if comm.rank == 0:
    print("same")
"""
    assert job.run_python(2, code, tmp_path) == "same\n"


def test_a_difference_is_reported_with_ranks_and_values() -> None:
    from mnn_gpu.distributed.agreement import check_same
    from mnn_gpu.distributed.process_group import ProcessGroup

    class Six(ProcessGroup):
        size = 6

        def allgather(self, value: Any) -> list[Any]:
            return [value | {"lr": lr} for lr in ("1", "2", "1", "1", "1", "2")]

    with pytest.raises(UsageError, match=r"different lr: 1 on ranks 0, 2-4, 2 on ranks 1, 5\."):
        check_same(Six(), "train", {"lr": 1, "epochs": 3})


@pytest.mark.parametrize(
    ("given", "seconds"), [(None, 600), ("", 600), ("2.5", 2.5), ("0", math.inf)]
)
def test_the_timeout_comes_from_the_environment(
    given: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MNN_RANK_TIMEOUT", raising=False)
    if given is not None:
        monkeypatch.setenv("MNN_RANK_TIMEOUT", given)
    assert timeout() == seconds


@pytest.mark.parametrize("given", ["soon", "-1", "nan"])
def test_an_invalid_timeout_is_an_error(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNN_RANK_TIMEOUT", given)
    with pytest.raises(LaunchError, match="MNN_RANK_TIMEOUT is"):
        timeout()


def test_jax_trains_in_one_process() -> None:
    from mnn_gpu.distributed.process_group import ProcessGroup
    from mnn_gpu.training.train import with_shards

    class Two(ProcessGroup):
        size = 2

    class Jax:
        is_distributed = False

    with pytest.raises(UsageError, match="trains in one process"):
        with_shards(TrainingConfig(shards=2), Two(), Jax())  # type: ignore[arg-type]


def test_without_nccl_nccl_of_returns_none() -> None:
    class Cupy:
        __name__ = "no_cupy_at_all"

    assert nccl.nccl_of(Cupy()) is None
