"""The notebook for Kaggle and Colab, run from its first cell to its last.

With `MNN_TEST_WHEELS`, a folder that the notebook's command has made, it runs as on such a service
without internet: in an environment that lacks the package and what the wheels bring.
"""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import venv
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from mnn_gpu import load_mnist, load_model

NOTEBOOK = Path(__file__).parents[1] / "scripts" / "mnist_from_scratch.ipynb"
TRAIN_ROWS, TEST_ROWS = 1500, 40
WHEELS = os.environ.get("MNN_TEST_WHEELS")
BROUGHT = ("mnn_gpu", "array_api_compat")
NO_INDEX = "https://index.invalid/simple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short train.csv and test.csv, as Kaggle has them, and the wheels."""
    (X, y), (X_test, _) = load_mnist()
    folder = tmp_path_factory.mktemp("kaggle")
    names = [f"pixel{i}" for i in range(784)]
    table = pd.DataFrame(X[:TRAIN_ROWS], columns=names)
    table.insert(0, "label", y[:TRAIN_ROWS])
    table.to_csv(folder / "train.csv", index=False)
    pd.DataFrame(X_test[:TEST_ROWS], columns=names).to_csv(folder / "test.csv", index=False)
    if WHEELS:
        shutil.copytree(WHEELS, folder / "wheels")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of a service: all that are installed here except those of the wheels."""
    folder = tmp_path_factory.mktemp("service")
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    for name in ("purelib", "platlib"):
        for package in Path(sysconfig.get_path(name)).iterdir():
            to = packages / package.name
            if not (to.exists() or any(name in package.name for name in BROUGHT)):
                to.symlink_to(package)
    python = [str(folder / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = folder / "kernels" / "service" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": python, "display_name": "service", "language": "python"}))
    return packages


@pytest.fixture(scope="module")
def executed(folder: Path, request: pytest.FixtureRequest) -> Any:
    """The notebook with its outputs; a cell that fails is an error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNN_DEVICE", "cpu")
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        options: dict[str, Any] = {"resources": {"metadata": {"path": folder}}}
        if WHEELS:
            kernels = request.getfixturevalue("service").parents[2]
            patch.setenv("JUPYTER_PATH", str(kernels))
            patch.setenv("PIP_INDEX_URL", NO_INDEX)
            patch.delenv("PYTHONPATH", raising=False)
            options["kernel_name"] = "service"
        return NotebookClient(notebook, timeout=120, **options).execute()


def printed(notebook: Any, source: str) -> str:
    """Return the output of the cell with the given source."""
    (cell,) = [c for c in notebook.cells if c.cell_type == "code" and source in c.source]
    texts = [out.get("text", "") + str(out.get("data", "")) for out in cell.outputs]
    return "".join(texts)


def test_it_is_stored_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")


@pytest.mark.skipif(not WHEELS, reason="requires MNN_TEST_WHEELS, a folder of wheels")
@pytest.mark.filterwarnings("ignore")
def test_without_internet_the_wheels_alone_are_installed_and_nothing_is_changed(
    executed: Any, service: Path
) -> None:
    own = [path.name for path in service.iterdir() if not path.is_symlink()]
    assert {name.partition("-")[0] for name in own} - {"__pycache__"} == {*BROUGHT}


@pytest.mark.filterwarnings("ignore")  # Warnings of some versions of the kernel.
def test_it_trains_and_writes_a_submission(executed: Any, folder: Path) -> None:
    assert f"{TRAIN_ROWS * 9 // 10:,} images to train on" in printed(executed, "mnn_gpu.split(")
    model = load_model(folder / "model.safetensors")
    assert model.info["held_out_accuracy"] > 0.8
    submission = pd.read_csv(folder / "submission.csv")
    assert submission.columns.tolist() == ["ImageId", "Label"]
    assert submission.ImageId.tolist() == list(range(1, TEST_ROWS + 1))
    _, (_, y_test) = load_mnist()
    assert np.mean(submission.Label == y_test[:TEST_ROWS]) > 0.8


@pytest.mark.filterwarnings("ignore")
def test_results_are_shown_as_tables_plots_and_a_bar(executed: Any) -> None:
    assert "auto selects" in printed(executed, "mnn_gpu.diagnose()")
    training = printed(executed, "progress_bar()")
    assert "<progress" in training
    assert "<svg" in training
    for plot in ("plots.history", "plots.confusion", "plots.mistakes"):
        assert "image/png" in printed(executed, plot)


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_s_cells_run_and_accept_gpu_arrays(executed: Any) -> None:
    assert float(printed(executed, "gradient_descent(").split("accuracy:")[-1]) > 0.3
    assert "numpy  ndarray  same memory: True" in printed(executed, "takers")
