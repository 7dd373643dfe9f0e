"""Model files: exact round trips, atomic writing, and validation of untrusted content."""

from __future__ import annotations

import json
import os
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from mnn_gpu import (
    Model,
    ModelFileError,
    OutputError,
    TrainingConfig,
    UsageError,
    load_model,
    predict,
    save_model,
    train,
)
from mnn_gpu.nn.parameters import flatten, init_parameters
from mnn_gpu.storage.atomic_write import check_writable, write_atomically

SIZES = (4, 3, 2)


@pytest.fixture
def model() -> Model:
    theta = flatten(init_parameters(SIZES, np.random.default_rng(0)))
    return Model(theta.astype(np.float32), SIZES, np.array([3, 8]), {"recipe": {"seed": 5}})


def test_a_saved_model_loads_unchanged(tmp_path: Path, model: Model) -> None:
    save_model(tmp_path / "m.safetensors", model)
    loaded = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.theta, model.theta)
    assert loaded.theta.dtype == np.float32
    assert loaded.layer_sizes == SIZES
    assert loaded.classes.tolist() == [3, 8]
    assert loaded.info == {"recipe": {"seed": 5}}


def test_equal_models_give_equal_files(tmp_path: Path, model: Model) -> None:
    contents = set()
    for _ in range(20):
        save_model(tmp_path / "m", model)
        contents.add((tmp_path / "m").read_bytes())
    assert len(contents) == 1


def test_float16_halves_the_file_and_keeps_three_digits(tmp_path: Path) -> None:
    sizes = (40, 30, 2)
    theta = flatten(init_parameters(sizes, np.random.default_rng(0)))
    model = Model(theta.astype(np.float32), sizes, np.array([3, 8]))
    paths = {dtype: tmp_path / dtype for dtype in ("float16", "float32")}
    for dtype, path in paths.items():
        save_model(path, model, dtype=dtype)
    loaded = load_model(paths["float16"])
    assert loaded.theta.dtype == np.float32
    np.testing.assert_allclose(loaded.theta, model.theta, rtol=1e-3, atol=1e-7)
    saved = paths["float32"].stat().st_size - paths["float16"].stat().st_size
    assert saved == pytest.approx(2 * theta.size, abs=64)


@pytest.mark.parametrize("dtype", ["int8", "complex64", "bfloat16", "nope"])
def test_parameters_are_stored_as_floats_only(tmp_path: Path, model: Model, dtype: str) -> None:
    with pytest.raises(UsageError, match="dtype"):
        save_model(tmp_path / "m", model, dtype=dtype)
    assert not (tmp_path / "m").exists()


def test_parameters_beyond_float16_are_not_written(tmp_path: Path, model: Model) -> None:
    save_model(tmp_path / "m", model)
    huge = Model(model.theta * 1e6, SIZES, model.classes)
    with pytest.raises(UsageError, match="not finite as float16"), np.errstate(over="ignore"):
        save_model(tmp_path / "m", huge, dtype="float16")
    np.testing.assert_array_equal(load_model(tmp_path / "m").theta, model.theta)


def test_a_file_takes_precedence_over_an_included_model_of_its_name(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model("record", model)
    assert load_model("record").layer_sizes == SIZES


def test_a_saved_model_predicts_the_same(tmp_path: Path, images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(5,), iterations=20, seed=3)
    model, history = train(images["X"], images["y"], config)
    save_model(tmp_path / "m", model)
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(predict(loaded, images["X"]), predict(model, images["X"]))
    assert loaded.info["recipe"]["seed"] == 3
    assert loaded.info["training_accuracy"] == history.training.accuracy


def test_the_file_is_plain_safetensors_with_the_names_of_a_torch_sequential(
    tmp_path: Path, model: Model
) -> None:
    save_model(tmp_path / "m", model)
    tensors = load_file(tmp_path / "m")
    assert {name: array.shape for name, array in tensors.items()} == {
        "0.weight": (3, 4),
        "0.bias": (3,),
        "2.weight": (2, 3),
        "2.bias": (2,),
    }
    (W1, b1), (W2, b2) = model.layers
    np.testing.assert_array_equal(tensors["0.weight"], W1)
    np.testing.assert_array_equal(tensors["0.bias"], b1[:, 0])
    np.testing.assert_array_equal(tensors["2.weight"], W2)
    np.testing.assert_array_equal(tensors["2.bias"], b2[:, 0])


def test_files_of_the_previous_format_are_read(tmp_path: Path) -> None:
    # 2-1-2 as written by version 1: the formulas' names, biases (outputs, 1).
    header = (
        b'{"__metadata__":{"format":"mnn_gpu model 1","version":"0.1.0","layer_sizes":"[2, 1, 2]",'
        b'"classes":"[3, 8]","info":"{\\"seed\\": 5}"},'
        b'"W1":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},'
        b'"W2":{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]},'
        b'"b1":{"dtype":"F16","shape":[1,1],"data_offsets":[8,10]},'
        b'"b2":{"dtype":"F16","shape":[2,1],"data_offsets":[10,14]}}'
    )
    numbers = struct.pack("<7e", 1, -2, 3, 0.5, 0.25, -1, 7)
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(header)) + header + numbers)
    model = load_model(tmp_path / "m")
    assert model.theta.tolist() == [1, -2, 0.25, 3, 0.5, -1, 7]
    assert model.theta.dtype == np.float32
    assert model.layer_sizes == (2, 1, 2)
    assert model.classes.tolist() == [3, 8]
    assert model.info == {"seed": 5}


FORMATS = {
    1: ("W1", "b1", "W2", "b2"),
    2: ("0.weight", "0.bias", "2.weight", "2.bias"),
}


def good_parts(model: Model, version: int) -> tuple[dict[str, Any], dict[str, str]]:
    arrays = [array.copy() for layer in model.layers for array in layer]
    if version == 2:
        arrays = [array if i % 2 == 0 else array[:, 0] for i, array in enumerate(arrays)]
    tensors = dict(zip(FORMATS[version], map(np.ascontiguousarray, arrays), strict=True))
    metadata = {
        "format": f"mnn_gpu model {version}",
        "layer_sizes": "[4, 3, 2]",
        "classes": "[3, 8]",
        "info": "{}",
    }
    return tensors, metadata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "pt"}, "not a model of mnn_gpu"),
        ({"format": "mnn_gpu model 3"}, "not a model of mnn_gpu"),
        ({"format": {1: "mnn_gpu model 2", 2: "mnn_gpu model 1"}}, "layer 1 is not floats"),
        ({"layer_sizes": "[4, 3"}, "damaged"),
        ({"layer_sizes": "[4, 3, 3]"}, "do not match"),
        ({"layer_sizes": "[5, 3, 2]"}, "layer 1 is not floats of shape"),
        ({"layer_sizes": "[1000000000000, 3, 2]"}, "layer 1"),
        ({"layer_sizes": "[4, 3, 3, 2]"}, "layer 2"),
        ({"layer_sizes": "[4, -3, 2]"}, "wrong kind"),
        ({"layer_sizes": "{}"}, "damaged"),
        ({"classes": "[8, 3]"}, "do not match"),
        ({"classes": '["a", 3]'}, "wrong kind"),
        ({"classes": '["", "b"]'}, "wrong kind"),
        ({"classes": '["b", "a"]'}, "do not match"),
        ({"info": "[]"}, "wrong kind"),
        ({"info": None}, "damaged"),
        ({"info": "[" * 100_000}, "damaged"),
        ({0: None}, "layer 1"),
        ({3: None}, "layer 2"),
        ({0: np.zeros((3, 4), np.int32)}, "layer 1"),
        ({1: {1: np.zeros(3, np.float32), 2: np.zeros((3, 1), np.float32)}}, "layer 1"),
        ({3: {1: np.array([[np.nan], [0]]), 2: np.array([np.nan, 0])}}, "not finite"),
        ({"4.weight": np.zeros((2, 2), np.float32)}, "tensors of no layer"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_an_inconsistent_file_is_refused(
    tmp_path: Path, model: Model, version: int, change: dict[Any, Any], message: str
) -> None:
    tensors, metadata = good_parts(model, version)
    save_file(tensors, tmp_path / "m", metadata)
    assert load_model(tmp_path / "m").layer_sizes == SIZES
    for key, of_versions in change.items():
        name = FORMATS[version][key] if isinstance(key, int) else key
        value = of_versions[version] if isinstance(of_versions, dict) else of_versions
        target: dict[str, Any] = metadata if name in metadata else tensors
        target[name] = value
        if value is None:
            del target[name]
    save_file(tensors, tmp_path / "m", metadata)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(tmp_path / "m")
    assert str(tmp_path / "m") in caught.value.cause


def test_missing_files_folders_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no model"):
        load_model(tmp_path / "none")
    (tmp_path / "m").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(ModelFileError, match="is a folder, not a model"):
        load_model(tmp_path)
    with pytest.raises(ModelFileError, match="not a complete model file"):
        load_model(tmp_path / "m")
    (tmp_path / "other").write_bytes(save({"x": np.zeros(2)}))
    with pytest.raises(ModelFileError, match="format is not given"):
        load_model(tmp_path / "other")


@given(data=st.data())
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, model: Model, data: st.DataObject
) -> None:
    save_model(tmp_path / "m", model)
    content = bytearray((tmp_path / "m").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    (tmp_path / "m").write_bytes(content[: data.draw(st.integers(at, len(content)))])
    try:
        load_model(tmp_path / "m")
    except ModelFileError as error:
        assert error.cure


# ---- writing -------------------------------------------------------------------------


def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_new_file_has_the_mode_of_the_umask_which_stays_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    changes: list[int] = []
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", changes.append)
            write_atomically(tmp_path / "m", b"new")
    finally:
        os.umask(before)
    assert changes == []
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640


def test_a_file_is_replaced_atomically_and_no_other_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]
    other = tmp_path / "plain"
    other.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


@pytest.mark.parametrize("writer", [check_writable, lambda path: write_atomically(path, b"x")])
def test_a_failed_write_is_reported_and_leaves_no_file(tmp_path: Path, writer: Any) -> None:
    for path in (tmp_path / "missing" / "m", tmp_path):
        with pytest.raises(OutputError) as caught:
            writer(path)
        assert caught.value.exit_code == 4
        assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", [check_writable, lambda path: write_atomically(path, b"x")])
def test_a_read_only_file_is_not_replaced(tmp_path: Path, writer: Any) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"kept")
    path.chmod(0o444)
    (tmp_path / "link").symlink_to(path)
    for name in ("m", "link"):
        with pytest.raises(OutputError, match="m is read-only"):
            writer(tmp_path / name)
    assert path.read_bytes() == b"kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


@pytest.mark.parametrize("writer", [check_writable, lambda path: write_atomically(path, b"x")])
@pytest.mark.parametrize("name", ["x" * 256, "é" * 128, "x" * 5000 + "/m", "a\0b", "loop/m"])
def test_an_invalid_name_is_an_output_error(tmp_path: Path, writer: Any, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match="cannot be written"):
        writer(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        check_writable(tmp_path / name)
        write_atomically(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_checking_leaves_an_existing_file_unchanged(tmp_path: Path, model: Model) -> None:
    save_model(tmp_path / "m", model)
    check_writable(tmp_path / "m")
    assert json.dumps(load_model(tmp_path / "m").layer_sizes) == "[4, 3, 2]"
    assert list(tmp_path.iterdir()) == [tmp_path / "m"]
