"""Failures of a GPU, on the stand-in for CUDA: reported, explained, and recovered if possible."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import DeviceError, TrainingConfig, TrainingWarning, select_backend, train
from mnn_gpu.backends.gpu_probe import probe
from mnn_gpu.compiler.cuda_graphs import cublas, cuda_graphs
from mnn_gpu.distributed.nccl import NcclAllReduce, between_gpus
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.models.model_file import load_model
from mnn_gpu.nn.matmul_precision import low_precision_matmul
from mnn_gpu.step.sharding import BatchSharding
from tests.support.cuda_standin.control import IS_IN_FRONT, get, put, run, settings
from tests.support.mpiexec import launcher

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not IS_IN_FRONT, reason="requires scripts/test --cuda-standin"),
]

TRAIN = ("train", "--device", "cuda", "--rows", "600", "--iterations", "20", "--hidden", "8", "-q")
SELECT = """
from mnn_gpu import DeviceError, select_backend
try:
    print(select_backend("cuda:%d").device)
except DeviceError as error:
    print(error.stage, error.cause, sep=": ")
"""
FORKED = """
import os
from mnn_gpu import select_backend
select_backend("cuda")
if os.fork() == 0:
""" + "".join(f"    {line}\n" for line in (SELECT % 0).splitlines()) + """    os._exit(0)
os.wait()
"""  # fmt: skip


def program(*arguments: object, ranks: int = 1, **values: int) -> tuple[int, str]:
    start = [*launcher(), "-n", str(ranks)] if ranks > 1 else []
    command = [*start, sys.executable, "-m", "mnn_gpu", *map(str, arguments)]
    result = run(*command, **values)
    assert "Traceback" not in result.stdout
    return result.returncode, result.stdout


def data(rows: int = 400) -> tuple[Any, Any]:
    X = np.random.default_rng(0).integers(0, 256, (rows, 30), np.uint8)
    return X, np.arange(rows) % 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"driver": 0}, "driver: No NVIDIA driver was found"),
        ({"driver": 11000}, "device count: The NVIDIA driver is too old"),
        ({"devices": 0}, "device count: The NVIDIA driver works, but no GPU is visible"),
        ({"busy": 1}, "allocate: GPU 0 is busy"),
        ({"memory": 1000}, "GPU 0 is out of memory"),
        ({"fail_launch": 1}, "elementwise kernel: The GPU failed"),
        ({"fail_product": 13}, "matrix product: The GPU failed"),
        ({"fail_create": 1}, "matrix product: The GPU failed"),
        ({"sticky": 719}, "allocate: The GPU failed (CUDARuntimeError: cudaErrorLaunchFailure"),
        ({"devices": 2}, "cuda:0"),
    ],
)
def test_the_probe_reports_the_cause(values: dict[str, int], said: str) -> None:
    assert said in run(sys.executable, "-c", SELECT % 0, **values).stdout


def test_the_probe_names_a_missing_gpu() -> None:
    assert run(sys.executable, "-c", SELECT % 1, devices=2).stdout == "cuda:1\n"
    assert "index in range" in run(sys.executable, "-c", SELECT % 1, devices=1).stdout


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (2, "GPU 0 is out of memory"),
        (3, "does not work after a fork"),
        (209, "CuPy for CUDA 13.0 does not support the architecture of GPU 0"),
        (222, "driver is too old: it supports CUDA 13.0"),
        (719, "The GPU failed (CUDARuntimeError: cudaErrorLaunchFailure"),
        (803, "The NVIDIA driver is not ready"),
    ],
)
def test_a_cuda_error_has_its_cause_and_cure(status: int, cause: str) -> None:
    probe.cache_clear()
    with settings(sticky=status), pytest.raises(DeviceError) as caught:
        select_backend("cuda")
    assert cause in caught.value.cause
    assert "--device cpu" in caught.value.cure


def test_the_proposed_cupy_depends_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    probe.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match="CuPy is not installed") as caught:
        select_backend("cuda")
    assert "cupy-cuda13x[ctk]" in caught.value.cure


def test_a_driver_that_is_too_old_is_reported() -> None:
    probe.cache_clear()
    with settings(driver=12040), pytest.raises(DeviceError, match=r"supports CUDA 12\.4") as caught:
        select_backend("cuda", local_rank=1)
    assert "cupy-cuda12x[ctk]" in caught.value.cure


def test_devices_lists_working_and_failing_gpus() -> None:
    status, said = program("devices", devices=2)
    assert status == 0
    assert [said.count(text) for text in ("cuda:0  CUDA stand-in", "cuda:1", "PASS")] == [1, 1, 2]
    status, said = program("devices", devices=2, busy=2)
    assert status == 0
    assert said.count("FAIL (stage: allocate)") == 2
    assert said.endswith("--device auto selects cpu (numpy)\n")


INHERITED = """
import os
from mnn_gpu import DeviceError, select_backend
gpu = select_backend("cuda")
if os.fork() == 0:
    try:
        with gpu.translate_errors():
            gpu.asarray([1.0])
    except DeviceError as error:
        print(error.cause, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_child_cannot_use_the_backend_of_its_parent() -> None:
    assert "does not work after a fork" in run(sys.executable, "-c", INHERITED).stdout


def test_a_forked_child_reports_why_it_has_no_gpu() -> None:
    said = run(sys.executable, "-c", FORKED).stdout
    assert "The GPU" in said or "fork" in said
    assert "cuda:0" not in said


FAILING = """
import sys
from mnn_gpu import DeviceError, Hook, TrainingConfig, select_backend, train
from tests.support.cuda_standin.control import put
from tests.backends.test_cuda_failures import data
class Fail(Hook):
    def on_step(self, iteration):
        put(sys.argv[1], int(sys.argv[2]))
try:
    config = TrainingConfig(hidden=(8,), batch_size=50, iterations=400)
    train(*data(), config, backend=select_backend("cuda"), hooks=[Fail()])
except DeviceError as error:
    print(error.stage, error.cause)
"""


@pytest.mark.parametrize(
    ("graphs", "fault", "value", "name"),
    [
        ("0", "fail_launch", 2, "LaunchFailure"),
        ("1", "fail_launch", 2, "LaunchFailure"),
        # A graph already contains its products.
        ("0", "fail_product", 13, "EXECUTION_FAILED"),
    ],
)
def test_a_gpu_that_fails_during_a_run_is_reported(
    graphs: str, fault: str, value: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, graphs)
    said = run(sys.executable, "-c", FAILING, fault, str(value)).stdout
    assert said.startswith("running The GPU failed")
    assert name in said


@pytest.mark.parametrize("error", [1, 701])
def test_a_refused_launch_is_an_error_and_the_next_run_is_correct(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "0")
    gpu = select_backend("cuda")
    config = TrainingConfig(hidden=(8,), batch_size=50, iterations=20)
    expected, _ = train(*data(), config, backend=gpu)
    names = {1: "InvalidValue", 701: "LaunchOutOfResources"}
    with (
        settings(fail_launch=40, launch_error=error),
        pytest.raises(DeviceError, match=names[error]) as caught,
    ):
        train(*data(), config, backend=gpu)
    assert "--device cpu" in caught.value.cure
    model, _ = train(*data(), config, backend=gpu)
    np.testing.assert_array_equal(model.theta, expected.theta)


@pytest.mark.parametrize("nth", [1, 5])
def test_a_refused_launch_in_a_graph_disables_capture_with_a_warning(
    nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = select_backend("cuda")
    config = TrainingConfig(hidden=(8,), batch_size=50, iterations=200)
    expected, _ = train(*data(), config, backend=gpu)
    captured = cuda_graphs.CudaGraphs.captured

    def refused(*arguments: Any) -> Any:
        put("fail_launch", nth)
        return captured(*arguments)

    monkeypatch.setattr(cuda_graphs.CudaGraphs, "captured", refused)
    with settings(fail_launch=0, launch_error=701), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model, _ = train(*data(), config, backend=gpu)
    assert any("LaunchOutOfResources" in str(warning.message) for warning in said)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-5, atol=1e-6)


def test_the_command_line_exits_with_code_3(tmp_path: Path) -> None:
    status, said = program(*TRAIN, "--out", tmp_path / "m.safetensors", fail_launch=40)
    assert status == 3, said
    assert "error" in said


ROUNDED = """
import numpy as np
from mnn_gpu import select_backend
from mnn_gpu.nn.matmul_precision import low_precision_matmul
A, B = np.random.default_rng(0).standard_normal((2, 50, 50)).astype("float32")
gpu = select_backend("cuda")
for bits in (8, 11):
    ours = gpu.to_numpy(gpu.low_precision_matmul(gpu.asarray(A), gpu.asarray(B), bits))
    print(np.allclose(ours, low_precision_matmul(A, B, bits), rtol=1e-5, atol=1e-5))
"""


@pytest.mark.parametrize("capability", [70, 90])
def test_products_are_also_rounded_on_gpus_before_ampere(capability: int) -> None:
    said = run(sys.executable, "-c", ROUNDED, capability=capability).stdout
    assert said.split() == ["True", "True"]


def test_products_are_rounded_without_cublas(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = select_backend("cuda")
    A, B = np.random.default_rng(0).standard_normal((2, 50, 50)).astype("float32")
    monkeypatch.setattr(cublas, "library_names", lambda version: ("no library",))
    found = gpu.to_numpy(gpu.low_precision_matmul(gpu.asarray(A), gpu.asarray(B), 11))
    np.testing.assert_allclose(found, low_precision_matmul(A, B, 11), rtol=1e-5, atol=1e-5)


def test_out_of_memory_halves_the_microbatches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "0")
    gpu: Any = select_backend("cuda")
    X, y = data(2000)
    config = TrainingConfig(hidden=(512,), iterations=2, shard_rows=2000)
    expected, _ = train(X, y, config, backend=gpu)
    gc.collect()
    gpu.cupy.get_default_memory_pool().free_all_blocks()
    free, total = gpu.cupy.cuda.runtime.memGetInfo()
    with (
        settings(memory=total - free + (5 << 20)),
        pytest.warns(TrainingWarning, match="samples at a time"),
    ):
        model, _ = train(X, y, config, backend=gpu)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-6)


def test_compiled_steps_free_all_resources() -> None:
    gpu = select_backend("cuda")
    config = TrainingConfig(hidden=(8,), batch_size=50, iterations=30)
    lives = []
    for _ in range(3):
        train(*data(), config, backend=gpu)
        gc.collect()
        kinds = ("streams", "cublas", "graphs", "instances", "allocations")
        lives.append({kind: get(kind) for kind in kinds})
    assert lives[1] == lives[2]


def test_a_deleted_backend_frees_its_handles_and_streams() -> None:
    lives = []
    for _ in range(2):
        train(*data(), TrainingConfig(hidden=(8,), iterations=5), backend=select_backend("cuda"))
        gc.collect()
        lives.append((get("cublas"), get("streams")))
    assert lives[0] == lives[1]


def test_training_uses_the_requested_gpu(tmp_path: Path) -> None:
    models = []
    for device in ("cuda:0", "cuda:1"):
        out = tmp_path / f"{device[-1]}.safetensors"
        status, said = program(*TRAIN, "--device", device, "--out", out, devices=2)
        assert status == 0, said
        models.append(load_model(out).theta)
    np.testing.assert_array_equal(models[0], models[1])


def test_a_run_only_allocates_memory_on_the_chosen_gpu() -> None:
    code = """
import cupy
from mnn_gpu import TrainingConfig, select_backend, train
from tests.backends.test_cuda_failures import data
gpu = select_backend("cuda:1")
print(gpu.asarray([1.0]).device.id)
train(*data(), TrainingConfig(hidden=(8,), batch_size=50, iterations=400), backend=gpu)
for index in (0, 1):
    with cupy.cuda.Device(index):
        print(cupy.get_default_memory_pool().total_bytes() > 0)
"""
    assert run(sys.executable, "-c", code, devices=2).stdout.split() == ["1", "False", "True"]


HANDLES = """
import gc, os
from mnn_gpu import select_backend
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from tests.support.cuda_standin.control import get
gpu = select_backend("cuda:1")
before = get("cublas")
with gpu.active():
    graphs = CudaGraphs(gpu.cupy)
gpu.cupy.cuda.Device(0).use()
if os.fork() == 0:
    graphs.cublas.clear()
    gc.collect()
    os._exit(0)
os.wait()
print(get("cublas") - before)
graphs.cublas.clear()
gc.collect()
print(get("cublas") - before)
"""


def test_handles_are_destroyed_on_their_device_and_not_in_a_forked_child() -> None:
    assert run(sys.executable, "-c", HANDLES, devices=2).stdout.startswith("4\n0\n")


CONTEXTS = """
import threading, types
from mnn_gpu import TrainingConfig, select_backend, train
from mnn_gpu.distributed.nccl import NcclAllReduce
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.step.sharding import BatchSharding
from tests.support.cuda_standin.control import get
from tests.backends.test_cuda_failures import data
gpu = select_backend("cuda:1")
train(*data(), TrainingConfig(hidden=(8,), batch_size=50, iterations=100), backend=gpu)
with gpu.active():
    exchange = NcclAllReduce(gpu.cupy, ProcessGroup(), BatchSharding(8, is_wide=True), "float32")
    exchange([gpu.asarray([1.0] * 8, "float32")], gpu.cupy.zeros(8, "float32"))
print(get("context_0"), get("context_1"))
polls = threading.Semaphore(0)
exchange.comm = types.SimpleNamespace(check_async_error=polls.release)
for _ in range(2):  # when the second begins, the first is over
    polls.acquire()
print(get("context_0"), get("context_1"))
"""


def test_a_rank_has_no_context_on_the_gpu_of_another() -> None:
    """Neither its main thread nor its watchdog creates one."""
    assert run(sys.executable, "-c", CONTEXTS, devices=2).stdout == "0 1\n0 1\n"


def test_a_busy_gpu_does_not_affect_others() -> None:
    said = run(sys.executable, "-c", SELECT % 1, devices=2, busy=1).stdout
    assert said == "cuda:1\n"
    automatic = "from mnn_gpu import select_backend; print(select_backend().device)"
    assert run(sys.executable, "-c", automatic, devices=2, busy=1).stdout == "cuda:1\n"


@pytest.mark.parametrize("before", [0, 1])
def test_the_current_device_of_a_thread_is_restored(before: int) -> None:
    code = f"""
import cupy
from mnn_gpu import select_backend
cupy.cuda.Device({before}).use()
for index in (0, 1):
    select_backend(f"cuda:{{index}}").asarray([1.0])
    print(cupy.cuda.Device().id)
"""
    said = run(sys.executable, "-c", code, devices=2).stdout
    assert said == f"{before}\n" * 2


def test_nccl_with_one_rank_returns_its_own_sums() -> None:
    gpu: Any = select_backend("cuda")
    with gpu.active():
        for dtype in ("float32", "float64"):
            exchange = NcclAllReduce(
                gpu.cupy, ProcessGroup(), BatchSharding(8, is_wide=True), dtype
            )
            host = np.random.default_rng(0).standard_normal(1001).astype(dtype)
            out = gpu.cupy.zeros(host.shape, "float32")
            for _ in range(3):
                exchange([gpu.asarray(host)], out)
            np.testing.assert_array_equal(gpu.to_numpy(out), host.astype("float32"))


def test_without_nccl_gradients_are_exchanged_through_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu: Any = select_backend("cuda")
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", None)
    with pytest.warns(TrainingWarning, match="through the host"):
        assert between_gpus(gpu, ProcessGroup(), BatchSharding(8, is_wide=True), "float32") is None


def test_a_failed_exchange_leaves_no_open_group_of_calls() -> None:
    gpu: Any = select_backend("cuda")

    def fail(*_: object) -> None:
        raise RuntimeError("no send")

    with gpu.active():
        exchange = NcclAllReduce(
            gpu.cupy, ProcessGroup(), BatchSharding(8, is_wide=True), "float32"
        )
        own, out = gpu.asarray(np.arange(8, dtype=np.float32)), gpu.cupy.zeros(8, "float32")
        comm, exchange.comm = exchange.comm, SimpleNamespace(send=fail, check_async_error=int)
        with pytest.raises(RuntimeError, match="no send"):
            exchange([own], out)
        exchange.comm = comm
        exchange([own], out)
        np.testing.assert_array_equal(gpu.to_numpy(out), np.arange(8))


@pytest.mark.parametrize("graphs", ["0", "1"])
def test_two_ranks_with_a_gpu_each_equal_one(
    graphs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, graphs)
    models = []
    for ranks in (1, 2):
        out = tmp_path / f"{ranks}.safetensors"
        options = ("--batch-size", 100, "--shards", 4, "--out", out)
        status, said = program(*TRAIN, *options, ranks=ranks, devices=2)
        assert status == 0, said
        assert "through the host" not in said
        models.append(out.read_bytes())
    assert models[0] == models[1]


RANKS = """
import hashlib, sys, warnings
from mpi4py import MPI
from mnn_gpu import TrainingConfig, select_backend, train
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from tests.support.cuda_standin.control import put
from tests.backends.test_cuda_failures import data
comm = MPI.COMM_WORLD
gpu = select_backend("cuda", local_rank=comm.rank)
if comm.rank == 1 and len(sys.argv) > 1:
    put(sys.argv[1], 1)
captured, launched = CudaGraphs.captured, []
def counted(*arguments):
    launch = captured(*arguments)
    return lambda: (launch(), launched.append(1))
CudaGraphs.captured = counted
config = TrainingConfig(hidden=(8,), batch_size=50, iterations=100, optimizer="adam")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    model, _ = train(*data(), config, backend=gpu, comm=comm)
found = hashlib.sha256(model.theta.tobytes()).hexdigest(), len(launched)
everyones = comm.gather((*found, [str(warning.message)[:40] for warning in said]))
if comm.rank == 0:
    thetas, launches, messages = zip(*everyones)
    print(len(set(thetas)), min(launches) > 50, max(launches) > 50, *messages)
"""


@pytest.mark.parametrize("devices", [1, 2])
def test_ranks_capture_graphs_before_and_after_their_exchange(
    devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the host, or over NCCL."""
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    start = (*launcher(), "-n", "2", sys.executable, "-m", "mpi4py", "-c", RANKS)
    said = run(*start, devices=devices).stdout
    assert said.startswith("1 True True"), said
    assert "cannot be captured" not in said


def test_if_one_rank_cannot_capture_no_rank_does_and_all_warn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "1")
    start = (*launcher(), "-n", "2", sys.executable, "-m", "mpi4py", "-c", RANKS)
    said = run(*start, "fail_instantiate", devices=2).stdout
    assert said.startswith("1 False False"), said
    assert said.count("The step cannot be captured") == 2, said


def test_two_ranks_that_share_a_gpu_exchange_through_the_host(tmp_path: Path) -> None:
    options = ("--batch-size", 100, "--shards", 4, "--out", tmp_path / "m.safetensors")
    status, said = program(*TRAIN, *options, ranks=2)
    assert status == 0, said
    assert "through the host" in said
    assert said.count("MNN_CUDA_GRAPHS=1 enables them") == 1


def test_a_thread_that_synchronizes_the_device_changes_nothing() -> None:
    gpu: Any = select_backend("cuda")
    config = TrainingConfig(hidden=(8,), batch_size=50, iterations=200)
    expected, _ = train(*data(), config, backend=gpu)
    over = threading.Event()

    def disturb() -> None:
        while not over.wait(0.001):
            # Refused during a capture, which it ends.
            with contextlib.suppress(gpu.cupy.cuda.runtime.CUDARuntimeError):
                gpu.cupy.cuda.Device().synchronize()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        model, _ = train(*data(), config, backend=gpu)
    finally:
        over.set()
        thread.join()
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-5, atol=1e-6)


def test_no_graphs_if_cublas_handles_cannot_be_created() -> None:
    gpu = select_backend("cuda")
    with settings(fail_create=1), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        train(*data(), TrainingConfig(hidden=(8,), iterations=5), backend=gpu)
    assert any("No CUDA graphs" in str(warning.message) for warning in said)


OUR_PRODUCTS = TrainingConfig(hidden=(8,), iterations=5, shard_rows=400, matmul_precision="tf32")
"""Graphs call cuBLAS directly; without graphs CuPy does."""


@pytest.mark.parametrize("precision", ["full", "tf32"])
def test_a_failed_product_is_an_error_of_the_device(
    precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "0")
    gpu = select_backend("cuda")
    config = replace(OUR_PRODUCTS, matmul_precision=precision)
    with settings(fail_product=13), pytest.raises(DeviceError, match="EXECUTION_FAILED"):
        train(*data(), config, backend=gpu)


def test_cublas_without_memory_halves_the_microbatches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cuda_graphs.VARIABLE, "0")
    gpu = select_backend("cuda")
    expected, _ = train(*data(), OUR_PRODUCTS, backend=gpu)
    with settings(fail_product=3), pytest.warns(TrainingWarning, match="samples at a time"):
        model, _ = train(*data(), OUR_PRODUCTS, backend=gpu)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-6)
