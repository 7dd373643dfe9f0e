"""ONNX: onnxruntime computes the same from the file as the model."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import (
    Model,
    UsageError,
    __version__,
    export_model,
    load_mnist,
    load_model,
    predict,
    predict_proba,
)
from tests.support.models import models, random_model


def run(path: Path, pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return onnxruntime's probabilities and labels for pixels."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities, label = session.run(["probabilities", "label"], {"pixels": pixels})
    return probabilities, label


def exported(model: Model, folder: Path, dtype: str | None = None) -> Path:
    path = folder / "m.onnx"
    export_model(path, model, dtype=dtype)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return path


def test_the_record_model_gives_the_same_results_on_mnist(tmp_path: Path) -> None:
    record = load_model("record")
    _, (X, _) = load_mnist()
    X = X[:500]
    for dtype in (None, "float16"):  # The record's parameters are float16 numbers.
        probabilities, label = run(exported(record, tmp_path, dtype), X.astype(np.float32) / 255)
        np.testing.assert_allclose(probabilities, predict_proba(record, X), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(label, predict(record, X))


@settings(deadline=None, max_examples=25)
@given(model=models(), rows=st.integers(0, 5), dtype=st.sampled_from([None, "float64"]))
def test_any_model_gives_the_same_results(model: Model, rows: int, dtype: str | None) -> None:
    X = np.random.default_rng(rows).random((rows, model.features), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        probabilities, label = run(exported(model, Path(folder), dtype), X)
    assert [str(array.dtype) for array in (probabilities, label)] == ["float32", "int64"]
    assert label.shape == (rows,)
    expected = np.empty((0, len(model.classes))) if rows == 0 else predict_proba(model, X)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
    assert label.tolist() == (predict(model, X).tolist() if rows else [])


def test_float64_is_computed_in_float64_if_requested(tmp_path: Path) -> None:
    # The label depends on differences that float32 loses next to 2**26.
    theta = np.array([0.0, 0.0, 2.0**26, 2.0**26 + 0.5])
    model = Model(theta, (1, 2), np.array([3, 8]))
    X = np.zeros((1, 1), np.float32)
    probabilities, label = run(exported(model, tmp_path, "float64"), X)
    assert label == predict(model, X) == [8]
    np.testing.assert_allclose(probabilities, predict_proba(model, X), rtol=1e-6)
    assert run(exported(model, tmp_path), X)[1] == [3]


def test_ties_are_resolved_to_the_first_class(tmp_path: Path) -> None:
    model = Model(np.zeros(12, np.float32), (3, 3), np.array([4, 5, 6]))
    X = np.full((2, 3), 0.5, np.float32)
    assert run(exported(model, tmp_path), X)[1].tolist() == predict(model, X).tolist() == [4, 4]


def test_large_outputs_do_not_overflow(tmp_path: Path) -> None:
    model = Model(np.array([1e4, -1e4, 0, 0], np.float32), (1, 2), np.array([0, 1]))
    probabilities, _ = run(exported(model, tmp_path), np.ones((1, 1), np.float32))
    assert probabilities.tolist() == [[1, 0]]


def test_float16_halves_the_file(tmp_path: Path) -> None:
    model = random_model((50, 40, 3))
    sizes = [exported(model, tmp_path, dtype).stat().st_size for dtype in ("float16", "float32")]
    assert sizes[1] - sizes[0] == pytest.approx(2 * model.theta.size, abs=500)


def test_the_file_supports_old_runtimes(tmp_path: Path) -> None:
    made = onnx.load(exported(random_model((4, 3, 2)), tmp_path))
    assert made.ir_version <= 7
    assert [(opset.domain, opset.version) for opset in made.opset_import] == [("", 13)]


def test_the_metadata_describe_the_input_and_the_training(tmp_path: Path) -> None:
    model = random_model((4, 3, 2), classes=[3, 8])
    made = onnx.load(exported(model, tmp_path))
    metadata = {entry.key: entry.value for entry in made.metadata_props}
    assert "(N, 4) float32 from 0 to 1" in metadata["how_to_feed_it"]
    assert metadata["version"] == __version__
    assert json.loads(metadata["info"]) == {"recipe": {"seed": 3}}
    assert json.loads(metadata["layer_sizes"]) == [4, 3, 2]
    assert json.loads(metadata["classes"]) == [3, 8]
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*made.graph.input, *made.graph.output]
    }
    assert shapes == {"pixels": ["N", 4], "probabilities": ["N", 2], "label": ["N"]}


def test_a_model_too_large_for_the_format_is_refused_at_once(tmp_path: Path) -> None:
    # 2 GB of zeros that take no memory.
    theta = np.broadcast_to(np.float32(0), 2**29)
    model = Model(theta, (2**28 - 1, 2), np.array([0, 1]))
    with pytest.raises(UsageError, match="too large for ONNX"):
        export_model(tmp_path / "m.onnx", model)
    assert not (tmp_path / "m.onnx").exists()
