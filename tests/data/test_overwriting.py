"""Outputs overwrite no inputs, and their format matches their name's ending."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mnn_gpu import Model, UsageError, load_model, save_model
from mnn_gpu.cli.main import main
from mnn_gpu.data.convert import convert
from mnn_gpu.data.idx import idx_header
from mnn_gpu.nn.parameters import flatten, init_parameters
from tests.support.program import PROGRAM, prepared, run, run_process

SIZES = (784, 4, 10)
TRAIN = ("train", "--iterations=2", "--holdout=2", "--batch-size=4", "--device=cpu", "-q")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, data in several formats, weights and an image."""
    folder = tmp_path_factory.mktemp("filled")
    rng = np.random.default_rng(0)
    theta = flatten(init_parameters(SIZES, rng)).astype(np.float32)
    model = Model(theta, SIZES, np.arange(10), {})
    save_model(folder / "m.safetensors", model)
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for l, (W, b) in enumerate(model.layers, start=1):
        arrays |= {f"W{l}": W, f"b{l}": b}
    np.savez(folder / "w.npz", **arrays)  # type: ignore[arg-type]
    X, y = rng.integers(0, 256, (12, 784), np.uint8), np.arange(12, dtype=np.uint8) % 10
    rows = np.hstack([y[:, None], X])
    names = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    np.savetxt(folder / "d.csv", rows, "%d", ",", header=names, comments="")
    (folder / "digits").mkdir()
    for kind, values in (("images-idx3", X.reshape(-1, 28, 28)), ("labels-idx1", y)):
        content = idx_header(values.shape) + values.tobytes()
        (folder / f"digits/train-{kind}-ubyte").write_bytes(content)
    convert(folder / "d.csv", folder / "converted")
    ink = np.full((40, 40), 255, np.uint8)
    ink[8:32, 18:22] = 0
    Image.fromarray(ink).save(folder / "p.png")
    return folder


@pytest.fixture
def place(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the filled folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ONTO_AN_INPUT = [
    (*TRAIN, "--data", "d.csv", "--out", "{d.csv}", "--force"),
    (*TRAIN, "--data", "digits", "--out", "{digits/train-images-idx3-ubyte}", "--force"),
    (*TRAIN, "--data", "digits", "--out", "{digits/train-labels-idx1-ubyte}", "--force"),
    (*TRAIN, "--data", "converted", "--out", "{converted/images-00000.npy}", "--force"),
    (*TRAIN, "--data", "converted", "--out", "{converted/index.json}", "--force"),
    ("predict", "m.safetensors", "d.csv", "-o", "{d.csv}"),
    ("predict", "m.safetensors", "d.csv", "-o", "{m.safetensors}"),
    ("predict", "m.safetensors", "converted", "-o", "{converted/labels-00000.npy}"),
    ("predict", "m.safetensors", "p.png", "-o", "{p.png}"),
    ("predict", "m.safetensors", "p.png", "p.png", "--show", "{p.png}"),
    ("predict", "m.safetensors", "p.png", "--show", "{m.safetensors}"),
    ("export", "m.safetensors", "{m.safetensors}", "--dtype", "float16"),
    ("import", "w.npz", "{w.npz}"),
    ("import", "m.safetensors", "{m.safetensors}", "--mean", "1"),
    ("plot", "weights", "m.safetensors", "-o", "{m.safetensors}"),
    ("plot", "confusion", "m.safetensors", "--data", "d.csv", "-o", "{d.csv}"),
    ("convert", "d.csv", "{d.csv}"),
    ("convert", "digits", "{digits}"),
    ("convert", "converted", "{converted}"),
]
THROUGH: dict[str, Callable[[Path, str], str]] = {
    "itself": lambda _, name: name,
    "a longer path": lambda place, name: str(place / "digits" / ".." / name),
    "a symbolic link": lambda _, name: linked(os.symlink, name),
    "a hard link": lambda _, name: linked(os.link, name),
}


def linked(link: Callable[[str, str], None], name: str) -> str:
    """Return a link with a name without an ending, which is allowed for any format."""
    link(str(Path(name).resolve()), "link")
    return "link"


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("command", ONTO_AN_INPUT, ids=lambda command: " ".join(command[-4:]))
def test_an_output_that_is_an_input_is_refused(
    place: Path, command: tuple[str, ...], through: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (target,) = (word[1:-1] for word in command if word.startswith("{"))
    if through == "a hard link" and Path(target).is_dir():
        pytest.skip("folders have no hard links")
    output = THROUGH[through](place, target)
    before = contents(place)
    assert main([output if word.startswith("{") else word for word in command]) in (2, 4)
    assert contents(place) == before
    out, message = capsys.readouterr()
    assert out == ""
    reasons = ("is the input", " ends in ", "does not have the ending of a plot", "ends in none")
    assert any(reason in message for reason in reasons)


def test_the_error_names_output_and_input(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    linked(os.symlink, "d.csv")
    command = ["predict", "m.safetensors", "d.csv", "-o", "link"]
    assert main(command) == 2
    assert "error: link is the input d.csv." in capsys.readouterr().err
    assert main([*TRAIN, "--data", "converted", "--out", "converted/index.json"]) == 2


def test_an_image_in_a_class_folder_is_not_overwritten_by_a_plot(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "classes" / "one").mkdir(parents=True)
    image = place / "classes" / "one" / "a.png"
    image.write_bytes((place / "p.png").read_bytes())
    before = image.read_bytes()
    command = ["plot", "confusion", "m.safetensors", "--data", "classes", "-o", str(image)]
    assert main(command) == 2
    assert "a file of classes" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_a_model_next_to_its_data_is_replaced(place: Path) -> None:
    for _ in range(2):
        assert main([*TRAIN, "--data", "converted", "--out", "converted/model.safetensors"]) == 0
        assert main(["predict", "m.safetensors", "converted", "-o", "converted/s.csv"]) == 0


# ---- descriptors -----------------------------------------------------------------------

STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc/self/fd")


@needs_proc
@pytest.mark.parametrize("name", STDOUT)
def test_predictions_can_be_written_to_any_name_of_stdout(place: Path, name: str) -> None:
    plain = run("predict", "m.safetensors", "d.csv", cwd=place)
    named = run_process("predict", "m.safetensors", "d.csv", "-o", name, cwd=place)
    assert named.returncode == 0, named.stderr
    assert named.stdout == plain.stdout
    assert not (place / "-").exists()


@needs_proc
@pytest.mark.parametrize("name", STDOUT)
def test_a_file_to_which_stdout_appends_is_not_truncated(place: Path, name: str) -> None:
    with Path("all.csv").open("ab") as file:
        file.write(b"before\n")
        file.flush()
        command = [*PROGRAM, "predict", "m.safetensors", "d.csv", "-o", name]
        assert subprocess.run(command, stdout=file, check=False).returncode == 0
    assert Path("all.csv").read_text(encoding="utf-8").startswith("before\nImageId,Label\n1,")


@needs_proc
def test_predictions_can_be_written_to_an_open_pipe(place: Path) -> None:
    read, write = os.pipe()
    assert main(["predict", "m.safetensors", "d.csv", "-o", f"/dev/fd/{write}"]) == 0
    os.close(write)
    with os.fdopen(read, "rb") as file:
        assert file.read().startswith(b"ImageId,Label\n1,")
    assert main(["predict", "m.safetensors", "d.csv", "-o", f"/dev/fd/{write}"]) == 4


@pytest.mark.parametrize("name", STDOUT)
@pytest.mark.parametrize("command", [(*TRAIN, "--data", "d.csv", "--out"), ("import", "w.npz")])
def test_a_model_is_not_mixed_with_the_result_on_stdout(
    place: Path, command: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, name]) == 2
    assert "stdout" in capsys.readouterr().err


def test_a_stdout_that_is_closed_is_reported(place: Path) -> None:
    command = [*PROGRAM, "predict", "m.safetensors", "d.csv"]
    result = subprocess.run(
        prepared("os.close(1)", command), stderr=subprocess.PIPE, text=True, check=False
    )
    assert result.returncode == 4
    assert result.stderr.startswith("error: There is no stdout")


# ---- files that exist ----------------------------------------------------------------

FOREIGN: dict[str, Callable[[], bytes]] = {
    "weights": lambda: Path("w.npz").read_bytes(),
    "notes": lambda: b"my notes\n",
    "a checkpoint": lambda: b'\x10{"__metadata__":{"format":"mnn_gpu checkpoint 2"}}',
}
WRITES_A_MODEL = [
    (*TRAIN, "--data", "d.csv", "--out"),
    ("import", "w.npz"),
    ("export", "m.safetensors"),
]


@pytest.mark.parametrize("command", WRITES_A_MODEL, ids=lambda command: command[0])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_not_a_model_is_replaced_only_with_force(
    place: Path, command: tuple[str, ...], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path("out.safetensors")
    out.write_bytes(FOREIGN[kind]())
    before = out.read_bytes()
    assert main([*command, str(out)]) == 4
    assert "is not a model written by mnn_gpu" in (message := capsys.readouterr().err)
    assert "--force" in message
    assert out.read_bytes() == before
    assert main([*command, str(out), "--force"]) == 0
    assert load_model(out).features == 784


@pytest.mark.parametrize("command", WRITES_A_MODEL, ids=lambda command: command[0])
def test_a_model_and_an_empty_file_are_replaced(place: Path, command: tuple[str, ...]) -> None:
    out = Path("out.safetensors")
    out.touch()
    for _ in range(2):
        assert main([*command, str(out)]) == 0
        assert load_model(out).features == 784


@pytest.mark.parametrize("ending", [".npz", ".onnx", ".html"])
def test_an_export_is_replaced_by_another_and_data_are_not(place: Path, ending: str) -> None:
    if ending == ".onnx":
        pytest.importorskip("onnx")
    out = Path("out" + ending)
    for _ in range(2):
        assert main(["export", "m.safetensors", str(out)]) == 0
    np.savez(place / "data.npz", x_train=np.zeros((3, 784), np.uint8))
    out.write_bytes(Path("data.npz").read_bytes())
    assert main(["export", "m.safetensors", str(out)]) == 4


def test_a_model_cannot_have_a_checkpoint_s_name(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("checkpoint-000000002.safetensors", ".lock"):
        command = [*TRAIN, "--data", "d.csv", "--checkpoint", "run", "--out", f"run/{name}"]
        assert main(command) == 2
        assert "--out has a checkpoint's name" in capsys.readouterr().err


def test_a_model_may_be_in_the_folder_of_its_first_checkpoint(place: Path) -> None:
    assert main([*TRAIN, "--data", "d.csv", "--checkpoint", "run", "--out", "run/m"]) == 0
    assert load_model("run/m").features == 784


# ---- names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["m.npz", "m.csv", "m.pt", "M.PTH", "m.onnx", "m.html", "m.safetensors.gz", "m.pkl"]
)
def test_a_model_cannot_have_the_ending_of_another_format(
    place: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (WRITES_A_MODEL[0], WRITES_A_MODEL[1]):
        assert main([*command, name]) == 2
        assert "mnn-gpu export MODEL FILE" in capsys.readouterr().err
    with pytest.raises(UsageError, match="a model is written as safetensors"):
        save_model(name, load_model("m.safetensors"))
    assert not Path(name).exists()


@pytest.mark.parametrize("name", ["m", "mnist-0.1", "model.v2", ".hidden", "m.SAFETENSORS"])
def test_any_other_name_is_valid_for_a_model(place: Path, name: str) -> None:
    save_model(name, load_model("m.safetensors"))
    assert load_model(name).features == 784


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "m.safetensors", "d.csv", "-o", "s.parquet"),
        ("predict", "m.safetensors", "d.csv", "-o", "s.csv.zip"),
        ("predict", "m.safetensors", "p.png", "-o", "s.json"),
        ("predict", "m.safetensors", "p.png", "--show", "s.jpg"),
        ("predict", "m.safetensors", "p.png", "--show", "s.png", "-o", "./s.png"),
        ("convert", "d.csv", "s.npz"),
        ("plot", "weights", "m.safetensors", "-o", "s.jpg"),
        ("export", "m.safetensors", "s.pt"),
    ],
    ids=" ".join,
)
def test_other_outputs_cannot_have_the_ending_of_another_format(
    place: Path, command: tuple[str, ...]
) -> None:
    before = contents(place)
    assert main(list(command)) == 2
    assert contents(place) == before


def test_predictions_are_compressed_if_the_name_ends_in_gz(place: Path) -> None:
    for images in ("d.csv", "p.png"):
        assert main(["predict", "m.safetensors", images, "-o", "s.csv"]) == 0
        assert main(["predict", "m.safetensors", images, "-o", "s.csv.gz"]) == 0
        packed = Path("s.csv.gz").read_bytes()
        assert gzip.decompress(packed) == Path("s.csv").read_bytes()
        assert main(["predict", "m.safetensors", images, "-o", "s.csv.gz"]) == 0
        assert Path("s.csv.gz").read_bytes() == packed


COMMANDS_WITH_NAMES = [
    (*TRAIN, "--data", "{}", "--out", "t"),
    (*TRAIN, "--data", "d.csv", "--out", "{}"),
    (*TRAIN, "--data", "d.csv", "--out", "t", "--checkpoint", "{}"),
    ("evaluate", "{}"),
    ("evaluate", "m.safetensors", "--data", "{}"),
    ("predict", "m.safetensors", "{}"),
    ("predict", "m.safetensors", "{}.png"),
    ("predict", "m.safetensors", "d.csv", "-o", "{}"),
    ("predict", "m.safetensors", "p.png", "--show", "{}"),
    ("export", "{}", "e.npz"),
    ("export", "m.safetensors", "{}.npz"),
    ("import", "{}.npz", "i"),
    ("import", "w.npz", "{}"),
    ("plot", "weights", "{}"),
    ("plot", "weights", "m.safetensors", "-o", "{}.png"),
    ("convert", "{}", "c"),
    ("convert", "d.csv", "{}"),
]


@pytest.mark.parametrize("name", ["x" * 256, "\0"], ids=["long", "null"])
@pytest.mark.parametrize("command", COMMANDS_WITH_NAMES, ids=" ".join)
def test_an_invalid_name_is_reported(
    place: Path, command: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(place)
    assert main([word.replace("{}", name) for word in command]) in (2, 4)
    out, message = capsys.readouterr()
    assert out == ""
    assert message.startswith("error: ")
    assert "cannot be printed" not in message
    assert "\0" not in message
    assert contents(place) == before


@pytest.mark.parametrize("command", COMMANDS_WITH_NAMES, ids=" ".join)
def test_control_characters_in_names_do_not_reach_the_terminal(
    place: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b[2J\x9b\x07"
    os.link("m.safetensors" if command[0] in ("evaluate", "export", "plot") else "d.csv", name)
    os.link("p.png", f"{name}.png")
    os.link("w.npz", f"{name}.npz")
    main([word.replace("{}", name) for word in command])
    for text in capsys.readouterr():
        assert not set(text) & {"\x1b", "\x9b", "\x07"}


@pytest.mark.parametrize("command", ["devices", "recipes", "check-gradients", "nothing"])
def test_control_characters_in_unknown_arguments_do_not_reach_the_terminal(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, "m", "\x1b[2J\x9b\x07"])
    message = capsys.readouterr().err
    assert "\\x1b[2J" in message or "invalid choice" in message
    assert not set(message) & {"\x1b", "\x9b", "\x07"}
