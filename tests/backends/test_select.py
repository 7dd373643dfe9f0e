"""Device selection: the result, the errors, the fallback and its warning."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import warnings
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import (
    DeviceError,
    FallbackWarning,
    TrainingConfig,
    TrainingWarning,
    UsageError,
    diagnose,
    evaluate,
    predict,
    predict_proba,
    select_backend,
    train,
)
from mnn_gpu.backends import Backend
from mnn_gpu.backends.gpu_probe import STAGES, probe, probe_report
from mnn_gpu.backends.jax_backend import JaxBackend
from mnn_gpu.compiler.cuda_graphs import cublas
from tests.support import standin_cupy as fake
from tests.support.libraries import installed
from tests.support.standin_cupy import CUDARuntimeError, install, pretend_wheels, standin


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    probe.cache_clear()


# ---- names ---------------------------------------------------------------------------


def test_cpu_is_numpy() -> None:
    backend = select_backend("cpu")
    assert (backend.name, backend.device) == ("numpy", "cpu")
    assert backend.xp.asarray([1]).tolist() == [1]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU ", "cuda:99999", ""])
def test_an_unknown_device_name_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="not a device") as caught:
        select_backend(name)
    assert caught.value.cause.startswith(f"device is {name!r}")
    assert '"cuda:N"' in caught.value.cure


def test_the_environment_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNN_DEVICE", "cpu")
    assert select_backend().device == "cpu"
    monkeypatch.setenv("MNN_DEVICE", "tpu")
    with pytest.raises(UsageError, match="MNN_DEVICE is 'tpu'"):
        select_backend()
    assert select_backend("cpu").device == "cpu"


def test_cpu_never_imports_cupy() -> None:
    code = "import sys, mnn_gpu; mnn_gpu.select_backend('cpu'); sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_backend_is_frozen() -> None:
    with pytest.raises(AttributeError):
        select_backend("cpu").device = "cuda:0"  # type: ignore[misc]


def test_repr_shows_only_library_and_device() -> None:
    assert repr(select_backend("cpu")) == "NumpyBackend(name='numpy', device='cpu')"


# ---- a GPU that works ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_a_gpu_that_passes_the_probe_is_selected(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install(monkeypatch, standin())
    backend = select_backend(name)
    assert (backend.name, backend.device) == ("cupy", "cuda:0")
    assert backend.memory() == (7 << 30, 8 << 30)


def test_every_gpu_can_be_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=3))
    assert select_backend("cuda:2").device == "cuda:2"


@pytest.mark.parametrize(
    ("library", "device", "taken"),
    [
        ("auto", "auto", "cupy"),
        ("auto", "cpu", "numpy"),
        ("auto", "cuda:1", "cupy"),
        ("numpy", "auto", "numpy"),
        ("numpy", "cpu", "numpy"),
        ("cupy", "auto", "cupy"),
        ("cupy", "cuda:1", "cupy"),
    ],
)
def test_each_library_supports_its_devices(
    monkeypatch: pytest.MonkeyPatch, library: str, device: str, taken: str
) -> None:
    install(monkeypatch, standin(count=2))
    backend = select_backend(device, library)
    assert backend.name == taken
    on_gpu = device if ":" in device else "cuda:0"
    assert backend.device == ("cpu" if taken == "numpy" else on_gpu)


def test_a_cupy_requested_by_name_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=CUDARuntimeError(100)))
    with pytest.raises(DeviceError, match="no GPU is visible"):
        select_backend("auto", "cupy")


@pytest.mark.parametrize(
    ("device", "platform", "index"),
    [("auto", None, 0), ("cpu", "cpu", 0), ("cuda", "cuda", 0), ("cuda:3", "cuda", 3)],
)
def test_jax_receives_the_platform_and_the_index(
    monkeypatch: pytest.MonkeyPatch, device: str, platform: str | None, index: int
) -> None:
    received = []
    monkeypatch.setattr(JaxBackend, "connect", lambda *asked: received.append(asked))
    select_backend(device, "jax")
    assert received == [(platform, index)]


def test_training_through_the_cupy_backend_is_identical(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, np.ndarray]
) -> None:
    install(monkeypatch, standin())
    config = TrainingConfig(hidden=(6,), iterations=20, batch_size=7)
    models = [
        train(images["X"], images["y"], config, backend=select_backend(device))[0]
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_array_equal(models[0].theta, models[1].theta)


def test_success_is_cached_and_failure_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=CUDARuntimeError(100)))
    with pytest.raises(DeviceError):
        select_backend("cuda")
    install(monkeypatch, standin())
    assert select_backend("cuda").device == "cuda:0"
    install(monkeypatch, standin(allocate=CUDARuntimeError(46)))
    assert select_backend("cuda").device == "cuda:0"


# ---- failures: stage, cause, cure ----------------------------------------------------

BARE = types.ModuleType("cupy")

FAILURES: dict[str, Any] = {
    "not installed": (None, "import", "CuPy is not installed", "pip install"),
    "remnant of a removed wheel": (BARE, "import", "cannot be imported", "pip uninstall"),
    "no driver": (standin, {"driver": 0}, "driver", "No NVIDIA driver", "nvidia-smi"),
    "driver too old": (
        standin,
        {"driver": 11040, "count": CUDARuntimeError(35)},
        "device count",
        "supports CUDA 11.4, CuPy needs 12.9",
        "Update the driver",
    ),
    "no visible device": (
        standin,
        {"count": CUDARuntimeError(100)},
        "device count",
        "no GPU is visible",
        "CUDA_VISIBLE_DEVICES",
    ),
    "count of zero": (standin, {"count": 0}, "device count", "no GPU is visible", "nvidia-smi -L"),
    "busy": (
        standin,
        {"allocate": CUDARuntimeError(46)},
        "allocate",
        "busy or reserved",
        "another GPU",
    ),
    "out of memory at the context": (
        standin,
        {"allocate": CUDARuntimeError(2)},
        "allocate",
        "out of memory",
        "--batch-size",
    ),
    "out of memory": (
        standin,
        {"allocate": fake.OutOfMemoryError("Out of memory allocating 512 bytes")},
        "allocate",
        "out of memory",
        "--shard-rows",
    ),
    "no NVRTC, CuPy 14": (
        standin,
        {"elementwise_kernel": fake.NVRTC_MISSING},
        "elementwise kernel",
        "cannot find NVRTC",
        "[ctk]",
    ),
    "no NVRTC, CuPy 13": (
        standin,
        {"elementwise_kernel": fake.NVRTC_MISSING_13},
        "elementwise kernel",
        "cannot find NVRTC",
        "[ctk]",
    ),
    "no headers": (
        standin,
        {"elementwise_kernel": fake.HEADERS_MISSING},
        "elementwise kernel",
        "CUDA headers",
        "CUDA_PATH",
    ),
    "unknown architecture": (
        standin,
        {"elementwise_kernel": CUDARuntimeError(209)},
        "elementwise kernel",
        "does not support the architecture",
        "cupy-cuda12x",
    ),
    "architecture unknown to NVRTC": (
        standin,
        {"elementwise_kernel": fake.UNSUPPORTED_ARCHITECTURE},
        "elementwise kernel",
        "does not support the architecture",
        "cupy-cuda12x",
    ),
    "no cuBLAS": (
        standin,
        {"matrix_product": fake.CUBLAS_MISSING},
        "matrix product",
        "cannot load cuBLAS",
        "[ctk]",
    ),
    "driver replaced under a running system": (
        standin,
        {"count": CUDARuntimeError(803)},
        "device count",
        "not ready",
        "Restart",
    ),
    "after a fork": (
        standin,
        {"count": CUDARuntimeError(3)},
        "device count",
        "does not work after a fork",
        "spawn",
    ),
    "kernel crashed": (
        standin,
        {"synchronize": CUDARuntimeError(719)},
        "synchronize",
        "The GPU failed (CUDARuntimeError: cudaError 719)",
        "mnn-gpu devices",
    ),
    "wrong result": (
        standin,
        {"wrong_product": True},
        "synchronize",
        "matrix product is wrong",
        "mnn-gpu devices",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_every_failure_has_its_stage_cause_and_cure(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    module, *options, stage, cause, cure = FAILURES[case]
    install(monkeypatch, module(**options[0]) if options else module)
    with pytest.raises(DeviceError) as caught:
        select_backend("cuda")
    error = caught.value
    assert error.stage == stage
    assert cause in error.cause
    assert cure in error.cure
    assert "--device cpu" in error.cure
    assert error.__cause__ is not None
    assert error.exit_code == 3
    assert "\n" not in error.cause + error.cure


def test_an_index_out_of_range_reports_the_number_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=2))
    with pytest.raises(DeviceError, match="no GPU with index 2: 2 GPUs visible") as caught:
        select_backend("cuda:2")
    assert caught.value.stage == "index in range"


def test_two_installed_wheels_are_the_cause_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(elementwise_kernel=fake.NVRTC_MISSING))
    pretend_wheels(monkeypatch, "cupy-cuda12x 14.2.0", "cupy-cuda13x 14.2.0", "numpy 2.4.0")
    with pytest.raises(DeviceError, match=r"Several CuPy wheels.*cupy-cuda13x 14\.2\.0") as caught:
        select_backend("cuda")
    assert "pip uninstall -y cupy-cuda12x cupy-cuda13x" in caught.value.cure


def test_the_cupy_for_the_driver_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    cures = []
    for driver in (12080, 13000):
        install(monkeypatch, standin(driver=driver, matrix_product=fake.CUBLAS_MISSING))
        with pytest.raises(DeviceError) as caught:
            select_backend("cuda")
        cures.append(caught.value.cure)
    assert "cupy-cuda12x[ctk]" in cures[0]
    assert "cupy-cuda13x[ctk]" in cures[1]


# ---- auto ----------------------------------------------------------------------------


def test_auto_falls_back_silently_if_cupy_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert select_backend("auto").device == "cpu"


def test_a_cupy_with_a_missing_dependency_is_broken_not_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "cupy", raising=False)

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "cupy":
                raise ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock")

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.warns(FallbackWarning, match="fastrlock"):
        assert select_backend("auto").device == "cpu"


@pytest.mark.parametrize("case", [c for c in FAILURES if c != "not installed"])
def test_auto_falls_back_with_one_line_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    module, *options, _, cause, cure = FAILURES[case]
    install(monkeypatch, module(**options[0]) if options else module)
    with pytest.warns(FallbackWarning) as caught:
        assert select_backend("auto").device == "cpu"
    [warning] = caught
    assert warning.filename == __file__
    message = str(warning.message)
    assert cause in message
    assert cure in message
    assert "\n" not in message


def test_auto_selects_the_next_gpu_if_the_first_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=2, only_on=0, allocate=CUDARuntimeError(46)))
    assert select_backend("auto").device == "cuda:1"


def test_auto_tries_the_gpus_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=4, only_on=(0, 1), allocate=CUDARuntimeError(46)))
    assert select_backend("auto").device == "cuda:2"


def test_a_cupy_that_is_found_but_not_imported_yet_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy/__init__.py").write_text("raise ImportError('half installed')")
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(FallbackWarning, match="half installed"):
        assert select_backend("auto").device == "cpu"


def test_auto_continues_if_a_gpu_cannot_be_made_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, standin(count=2, only_on=0, current=CUDARuntimeError(46)))
    assert select_backend("auto").device == "cuda:1"


def test_a_driver_older_than_every_cupy_only_needs_an_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cures = []
    for wheel in ("cupy-cuda12x 14.2.0", "cupy-cuda13x 14.2.0"):
        install(monkeypatch, standin(driver=12040, count=CUDARuntimeError(35)))
        pretend_wheels(monkeypatch, wheel)
        with pytest.raises(DeviceError) as caught:
            select_backend("cuda")
        cures.append(caught.value.cure)
    assert "pip" not in cures[0]
    assert "cupy-cuda12x[ctk]" in cures[1]


@pytest.mark.parametrize("call", [predict, predict_proba, evaluate])
def test_out_of_memory_is_also_explained_outside_training(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, np.ndarray], call: Any
) -> None:
    # Not on an existing GPU: its probe would be cached.
    cpu = select_backend("cpu")
    model, _ = train(images["X"], images["y"], TrainingConfig(iterations=1), backend=cpu)
    install(monkeypatch, standin())
    backend = select_backend("cuda")
    fake.StandinArray.faults.errors["allocate"] = fake.OutOfMemoryError("512 bytes")
    arguments = (images["X"], images["y"]) if call is evaluate else (images["X"],)
    with pytest.raises(DeviceError, match="out of memory"):
        call(model, *arguments, backend=backend)


def test_the_name_of_a_device_is_not_a_backend(images: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError) as caught:
        train(images["X"], images["y"], backend="cpu")  # type: ignore[arg-type]
    assert caught.value.cause == "backend is 'cpu'."
    assert "select_backend()" in caught.value.cure


def test_auto_reports_the_first_cause_if_all_gpus_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, standin(count=2, allocate=CUDARuntimeError(46)))
    with pytest.warns(FallbackWarning, match="GPU 0 is busy"):
        assert select_backend("auto").device == "cpu"


# ---- the report ----------------------------------------------------------------------


def test_the_probe_reports_stages_up_to_the_first_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, standin())
    assert [stage.name for stage in probe_report(0)] == list(STAGES)
    assert all(stage.passed for stage in probe_report(0))
    probe.cache_clear()
    install(monkeypatch, standin(matrix_product=fake.CUBLAS_MISSING))
    stages = probe_report(0)
    assert [stage.name for stage in stages] == list(STAGES[:7])
    assert [stage.passed for stage in stages] == [True] * 6 + [False]
    assert "cuBLAS" in stages[-1].cause


def test_the_diagnosis_with_one_working_and_one_busy_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, standin(count=2, only_on=1, allocate=CUDARuntimeError(46)))
    pretend_wheels(monkeypatch, "cupy-cuda12x 14.2.0")
    report = diagnose()
    text = str(report)
    assert "cupy-cuda12x 14.2.0" in text
    assert "12.4" in text
    assert "cuda:0  Pretended GPU, 8.0 GiB, compute capability 9.0\n  PASS" in text
    assert "cause  GPU 1 is busy" in text
    assert text.endswith("--device auto selects cuda:0 (cupy)")
    assert len(text.splitlines()) <= 24
    data = report.as_dict()
    assert data["gpus"][1]["stages"][-1]["name"] == "allocate"
    assert data["auto"] == "cuda:0 (cupy)"


def test_the_diagnosis_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    text = str(diagnose())
    assert "CuPy is not installed" in text
    assert text.endswith("--device auto selects cpu (numpy)")


def test_the_diagnosis_never_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Before an installed CuPy on the path, however often it is imported.
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert "cannot be imported" in str(diagnose())


# ---- JAX, selected by name --------------------------------------------------------------

JAX = pytest.mark.skipif(not installed("jax"), reason="JAX is not installed")


@pytest.mark.parametrize(
    ("device", "library"), [("cuda", "numpy"), ("cpu", "cupy"), ("cpu", "tensorflow")]
)
def test_a_library_that_does_not_support_the_device_is_a_usage_error(
    device: str, library: str
) -> None:
    with pytest.raises(UsageError) as caught:
        select_backend(device, library)
    assert library in caught.value.cause
    known = library != "tensorflow"
    assert (device in caught.value.cause) is known
    assert ("--backend" if known else "auto, numpy, cupy, jax, torch") in caught.value.cure


def test_a_missing_jax_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(DeviceError, match="needs the package jax") as caught:
        select_backend("cpu", "jax")
    assert "mnn_gpu[jax]" in caught.value.cure


@JAX
def test_jax_is_selected_by_name() -> None:
    backend = select_backend("cpu", "jax")
    assert (backend.name, backend.device) == ("jax", "cpu")
    assert select_backend("cpu").name == "numpy"
    with pytest.raises(DeviceError, match="finds no device"):
        select_backend("cuda:77", "jax")


@JAX
@pytest.mark.parametrize("batch_size", [None, 1])
def test_jax_without_float64_reports_how_to_enable_it(batch_size: int | None) -> None:
    code = (
        "import mnn_gpu\n"
        f"config = mnn_gpu.TrainingConfig(dtype='float64', batch_size={batch_size})\n"
        "backend = mnn_gpu.select_backend('cpu', 'jax')\n"
        "mnn_gpu.train([[1, 2], [3, 4]], [0, 1], config, backend=backend)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JAX_ENABLE_X64": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "JAX_ENABLE_X64=1" in result.stderr


# ---- arrays --------------------------------------------------------------------------


def test_arrays_survive_a_round_trip(backend: Backend) -> None:
    host = np.arange(6, dtype=np.uint8).reshape(2, 3)
    there = backend.asarray(host, dtype=np.float32)
    assert there.dtype == backend.xp.float32
    backend.synchronize()
    np.testing.assert_array_equal(backend.to_numpy(there), host)


def test_free_memory_is_at_most_the_total(backend: Backend) -> None:
    free, total = backend.memory()
    if free is not None and total is not None:
        assert 0 < free <= total


def test_an_unrelated_error_is_not_attributed_to_the_device(backend: Backend) -> None:
    assert backend.explain(ValueError("mine")) is None


def test_running_out_of_memory_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin())
    gpu = select_backend("cuda").explain(fake.OutOfMemoryError("512 bytes"))
    cpu = select_backend("cpu").explain(MemoryError("Unable to allocate 5 TiB"))
    assert gpu is not None
    assert "GPU 0 is out of memory" in gpu.cause
    assert gpu.stage == "running"
    assert cpu is not None
    assert "5 TiB" in cpu.cause


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_each_process_of_a_machine_selects_the_next_gpu(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, standin(count=3))
    taken = [select_backend(device, local_rank=rank).device for rank in range(5)]
    assert taken == ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]
    assert select_backend("cuda:2", local_rank=1).device == "cuda:2"


def test_processes_that_share_the_processors_divide_them() -> None:
    whole, parts = (
        select_backend("cpu", processes_per_node=processes_per_node).threads
        for processes_per_node in (1, 1000)
    )
    assert parts == 1 <= whole


def test_without_cublas_there_are_no_cuda_graphs_and_the_step_runs_uncompiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module: Any = standin()
    module.cuda.Stream = lambda **_: SimpleNamespace(ptr=0)
    module.cuda.MemoryPool = SimpleNamespace
    monkeypatch.setattr(cublas, "library_names", lambda version: ("no library",))
    install(monkeypatch, module)
    backend = select_backend("cuda")
    monkeypatch.delenv("MNN_CUDA_GRAPHS")
    with pytest.warns(TrainingWarning, match=r"No CUDA graphs \(cuBLAS is not loaded\)"):
        run = backend.compile(lambda data, state, batch: state + batch.x + data, 1)
    batches = namedtuple("Batches", "x")(np.arange(3))
    assert run(10, batches) == 16
