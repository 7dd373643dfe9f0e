"""The included model: available by name, with the accuracy given in its model card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mnn_gpu import Evaluation, Model, evaluate, load_mnist, load_model, select_backend
from mnn_gpu.models.model_file import SHIPPED
from mnn_gpu.training.recipes import measured
from tests.support.program import run

CARD = SHIPPED["record"].with_name("record.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record() -> Model:
    return load_model("record")


@pytest.fixture(scope="module")
def scores(record: Model) -> Evaluation:
    _, (X_test, y_test) = load_mnist()
    return evaluate(record, X_test, y_test, select_backend("cpu"))


def test_it_has_two_hidden_layers_and_ten_classes(record: Model) -> None:
    features, *hidden, classes = record.layer_sizes
    assert (features, len(hidden), classes) == (784, 2, 10)
    assert record.classes.tolist() == list(range(10))
    assert f"784-{'-'.join(map(str, hidden))}-10" in CARD


def test_its_test_errors_are_those_in_its_model_card(scores: Evaluation) -> None:
    [errors] = re.findall(r"Test error: (\d+) of 10,000", CARD)
    assert scores.errors == int(errors)
    assert scores.accuracy > 0.995


def test_the_list_of_recipes_gives_its_number_of_seeds(scores: Evaluation) -> None:
    figures = measured()["record"]["test_accuracy"]
    assert figures["min"] <= scores.accuracy <= figures["max"]


def test_the_command_line_accepts_its_name(tmp_path: Path, scores: Evaluation) -> None:
    report = json.loads(run("evaluate", "record", "--json", cwd=tmp_path).stdout)
    assert report["errors"] == scores.errors
    images = SHIPPED["record"].parents[1] / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    lines = run("predict", "record", images, cwd=tmp_path).stdout.splitlines()
    assert lines[:6] == ["ImageId,Label", "1,7", "2,2", "3,1", "4,0", "5,4"]
    assert len(lines) == 10_001
