"""`mnn-gpu plot`, through real processes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import mnn_gpu
from mnn_gpu.cli.main import main
from mnn_gpu.cli.plot import PLOTS
from mnn_gpu.plots.theme import DARK
from tests.support.program import run, run_process

WITHOUT_MATPLOTLIB = """
import sys
class NoMatplotlib:
    def find_spec(name, *_):
        if name == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
sys.meta_path.insert(0, NoMatplotlib)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model of 4 x 6 images, trained with augmentation, and the images."""
    generator = np.random.default_rng(4)
    y = np.arange(30) % 3 * 10
    X = generator.integers(0, 256, (30, 4, 6)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_train=X, y_train=y, x_test=X, y_test=y)
    config = mnn_gpu.TrainingConfig(batch_size=10, epochs=3, augmentation=mnn_gpu.Augmentation())
    model, _ = mnn_gpu.train(X, y, config)
    mnn_gpu.save_model(tmp_path / "m.safetensors", model)
    return tmp_path


@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_is_drawn_from_a_model_and_data(
    folder: Path, plot: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    arguments = ["plot", plot, "m.safetensors", "--theme", "dark"]
    if plot not in ("history", "weights"):
        arguments += ["--data", "data.npz"]
    if plot == "weights":
        arguments += ["--image-shape", "4", "6"]
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"plot saved to {plot}.png\n", "")
    image = Image.open(f"{plot}.png").convert("RGB")
    assert image.width == 1600
    assert image.getpixel((1, 1)) == tuple(bytes.fromhex(DARK.background[1:]))


def test_the_record_is_drawn_on_the_bundled_test_set(tmp_path: Path) -> None:
    result = run("plot", "confusion", "record", "-o", tmp_path / "c.svg")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"plot saved to {tmp_path / 'c.svg'}\n"
    assert ElementTree.parse(tmp_path / "c.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (["history", "record"], 2, "has no training history"),
        (["weights", "record", "-o", "w.jpg"], 2, "does not have the ending of a plot"),
        (["confusion", "record", "-o", "no/w.png", "--data", "none"], 4, "cannot be written"),
        (["weights", "none", "-o", "w.png"], 4, "There is no model"),
        (["weights", "record", "--most", "0"], 2, "most is 0"),
        (["weights", "record", "--image-shape", "5", "5"], 2, "do not have 784 pixels"),
        (["confusion", "m.safetensors"], 4, "have 784 pixels"),
        (["mistakes", "record", "--data", "data.npz"], 2, "4 x 6 do not have 784 pixels"),
    ],
)
def test_errors_give_cause_and_cure_and_leave_no_file(
    folder: Path,
    arguments: list[str],
    code: int,
    cause: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert main(["plot", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: " in printed.err
    assert cause in printed.err
    assert "\ncure: " in printed.err
    assert sorted(folder.iterdir()) == before


def test_an_unknown_plot_is_refused() -> None:
    result = run("plot", "heatmap", "record")
    assert (result.returncode, result.stdout) == (2, "")
    assert "invalid choice: 'heatmap'" in result.stderr


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_MATPLOTLIB)
    result = run_process(
        "plot", "weights", "record", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}
    )
    assert result.returncode == 2
    assert "mnn_gpu[plots]" in result.stderr
    assert not (tmp_path / "weights.png").exists()
