"""The command line, through real processes: output, exit codes, errors without traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mnn_gpu import load_model, predict
from mnn_gpu.data.idx import idx_header
from tests.support.program import NO_STDERR, PROGRAM, prepared, run, run_process

WITHOUT_CUPY = """
import sys
class NoCupy:
    def find_spec(name, *_):
        if name == "cupy":
            raise ModuleNotFoundError("No module named 'cupy'", name="cupy")
sys.meta_path.insert(0, NoCupy)
from mnn_gpu.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def csv(tmp_path: Path, images: dict[str, Any]) -> Path:
    frame = pd.DataFrame(images["X"], columns=[f"pixel{i}" for i in range(12)])
    frame.insert(0, "label", images["y"])
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.drop(columns="label").to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "train.csv"


@pytest.fixture
def model(tmp_path: Path, csv: Path) -> Path:
    path = tmp_path / "m.safetensors"
    result = run(
        "train", "--data", csv, "--holdout", 5, "--hidden", 8, "--lr", 0.5, "--out", path, "-q"
    )
    assert result.returncode == 0, result.stderr
    return path


# ---- train ---------------------------------------------------------------------------


def test_train_without_options_is_the_notebook_on_mnist(tmp_path: Path) -> None:
    result = run("train", "--iterations", 50, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["layer_sizes"] == [784, 10, 10, 10]
    assert report["training"]["rows"] == 41_000
    assert report["held_out"]["rows"] == 1_000
    assert report["recipe"]["learning_rate"] == 0.1
    assert report["recipe"]["batch_size"] is None
    assert report["training"]["accuracy"] > 0.25
    assert "41,000 rows of MNIST (train), 1,000 held out" in result.stderr
    assert "iteration 50/50" in result.stderr
    assert load_model(tmp_path / "model.safetensors").layer_sizes == (784, 10, 10, 10)


@pytest.mark.parametrize("rows", [30, 7])
def test_few_rows_are_held_out_of_small_data(tmp_path: Path, csv: Path, rows: int) -> None:
    options = ("--data", csv, "--rows", rows, "--iterations", 2, "--out", tmp_path / "m")
    result = run("train", *options, "--json", "-q")
    report = json.loads(result.stdout)
    assert report["held_out"]["rows"] == 3  # A tenth, or one per class.
    assert report["training"]["rows"] == rows - 3


def test_train_reports_an_unusual_scale_of_pixels(tmp_path: Path, csv: Path) -> None:
    frame = pd.read_csv(csv)
    frame.iloc[:, 1:] //= 16
    frame.to_csv(csv, index=False)
    options = ("--data", csv, "--iterations", 2, "--out", tmp_path / "m", "-q")
    assert "pixels from 0 to 16" in run("train", *options).stdout
    assert "pixels from" not in run("train", *options, "--pixel-max", 255).stdout
    result = run("train", *options, "--pixel-max", 3)
    assert result.returncode == 4
    assert "pixel_max is 3" in result.stderr


def test_train_prints_the_result_on_stdout_and_progress_on_stderr(
    tmp_path: Path, csv: Path
) -> None:
    options = ("--data", csv, "--holdout", 5, "--epochs", 30, "--batch-size", 10)
    result = run("train", *options, "--out", tmp_path / "m")
    assert result.stdout.startswith("12-10-10-3 on cpu (numpy): 90 iterations in ")
    assert "training accuracy" in result.stdout
    assert "held-out accuracy" in result.stdout
    assert result.stdout.endswith(f"model saved to {tmp_path / 'm'}\n")
    lines = [line for line in result.stderr.splitlines() if line.startswith("iteration")]
    assert len(lines) == 30
    assert "it/s" in lines[0]
    assert "s left" in lines[0]
    quiet = run("train", *options, "--out", tmp_path / "m", "-q")
    assert quiet.stderr == ""


def test_the_same_command_writes_the_same_parameters(tmp_path: Path, csv: Path) -> None:
    for name in ("a", "b"):
        run("train", "--data", csv, "--holdout", 5, "--iterations", 50, "--out", tmp_path / name)
    a, b = (load_model(tmp_path / name).theta for name in ("a", "b"))
    np.testing.assert_array_equal(a, b)


def test_the_model_file_records_its_training(model: Path) -> None:
    info = load_model(model).info
    assert info["recipe"]["hidden"] == [8]
    assert info["recipe"]["seed"] == 0
    assert 0.9 < info["training_accuracy"] <= 1
    assert info["data"] == "train.csv"
    assert str(model.parent).encode() not in model.read_bytes()


def test_ctrl_c_saves_the_current_parameters(tmp_path: Path) -> None:
    command = [*PROGRAM, "train", "--iterations", "100000", "--rows", "5000", "--device", "cpu"]
    command += ["--out", str(tmp_path / "m"), "--report-every", "1"]
    process = subprocess.Popen(
        # A background job of a shell starts with Ctrl-C ignored.
        prepared("signal.signal(signal.SIGINT, signal.SIG_DFL)", command),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("iteration"):
                break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Interrupted after iteration" in stderr
    assert "Traceback" not in stderr
    assert "model saved" in stdout
    assert load_model(tmp_path / "m").info["iterations"] > 0


# ---- evaluate and predict ------------------------------------------------------------


def test_evaluate(model: Path, csv: Path) -> None:
    result = run("evaluate", model, "--data", csv)
    assert result.returncode == 0
    assert "100.00% right, 0 of 30 wrong" in result.stdout
    report = json.loads(run("evaluate", model, "--data", csv, "--json").stdout)
    assert report["accuracy"] == 1


def test_evaluate_uses_the_test_images_of_mnist_by_default(tmp_path: Path) -> None:
    run("train", "--iterations", 1, "--rows", 3000, "--out", tmp_path / "m", "-q")
    assert "MNIST (test)" in run("evaluate", tmp_path / "m").stdout


def test_predict_writes_a_kaggle_submission(tmp_path: Path, model: Path, csv: Path) -> None:
    out = tmp_path / "submission.csv"
    result = run("predict", model, tmp_path / "test.csv", "-o", out)
    assert (result.returncode, result.stdout) == (0, "")
    lines = out.read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    expected = predict(
        load_model(model), np.loadtxt(csv, np.uint8, delimiter=",", skiprows=1)[:, 1:]
    )
    assert lines[1:] == [f"{i},{label}" for i, label in enumerate(expected, start=1)]
    # The same with labels in the file, which are ignored, and on stdout.
    assert run("predict", model, csv).stdout == out.read_text()
    assert json.loads(run("predict", model, csv, "--json").stdout)["labels"] == expected.tolist()


def test_predict_from_an_idx_file(tmp_path: Path, model: Path, images: dict[str, Any]) -> None:
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(idx_header((30, 3, 4)) + images["X"].tobytes())
    assert run("predict", model, path).stdout.count("\n") == 31


# ---- devices and check-gradients -----------------------------------------------------


def test_devices_reports_the_choice_of_auto() -> None:
    text = run("devices").stdout
    assert "NumPy" in text
    assert "--device auto selects " in text
    assert len(text.splitlines()) <= 24
    assert json.loads(run("devices", "--json").stdout)["auto"]


def test_check_gradients_explains_the_comparison() -> None:
    result = run("check-gradients")
    assert result.returncode == 0
    for name in ("dW[1]", "db[1]", "dW[2]", "db[2]", "dW[3]", "db[3]"):
        assert name in result.stdout
    assert "is the slope of the loss, to" in result.stdout
    report = json.loads(run("check-gradients", "--hidden", 4, "--json").stdout)
    assert report["agree"] is True
    assert report["layer_sizes"] == [784, 4, 10]


# ---- exit codes ----------------------------------------------------------------------


def test_cuda_without_a_gpu_exits_3_with_cause_and_cure(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_CUPY, "train", "--device", "cuda"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 3
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first.startswith("error (stage: import): CuPy is not installed")
    assert second.startswith("cure: ")
    assert "--device cpu" in second
    assert list(tmp_path.iterdir()) == []


def test_auto_without_cupy_trains_on_the_cpu_without_a_message(tmp_path: Path, csv: Path) -> None:
    options = ["--data", str(csv), "--holdout", "5", "--iterations", "5", "-q"]
    command = [sys.executable, "-c", WITHOUT_CUPY, "train", "--device", "auto", *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_auto_with_a_broken_cupy_names_the_cause_in_one_line(tmp_path: Path, csv: Path) -> None:
    broken = tmp_path / "site" / "cupy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('half of it is missing')")
    result = run_process(
        *("train", "--data", csv, "--holdout", 5, "--iterations", 5, "--device", "auto"),
        *("-q", "--out", tmp_path / "m"),
        env={"PYTHONPATH": str(tmp_path / "site")},
    )
    assert result.returncode == 0
    [line] = result.stderr.splitlines()
    assert line.startswith("note: Using the CPU. CuPy is installed but cannot be imported")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("train", "--hidden", "ten"), 2, "invalid int value: 'ten'"),
        (("train", "--hidden", "0"), 2, "hidden is 0"),
        (("train", "--lr", "-1"), 2, "learning_rate is -1.0"),
        (("train", "--iterations", "5", "--epochs", "5"), 2, "not allowed with"),
        (("train", "--rows", "70000"), 2, "70000 rows are requested"),
        (("train", "--holdout", "42000"), 2, "leaves none to train on"),
        (("train", "--device", "gpu"), 2, "device is 'gpu'"),
        (("train", "--data", "none.csv"), 4, "no file or folder none.csv"),
        (("train", "--data", "."), 4, "contains no data"),
        (("train", "--out", "none/m"), 4, "cannot be written"),
        (("evaluate", "none.safetensors"), 4, "There is no model"),
        (("predict", "none.safetensors", "x.csv"), 4, "There is no model"),
        (("check-gradients", "--samples", "0"), 2, "not all from 1 to"),
    ],
)
def test_exit_codes(tmp_path: Path, args: tuple[str, ...], code: int, message: str) -> None:
    result = run(*args, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_divergence_exits_5(tmp_path: Path, csv: Path) -> None:
    result = run("train", "--data", csv, "--holdout", 5, "--lr", 1e30, cwd=tmp_path)
    assert result.returncode == 5
    assert "error: The training diverged: the loss is not finite from iteration" in result.stderr
    assert "try --lr 0.1" in result.stderr
    assert not (tmp_path / "model.safetensors").exists()


def test_wrong_cells_exit_4_with_line_and_column(tmp_path: Path, csv: Path, model: Path) -> None:
    csv.write_text(
        csv.read_text(encoding="utf-8").replace("\n", "\n0,999" + ",0" * 11 + "\n", 1),
        encoding="utf-8",
    )
    for args in (("train", "--data", csv), ("evaluate", model, "--data", csv)):
        result = run(*args, cwd=tmp_path)
        assert result.returncode == 4
        assert "line 2, column 'pixel0': '999' is not from 0 to 255" in result.stderr


def test_images_of_another_size_exit_4(tmp_path: Path, model: Path) -> None:
    result = run("evaluate", model)
    assert result.returncode == 4
    assert "784 pixels, the model was trained on 12" in result.stderr


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_a_closed_pipe_is_not_an_error(tmp_path: Path, model: Path, output: str) -> None:
    big = tmp_path / "big-images-idx3-ubyte"
    big.write_bytes(idx_header((30_000, 12)) + bytes(360_000))
    command = " ".join(map(str, [*PROGRAM, "predict", model, big, "-o", output, "--device", "cpu"]))
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("ImageId,Label\n1,")


@pytest.mark.parametrize(
    "command",
    ["train", "evaluate", "predict", "export", "import", "devices", "check-gradients"],
)
def test_every_command_has_help_that_shows_defaults(command: str) -> None:
    result = run(command, "--help-all" if command == "train" else "--help")
    assert result.returncode == 0
    assert "--json" in result.stdout
    if command == "train":
        assert "(default: 0.1)" in result.stdout
        assert "(default: model.safetensors)" in result.stdout


def test_train_is_also_a_separate_program() -> None:
    program = Path(sys.executable).parent / "train"
    result = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage: train ")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("mnn_gpu ")


# ---- nothing lost, no traceback ------------------------------------------------------


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = " ".join([*PROGRAM])
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script.replace('mnn-gpu', program)}"],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "MNN_DEVICE": "cpu"},
        check=False,
        timeout=120,
    )
    assert "Traceback" not in result.stderr
    return result


TRAIN = "mnn-gpu train --data train.csv --holdout 5 --iterations 300 --report-every 1 --out m"


@pytest.mark.parametrize(
    "redirection",
    [
        *("2>&1 | head -n 2", "2> >(head -n 1 >/dev/null)", ">&-"),
        pytest.param("2>&-", marks=NO_STDERR),
        pytest.param(">&- 2>&-", marks=NO_STDERR),
    ],
)
def test_the_model_is_saved_whatever_happens_to_the_messages(
    tmp_path: Path, csv: Path, redirection: str
) -> None:
    result = shell(f"{TRAIN} {redirection}", tmp_path)
    assert result.returncode == 0, result.stderr
    assert load_model(tmp_path / "m").info["iterations"] == 300


def test_a_full_stdout_is_an_error_after_the_model_is_saved(tmp_path: Path, csv: Path) -> None:
    result = shell(f"{TRAIN} -q > /dev/full", tmp_path)
    assert result.returncode == 4
    assert "cannot be printed" in result.stderr
    assert (tmp_path / "m").exists()


def test_a_name_that_the_terminal_cannot_show_is_not_an_error(tmp_path: Path, csv: Path) -> None:
    script = "PYTHONIOENCODING=ascii LANG=C " + TRAIN.replace("--out m", "--out \u00e9")
    assert shell(script + " -q", tmp_path).returncode == 0


def test_json_and_a_file_go_together(tmp_path: Path, csv: Path, model: Path) -> None:
    result = run("predict", model, csv, "--json", "-o", tmp_path / "s.csv")
    assert len(json.loads(result.stdout)["labels"]) == 30
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 31


def test_devices_as_output_are_written_to_not_replaced(
    tmp_path: Path, csv: Path, model: Path
) -> None:
    assert run("predict", model, csv, "-o", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()
    full = run("predict", model, csv, "-o", "/dev/full")
    assert full.returncode == 4
    assert "/dev/full cannot be written" in full.stderr


def test_the_shape_of_images_comes_from_the_file(tmp_path: Path, images: dict[str, Any]) -> None:
    options = ("train", "--augment", "--iterations", 2, "--holdout", 3, "--data")
    flat, shaped = tmp_path / "flat.npz", tmp_path / "shaped.npz"
    np.savez(flat, x_train=images["X"], y_train=images["y"])
    np.savez(shaped, x_train=images["X"].reshape(-1, 3, 4), y_train=images["y"])
    result = run(*options, flat, cwd=tmp_path)
    assert result.returncode == 2
    assert "--image-shape" in result.stderr
    given = run(*options, flat, "--image-shape", 3, 4, "--json", cwd=tmp_path)
    read = run(*options, shaped, "--json", cwd=tmp_path)
    for trained in (given, read):
        assert json.loads(trained.stdout)["recipe"]["image_shape"] == [3, 4]


def test_a_rare_class_may_lie_in_the_held_out_rows(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * 9},{255 - i * 9}\n" for i in range(20))
    (tmp_path / "d.csv").write_text("label,a,b\n" + rows)
    result = run("train", "--data", "d.csv", "--holdout", 10, "--iterations", 2, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert load_model(tmp_path / "model.safetensors").layer_sizes[-1] == 20


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("train", "--iterations", "1" + "0" * 30), 2, "iterations is"),
        (("train", "--hidden", "1" + "0" * 22), 2, "hidden is"),
        (("train", "--hidden", "1000000000"), 2, "Take fewer units"),
        (("train", "--rows", "-5"), 2, "-5 rows are requested"),
        (("train", "--rows", "0", "--holdout", "0"), 2, "0 rows are requested"),
        (("train", "--backend", "cupy", "--device", "cpu"), 2, "cupy does not support cpu"),
        (("check-gradients", "--seed", "-1"), 2, "seed -1"),
        (("check-gradients", "--samples", "1" + "0" * 11), 2, "samples"),
    ],
)
def test_invalid_numbers_are_refused(
    tmp_path: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*args, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr


def test_evaluation_errors_name_the_file(tmp_path: Path, model: Path) -> None:
    (tmp_path / "t.csv").write_text("label,a\n0,1\n")
    assert "t.csv have 1 pixels" in run("evaluate", model, "--data", "t.csv", cwd=tmp_path).stderr
    row = "7" + ",0" * 12
    names = "label," + ",".join(f"p{i}" for i in range(12))
    (tmp_path / "t.csv").write_text(f"{names}\n{row}\n")
    assert (
        "t.csv, row 1: the label 7"
        in run("evaluate", model, "--data", "t.csv", cwd=tmp_path).stderr
    )


# ---- usage -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_the_program_without_arguments_prints_its_help(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 0
    assert "check-gradients" in result.stdout


def test_the_help_of_train_fits_a_screen_and_the_full_help_lists_all_options() -> None:
    short, whole = run("help", "train").stdout, run("train", "--help-all").stdout
    assert len(short.splitlines()) <= 42
    assert max(map(len, short.splitlines())) <= 80
    assert "--help-all" in short
    assert "--label-smoothing" in whole
    assert "--label-smoothing" not in short


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "did you mean train?"),
        (["train", "--recipe", "recrod"], "did you mean record?"),
        (["train", "--epohcs", 3], "did you mean --epochs?"),
        (["train", "--epochs", "x"], "invalid int value: 'x'"),
    ],
)
def test_a_misspelled_word_gives_an_error_of_two_lines(arguments: list[Any], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    first, second = result.stderr.splitlines()
    assert message in first
    assert second.startswith("cure: See mnn-gpu ")


def test_files_may_be_arguments_or_options(model: Path, csv: Path) -> None:
    one, other = run("evaluate", model, csv), run("evaluate", model, "--data", csv)
    assert one.stdout == other.stdout
    assert one.returncode == 0
    test = csv.with_name("test.csv")
    one, other = run("predict", model, test), run("predict", model, "--data", test)
    assert one.stdout == other.stdout
    assert run("evaluate", model, csv, "--data", csv).returncode == 2
    assert "No images are given" in run("predict", model).stderr


def test_misplaced_arguments_are_reported(model: Path, csv: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("predict", csv, model), "is a CSV file, not a model"),
        (("evaluate", model, model), "is a model file, not data"),
        (("evaluate", "recrod"), "Did you mean record?"),
        (("evaluate", tmp_path), "is a folder, not a model"),
    ):
        result = run(*arguments)
        assert result.returncode == 4
        assert message in result.stderr
    (tmp_path / "images").mkdir()
    (tmp_path / "images/1.png").write_bytes(b"")
    assert "contains images" in run("train", "--data", tmp_path / "images").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    result = run("completion", shell)
    assert result.returncode == 0
    assert "check-gradients" in result.stdout
    assert "label-smoothing" in result.stdout


def test_bash_completes_with_it(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash").stdout)
    asked = (
        f"source {script}; COMP_WORDS=(mnn-gpu evalu); COMP_CWORD=1; "
        "$(complete -p mnn-gpu | sed 's/.*-F //; s/ .*//'); echo ${COMPREPLY[@]}"
    )
    found = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert found.stdout.split() == ["evaluate"]
