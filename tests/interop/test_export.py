"""Exports: the ending determines the format; other programs read the files without this package."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import Model, OutputError, UsageError, export_model, load_model, predict, save_model
from mnn_gpu.interop.export import WRITERS
from mnn_gpu.interop.npz import write_npz
from mnn_gpu.models.model_file import SHIPPED
from tests.support.models import random_model
from tests.support.program import run

WITHOUT_ONNX = """
import sys
class NoOnnx:
    def find_spec(name, *_):
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
sys.meta_path.insert(0, NoOnnx)
from mnn_gpu.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def model() -> Model:
    return random_model((12, 6, 5, 3), classes=[2, 3, 7])


# ---- npz -----------------------------------------------------------------------------


def test_an_archive_has_the_formulas_names_and_needs_no_pickle(
    tmp_path: Path, model: Model
) -> None:
    export_model(tmp_path / "m.npz", model)
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        for l, (W, b) in enumerate(model.layers, start=1):
            np.testing.assert_array_equal(arrays[f"W{l}"], W)
            np.testing.assert_array_equal(arrays[f"b{l}"], b)
        assert arrays["layer_sizes"].tolist() == [12, 6, 5, 3]
        assert arrays["classes"].tolist() == [2, 3, 7]
        assert json.loads(str(arrays["info"])) == {"recipe": {"seed": 3}}


def test_the_three_lines_of_the_documentation_predict(
    tmp_path: Path, model: Model, images: dict[str, Any]
) -> None:
    export_model(tmp_path / "m.npz", model)
    lines = [line for line in inspect.getdoc(write_npz).splitlines() if line.startswith("    ")]  # type: ignore[union-attr]
    code = textwrap.dedent("\n".join(line for line in lines if " = " in line))
    assert len(code.splitlines()) == 3
    X = (images["X"] / 255).T
    names = {"np": np, "X": X, "model": np.load(tmp_path / "m.npz", allow_pickle=False)}
    exec(code, names)
    np.testing.assert_array_equal(names["labels"], predict(model, images["X"]))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_archive_stores_the_requested_dtype(tmp_path: Path, model: Model, dtype: str) -> None:
    export_model(tmp_path / "m.npz", model, dtype=dtype)
    with np.load(tmp_path / "m.npz") as arrays:
        assert {str(arrays[name].dtype) for name in ("W1", "b1", "W3", "b3")} == {dtype}


# ---- every format --------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".html", ".npz", ".onnx"])
def test_equal_models_give_equal_files(tmp_path: Path, ending: str) -> None:
    model = random_model((784, 5, 3))
    for name in ("a", "b"):
        export_model(tmp_path / (name + ending.upper()), model)
    first, second = (path.read_bytes() for path in tmp_path.iterdir())
    assert first == second


@pytest.mark.parametrize("ending", WRITERS)
def test_a_failed_export_leaves_the_existing_file_unchanged(tmp_path: Path, ending: str) -> None:
    model = random_model((784, 5, 3))
    path = tmp_path / f"m{ending}"
    path.write_bytes(b"before")
    huge = Model(model.theta * 1e6, model.layer_sizes, model.classes)
    diverged = Model(model.theta * np.nan, model.layer_sizes, model.classes)
    for bad, dtype, message in (
        (huge, "float16", "not finite as float16"),
        (diverged, None, "not finite as float32"),
        (model, "int8", "dtype is 'int8'"),
        (model, "nope", "dtype is 'nope'"),
    ):
        with pytest.raises(UsageError, match=message):
            export_model(path, bad, dtype=dtype)
    assert path.read_bytes() == b"before"
    with pytest.raises(OutputError):
        export_model(tmp_path / "none" / f"m{ending}", model)


@pytest.mark.parametrize("name", ["model", "model.pt", "model.onnx.gz", ".onnx"])
def test_other_endings_are_refused_with_a_list_of_valid_ones(
    tmp_path: Path, model: Model, name: str
) -> None:
    with pytest.raises(UsageError) as caught:
        export_model(tmp_path / name, model)
    assert all(ending in caught.value.cure for ending in WRITERS)
    assert list(tmp_path.iterdir()) == []


# ---- the command line ----------------------------------------------------------------


@pytest.mark.parametrize("ending", WRITERS)
def test_the_command_exports_the_included_model(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"record{ending}"
    result = run("export", "record", path, "--dtype", "float16")
    assert result.returncode == 0, result.stderr
    size = path.stat().st_size
    assert result.stdout == f"record (784-1000-500-10) exported to {path}, {size:,} bytes\n"
    coded = 4 / 3 if ending == ".html" else 1  # The weights in a page are text: base64.
    page = 40_000 if ending == ".html" else 0  # Approximate size of its text.
    expected = coded * SHIPPED["record"].stat().st_size + page
    assert size == pytest.approx(expected, rel=0.01)


def test_the_help_lists_every_format() -> None:
    text = run("export", "--help").stdout
    assert all(f"\n  {ending} " in text for ending in WRITERS)


def test_the_command_reports_its_output_as_json(tmp_path: Path, model: Model) -> None:
    save_model(tmp_path / "m", model)
    result = run("export", "m", "half.safetensors", "--dtype", "float16", "--json", cwd=tmp_path)
    assert json.loads(result.stdout) == {
        "model": "m",
        "file": "half.safetensors",
        "layer_sizes": [12, 6, 5, 3],
        "bytes": (tmp_path / "half.safetensors").stat().st_size,
    }
    half = load_model(tmp_path / "half.safetensors")
    np.testing.assert_array_equal(half.theta, model.theta.astype("float16").astype("float32"))


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("none.safetensors", "m.onnx"), 4, "There is no model none.safetensors"),
        (("record", "m.pt"), 2, "does not end in an export format"),
        (("record", "none/m.npz"), 4, "cannot be written"),
        (("record", "m.npz", "--dtype", "int8"), 2, "invalid choice: 'int8'"),
    ],
)
def test_errors_have_their_exit_codes(
    tmp_path: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    result = run("export", *args, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_the_extra_is_named(tmp_path: Path) -> None:
    def export(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_ONNX, "export", "record", name],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ,
            check=False,
        )

    result = export("m.onnx")
    assert result.returncode == 2
    assert result.stderr == (
        'error: Writing ONNX needs the package onnx.\ncure: Run pip install "mnn_gpu[onnx]".\n'
    )
    assert list(tmp_path.iterdir()) == []
    assert export("m.npz").returncode == 0
