"""Cases that no other test reaches: other systems, rare errors, long runs, a terminal."""

from __future__ import annotations

import ctypes
import io
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import (
    DataError,
    DivergedError,
    ModelFileError,
    TrainingConfig,
    UsageError,
    diagnose,
    load_dataset,
    load_model,
    prepare_digit,
    select_backend,
    train,
)
from mnn_gpu.backends import Backend, Memory, diagnosis
from mnn_gpu.backends.gpu_probe import probe
from mnn_gpu.cli.main import main
from mnn_gpu.data.columns import TableOptions
from mnn_gpu.data.csv import fast_parser
from mnn_gpu.data.csv.reader import read_csv
from mnn_gpu.data.npy_folder.index import INDEX, read_index
from mnn_gpu.data.npz import read_npz
from mnn_gpu.data.untrusted_files import explain_os_error
from mnn_gpu.interop.import_weights import import_model
from mnn_gpu.nn import gradient_check, network
from mnn_gpu.nn.parameters import Layer
from mnn_gpu.step.batch import Batch
from mnn_gpu.step.microbatches import scaled
from mnn_gpu.storage.os_errors import reason_of
from mnn_gpu.training import progress_terminal
from mnn_gpu.training.batches import loader, plan
from mnn_gpu.utils import blas, memory, threads
from tests.support import standin_cupy
from tests.support.libraries import Library
from tests.support.standin_cupy import CUDARuntimeError, install, standin

SMALL = TrainingConfig(hidden=(4,), epochs=3, batch_size=7)

# ---- other systems ---------------------------------------------------------------------


def test_without_affinity_all_processors_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads.available_cores() == os.cpu_count()


def test_only_the_total_memory_is_known_without_proc_meminfo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: dict[str, Any]
) -> None:
    cpu = select_backend("cpu")
    total = cpu.memory().total
    monkeypatch.setattr(memory, "MEMORY_INFO", tmp_path / "meminfo")
    known = cpu.memory()
    assert known.free is None
    assert known.total == pytest.approx(total, rel=0.01)
    train(images["X"], images["y"], SMALL, backend=cpu)
    (tmp_path / "meminfo").write_text("MemTotal: many kB\n", encoding="ascii")
    assert cpu.memory() == known
    monkeypatch.delattr(os, "sysconf")
    assert cpu.memory() == Memory(None, None)


@pytest.mark.parametrize("succeeds", [True, False])
def test_the_memory_of_windows(monkeypatch: pytest.MonkeyPatch, succeeds: bool) -> None:
    def status(place: Any) -> int:
        layout = "<IIQQ"  # MEMORYSTATUSEX has 64 bytes, of which these are the first.
        view = (ctypes.c_char * 64).from_buffer(place._obj)
        assert struct.unpack_from("<I", view) == (64,)
        struct.pack_into(layout, view, 0, 64, 50, 16 << 30, 8 << 30)
        return int(succeeds)

    kernel = SimpleNamespace(GlobalMemoryStatusEx=status)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    known = select_backend("cpu").memory()
    assert known == (Memory(8 << 30, 16 << 30) if succeeds else Memory(None, None))


def test_a_numpy_that_does_not_name_its_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: None)
    assert diagnosis.blas_name() == "an unknown BLAS"


@pytest.mark.parametrize(
    ("libraries", "said"),
    [
        ([{"user_api": "blas", "num_threads": 4}, {"user_api": "openmp", "num_threads": 9}], "4"),
        (
            [{"user_api": "blas", "num_threads": 4}, {"user_api": "blas", "num_threads": 2}],
            "2 to 4",
        ),
        ([{"user_api": "openmp", "num_threads": 9}], "chosen by NumPy's BLAS library, see "),
    ],
    ids=["OpenBLAS or MKL", "NumPy's and SciPy's", "Accelerate"],
)
def test_devices_reports_the_threads_of_matrix_products(
    monkeypatch: pytest.MonkeyPatch, libraries: list[dict[str, Any]], said: str
) -> None:
    monkeypatch.setattr(blas, "_controller", lambda: SimpleNamespace(info=lambda: libraries))
    assert blas.threads_of_products().startswith(said)


@pytest.mark.parametrize(
    ("module", "use", "cure"),
    [
        ("sklearn", "import mnn_gpu.estimators", "mnn_gpu[sklearn]"),
        (
            "pyarrow",
            "from mnn_gpu.data.parquet.reader import open_parquet; from pathlib import Path\n"
            "with open_parquet(Path('x.parquet')): pass",
            "mnn_gpu[parquet]",
        ),
    ],
)
def test_a_missing_extra_is_named(module: str, use: str, cure: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from mnn_gpu import MnnGpuError\ntry:\n    exec({use!r})\n"
        "except MnnGpuError as error:\n    print(error.cure)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert cure in result.stdout


# ---- a simulated GPU ---------------------------------------------------------------------


@pytest.fixture
def _nothing_remembered() -> None:
    probe.cache_clear()


@pytest.mark.usefixtures("_nothing_remembered")
def test_devices_are_shown_as_a_table_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin(count=2, only_on=1, allocate=CUDARuntimeError(46)))
    table = diagnose()._repr_html_()
    assert "Pretended GPU: works" in table
    assert "GPU 1 is busy" in table


@pytest.mark.usefixtures("_nothing_remembered")
def test_errors_not_raised_by_the_gpu_are_not_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, standin())
    gpu = select_backend("cuda")
    assert gpu.explain(ValueError("mine")) is None
    assert gpu.explain(standin_cupy.OutOfMemoryError("512 bytes")) is not None


# ---- compiled steps ------------------------------------------------------------------------


def compiled(step: Any, *state: Any) -> Any:
    """Run a step both compiled and uncompiled, and check that the results agree."""
    cpu, batch = select_backend("cpu"), Batch(np.ones((2, 1)))
    expected = Backend.compile(cpu, step, ())(state, batch)
    found = cpu.compile(step, ())(tuple(np.array(leaf) for leaf in state), batch)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    return found


def test_scalars_with_uint8_and_mixed_dtypes_follow_numpy_s_promotion() -> None:
    pixels, floats = np.arange(6, dtype=np.uint8), np.arange(6.0)
    compiled(lambda _, s, b: (s[0], (s[0] > -1) * s[1]), pixels, floats)
    compiled(lambda _, s, b: (s[0], s[0] * s[1] + 1), pixels, floats)


def test_a_host_array_may_be_the_left_operand() -> None:
    A = np.arange(9.0).reshape(3, 3)
    (found,) = compiled(lambda _, s, b: (A @ s[0],), A)
    np.testing.assert_array_equal(found, A @ (A @ A))


def test_a_transposed_array_can_be_reshaped() -> None:
    def step(_: Any, s: Any, b: Any) -> Any:
        xp = s[0].__array_namespace__() if hasattr(s[0], "__array_namespace__") else np
        return (xp.reshape(xp.reshape(s[0].T, (-1,)), (2, 3)),)

    compiled(step, np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda _, s, b: (s[0].__array_namespace__().sinh(s[0]),), "sinh cannot be traced"),
        (lambda _, s, b: (s[0][np.array([1, 0])],), "only views can be traced"),
    ],
)
def test_operations_that_cannot_be_replayed_are_refused(step: Any, message: str) -> None:
    run = select_backend("cpu").compile(step, ())
    with pytest.raises((AttributeError, TypeError), match=message):
        run((np.zeros(2),), Batch(np.ones((1, 1))))


# ---- training ------------------------------------------------------------------------------


def test_a_run_of_many_segments_gives_the_same_result(
    images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(hidden=(4,), epochs=4, batch_size=7, schedule="cosine")
    whole, _ = train(images["X"], images["y"], config, backend=select_backend("cpu"))
    for module in (plan, loader):
        monkeypatch.setattr(module, "SEGMENT", 3)
    cut, _ = train(images["X"], images["y"], config, backend=select_backend("cpu"))
    np.testing.assert_array_equal(whole.theta, cut.theta)


def test_a_last_step_to_infinity_is_a_divergence(images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(4,), iterations=1, learning_rate=1e60)
    with pytest.raises(DivergedError, match="from iteration 1 on"):
        train(images["X"], images["y"], config, backend=select_backend("cpu"))


def test_held_out_rows_must_be_a_pair(images: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not a pair"):
        train(images["X"], images["y"], SMALL, validation=(images["X"],))  # type: ignore[arg-type]


@pytest.mark.parametrize("held_out", [False, True])
def test_a_history_draws_only_its_columns(images: dict[str, Any], held_out: bool) -> None:
    data = images["X"], images["y"]
    _, history = train(*data, SMALL, validation=data if held_out else None)
    assert ("held-out" in history._repr_html_()) is held_out


# ---- the command line ------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stderr that reports that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_line_per_record(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(progress_terminal.Progress, "seconds", 0)
    hooks = progress_terminal.progress(quiet=False)
    train(images["X"], images["y"], SMALL, validation=(images["X"], images["y"]), hooks=hooks)
    shown = terminal.getvalue()
    assert "15/15" in shown
    assert "it/s" in shown
    assert shown.count("held-out") >= 3
    (bar,) = progress_terminal.progress(quiet=False)
    bar.on_start(100)
    bar.on_resume(40)
    bar.on_end()
    assert "resumed after iteration 40" in terminal.getvalue()
    assert "40/100" in terminal.getvalue()


def test_a_differing_gradient_is_reported_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = network.backward

    def doubled(*arguments: Any) -> list[Layer]:
        return [(2 * dW, db) for dW, db in right(*arguments)]

    monkeypatch.setattr(network, "backward", doubled)
    assert main(["check-gradients", "--features", "6", "--hidden", "5", "--classes", "3"]) == 1
    assert "Where they differ, the formulas' gradient is not the slope" in capsys.readouterr().out


def test_a_gradient_with_nothing_to_compare_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def at_the_kink(sizes: object, rng: object) -> list[Layer]:
        return [(np.zeros((2, 3)), np.zeros((2, 1))), (np.ones((2, 2)), np.zeros((2, 1)))]

    monkeypatch.setattr(gradient_check, "init_parameters", at_the_kink)
    assert main(["check-gradients", "--features", "3", "--hidden", "2", "--classes", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Nothing to compare" in printed
    assert "Left out: steps across the kink" in printed


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "Interrupted."),
        (MemoryError("5 TiB"), 3, "out of memory (5 TiB)"),
        (
            FileNotFoundError(2, "No such file or directory", "/proc/self/status"),
            4,
            "error: /proc/self/status cannot be used: No such file or directory.\ncure: ",
        ),
        (BrokenPipeError(32, "Broken pipe"), 4, "error: Broken pipe.\ncure: "),
        (PermissionError(), 4, "error: PermissionError.\ncure: "),
    ],
)
def test_errors_of_a_command_are_reported_without_a_traceback(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(network, "backward", stopped)
    assert main(["check-gradients"]) == code
    assert message in capsys.readouterr().err
    print("stdout is as it was")
    assert capsys.readouterr().out == "stdout is as it was\n"


# ---- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (IsADirectoryError(), "is a directory"),
        (PermissionError(), "permission denied"),
        (EOFError("early"), "not a complete gzip file"),
        (OSError(5, "Input/output error"), "cannot be read"),
    ],
)
def test_every_disk_error_has_a_message(error: BaseException, cause: str) -> None:
    assert cause in explain_os_error(error, Path("digits.csv")).cause


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has such a file")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("m.safetensors", load_model),
        ("m.safetensors", import_model),
        ("a.csv", load_dataset),
        ("a.csv.gz", load_dataset),
        ("a.png", prepare_digit),
        (INDEX, lambda path: read_index(path.parent)),
    ],
)
def test_an_error_of_the_disk_is_not_reported_as_damage(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / name).symlink_to("/proc/self/mem")  # Reading its begin is an input/output error.
    with pytest.raises((DataError, ModelFileError)) as caught:
        read(tmp_path / name)
    assert caught.value.cause == f"{tmp_path / name} cannot be read: Input/output error."


@pytest.mark.parametrize(
    ("number", "path", "reason"),
    [
        (32, "C:\\m.csv", "another program has it open"),
        (3, "C:\\" + 30 * "long name\\", "its path has 303 characters, of which Windows takes 259"),
        (3, "C:\\m.csv", "The system cannot find the path"),
    ],
)
def test_reasons_of_windows(number: int, path: str, reason: str) -> None:
    error = OSError(2, "The system cannot find the path", path)
    error.winerror = number  # type: ignore[attr-defined]
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("s3://bucket/train.csv", "Download it first."),
        ("HTTPS://host/train.csv", "Download it first."),
        ("file:///home/me/train.csv", "Give its path."),
    ],
)
def test_urls_are_no_files(name: str, cure: str) -> None:
    with pytest.raises(DataError, match="is a URL") as caught:
        load_dataset(name)
    assert caught.value.cure == cure


@pytest.mark.parametrize("name", ["C:\\none.csv", "C://none.csv", "C:none.csv"])
def test_the_letter_of_a_drive_is_no_scheme(name: str) -> None:
    with pytest.raises(DataError, match="There is no file or folder"):
        load_dataset(name)


def test_a_folder_named_like_an_npz_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory"):
        read_npz(tmp_path, "train")


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_newer_npy_headers_are_read_or_refused(
    tmp_path: Path, images: dict[str, Any], version: tuple[int, int]
) -> None:
    path = tmp_path / "digits.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("X", "y"):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, images[name], version=version)
    if version == (3, 0):
        with pytest.raises(DataError):
            read_npz(path, "train")
    else:
        np.testing.assert_array_equal(read_npz(path, "train").X, images["X"])


def test_a_cell_longer_than_any_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digits.csv"
    path.write_text("label,a\n1,2\n1," + "2" * 200_000 + "\n")
    monkeypatch.setattr(fast_parser, "BLOCK", 1000)
    with pytest.raises(DataError, match="field larger than field limit"):
        read_csv(path, TableOptions())


def test_an_error_in_a_file_without_a_header_has_its_line_number(tmp_path: Path) -> None:
    path = tmp_path / "digits.csv"
    path.write_text("1,2,3\n1,2,x\n")
    with pytest.raises(DataError, match="line 2"):
        read_csv(path, TableOptions("first"))


def test_pixels_stay_uint8_if_memory_is_short(lib: Library) -> None:
    shards = [(lib.asarray(np.full((3, 4), 51), "uint8"), lib.asarray([0] * 4, "int32"))]
    ((X, _),) = scaled(shards, lib.xp.float32, free=3 * 4 * 8 * 2 - 2)
    assert X.dtype == lib.xp.uint8
    ((X, _),) = scaled(shards, lib.xp.float32, free=3 * 4 * 8 * 2)
    np.testing.assert_allclose(lib.to_numpy(X), 0.2, rtol=1e-6)
