"""Warnings name the line of the caller as their source."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mnn_gpu


def predict_bytes(_: Path) -> None:
    model = mnn_gpu.Model(np.zeros(10), (4, 2), np.arange(2), {}, 16.0)
    mnn_gpu.predict(model, np.full((2, 4), 200, np.uint8), mnn_gpu.select_backend("cpu"))


def read_a_table_with_an_index(folder: Path) -> None:
    path = folder / "digits.csv"
    path.write_text("id,label,a,b\n5,0,1,2\n9,1,3,4\n")
    mnn_gpu.load_dataset(path)


@pytest.mark.parametrize("call", [predict_bytes, read_a_table_with_an_index])
def test_the_source_of_a_warning_is_the_line_that_calls_the_package(
    tmp_path: Path, call: Callable[[Path], None]
) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call(tmp_path)
    assert [Path(warning.filename) for warning in found] == [Path(__file__)]
