"""Imports of weights from files of other programs: unchanged, or refused with a cause."""

from __future__ import annotations

import json
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from mnn_gpu import (
    MnnGpuError,
    Model,
    ModelFileError,
    UsageError,
    export_model,
    import_model,
    load_model,
    predict_proba,
)
from mnn_gpu.nn import network
from tests.support.models import models, random_model
from tests.support.program import run

Arrays = dict[str, npt.NDArray[Any]]
ENDINGS = [".npz", ".safetensors"]


def state_dict(model: Model, stems: tuple[str, ...] = ("0", "2", "4")) -> Arrays:
    """Return the parameters as a PyTorch state_dict."""
    arrays: Arrays = {}
    for stem, (W, b) in zip(stems, model.layers, strict=True):
        arrays |= {f"{stem}.weight": W, f"{stem}.bias": b.reshape(-1)}
    return arrays


def written(folder: Path, arrays: Arrays, ending: str = ".safetensors") -> Path:
    path = folder / f"weights{ending}"
    if ending == ".npz":
        # Names such as 0.weight are keywords to NumPy; `file` would not be.
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


@pytest.fixture
def model() -> Model:
    return random_model((4, 6, 5, 3))


# ---- round trips ---------------------------------------------------------------------


@settings(deadline=None)
@given(model=models(), ending=st.sampled_from(ENDINGS))
def test_an_exported_model_is_imported_unchanged(model: Model, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        export_model(Path(folder) / f"m{ending}", model)
        back = import_model(Path(folder) / f"m{ending}")
    np.testing.assert_array_equal(back.theta, model.theta)
    assert back.theta.dtype == model.theta.dtype
    assert back.layer_sizes == model.layer_sizes
    np.testing.assert_array_equal(back.classes, model.classes)
    assert back.info == model.info
    assert back.pixel_max == model.pixel_max


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "stems",
    [
        ("0", "2", "4"),
        ("1", "4", "10"),
        ("fc1", "fc2", "fc3"),
        ("_orig_mod.net.0", "_orig_mod.net.3", "_orig_mod.net.6"),
        ("blocks.0.linear", "blocks.1.linear", "blocks.10.linear"),
    ],
)
def test_layers_are_ordered_by_the_numbers_in_their_names(
    tmp_path: Path, model: Model, stems: tuple[str, ...], ending: str
) -> None:
    shuffled = dict(sorted(state_dict(model, stems).items(), reverse=True))
    back = import_model(written(tmp_path, shuffled, ending))
    np.testing.assert_array_equal(back.theta, model.theta)
    assert back.layer_sizes == model.layer_sizes
    assert back.classes.tolist() == [0, 1, 2]
    assert back.info == {"imported_from": f"weights{ending}"}


def test_the_notebook_s_arrays_are_imported(tmp_path: Path, model: Model) -> None:
    (W1, b1), (W2, b2), (W3, b3) = model.layers
    np.savez_compressed(tmp_path / "w.npz", W1=W1, b1=b1, W2=W2, b2=b2, W3=W3, b3=b3)
    np.testing.assert_array_equal(import_model(tmp_path / "w.npz").theta, model.theta)


def test_one_float64_array_makes_a_float64_model(tmp_path: Path, model: Model) -> None:
    arrays = state_dict(model)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    assert import_model(written(tmp_path, half)).theta.dtype == np.float32
    half["2.bias"] = arrays["2.bias"].astype(np.float64)
    assert import_model(written(tmp_path, half)).theta.dtype == np.float64


def test_classes_may_come_in_any_order(tmp_path: Path, model: Model) -> None:
    back = import_model(written(tmp_path, state_dict(model)), classes=[7, 2, 5])
    assert back.classes.tolist() == [2, 5, 7]
    X = np.random.default_rng(0).random((5, 4))
    expected = predict_proba(model, X)[:, [1, 2, 0]]
    np.testing.assert_allclose(predict_proba(back, X), expected, rtol=1e-6)


def test_given_classes_take_precedence_over_those_in_the_file(tmp_path: Path, model: Model) -> None:
    export_model(tmp_path / "m.npz", model)
    assert import_model(tmp_path / "m.npz", classes=[4, 5, 6]).classes.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("mean", "std"),
    [(0.1307, 0.3081), (0, 1 / 255), ([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]), (np.float32(0.5), 2)],
)
def test_the_scale_of_the_inputs_is_folded_into_the_first_layer(
    tmp_path: Path, mean: Any, std: Any
) -> None:
    model = random_model((4, 6, 3), "float64")
    path = written(tmp_path, state_dict(model, ("0", "2")))
    X = np.random.default_rng(0).random((5, 4))
    _, A = network.forward(model.layers, ((X - np.asarray(mean)) / np.asarray(std)).T)
    back = import_model(path, mean=mean, std=std)
    np.testing.assert_allclose(predict_proba(back, X), A[-1].T, rtol=1e-9)


# ---- unsupported networks ------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"2.bias": None}, "the layer '2' has no bias"),
        ({"2.weight": None}, "the layer '2' has no weight"),
        ({"1.weight": np.ones(6), "1.bias": np.ones(6)}, "'1' is not a Linear layer"),
        ({"1.running_mean": np.ones(6)}, "1.running_mean is not part of a Linear layer"),
        ({"scale": np.ones(6)}, "scale is not part of a Linear layer"),
        ({"2.weight": np.ones((6, 5))}, r"layer 2 has weights of shape \(6, 5\)"),
        ({"2.weight": np.ones((5, 7))}, "layer 2 takes 7 inputs, but .* has 6 outputs"),
        ({"0.weight": np.ones((6, 0))}, "layer 1 has weights of shape"),
        ({"0.weight": np.ones((6, 2, 2))}, "'0' is not a Linear layer"),
        ({"0.weight": np.ones((6, 4), np.int8)}, "layer 1 does not consist of floats"),
        ({"4.bias": np.array([0, np.inf, 0])}, "not finite"),
        ({"head.weight": np.ones((2, 3)), "head.bias": np.ones(2)}, "do not determine the order"),
        ({"04.weight": np.ones((3, 3)), "04.bias": np.ones(3)}, "do not determine the order"),
        ({"6.weight": np.ones((1, 3)), "6.bias": np.ones(1)}, "single output"),
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_inconsistent_weights_are_refused_with_the_cause(
    tmp_path: Path, model: Model, ending: str, change: dict[str, Any], message: str
) -> None:
    arrays = {**state_dict(model), **change}
    path = written(tmp_path, {k: v for k, v in arrays.items() if v is not None}, ending)
    with pytest.raises(ModelFileError, match=message) as caught:
        import_model(path)
    assert str(path) in caught.value.cause
    assert caught.value.cure


@pytest.mark.parametrize("ending", ENDINGS)
def test_layers_in_another_order_are_refused(tmp_path: Path, model: Model, ending: str) -> None:
    with pytest.raises(ModelFileError, match="layer 2 takes 4 inputs"):
        import_model(written(tmp_path, state_dict(model, ("2", "4", "0")), ending))


def test_an_empty_file_has_no_layers(tmp_path: Path) -> None:
    for ending in ENDINGS:
        with pytest.raises(ModelFileError, match="has no layers"):
            import_model(written(tmp_path, {}, ending))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": [1, 2]}, "for 3 outputs"),
        ({"classes": [1, 1, 2]}, "classes are"),
        ({"classes": [[1], [2, 3]]}, "classes are not a list"),
        ({"classes": [-1, 0, 1]}, "classes are"),
        ({"classes": [0, 1, 2**53]}, "classes are"),
        ({"classes": ["a", "a", "c"]}, "classes are"),
        ({"classes": [0.0, 1.0, 2.0]}, "classes are"),
        ({"std": 0}, "std is 0"),
        ({"std": -1}, "std is -1"),
        ({"std": np.nan}, "std is nan"),
        ({"std": np.inf}, "std is inf"),
        ({"std": 1e-300}, "std is 1e-300"),
        ({"mean": np.inf}, "mean is inf"),
        ({"mean": [1, 2]}, "do not match the inputs"),
        ({"mean": "pixels"}, "do not match the inputs"),
    ],
)
def test_invalid_options_are_refused(
    tmp_path: Path, model: Model, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        import_model(written(tmp_path, state_dict(model)), **options)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.bin", "net"])
def test_pickles_are_refused_without_reading_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"0.weight": [1.0]}))
    with pytest.raises(UsageError, match="can run code") as caught:
        import_model(tmp_path / name)
    assert "safetensors.torch.save_file" in caught.value.cure


def test_pickled_objects_in_an_archive_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", W1=np.array([{}], object))
    with pytest.raises(MnnGpuError, match="pickled Python objects"):
        import_model(tmp_path / "m.npz")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"classes": np.array([1, 0, 1])}, "classes do not match"),
        ({"classes": np.array(["a", "a", "c"])}, "classes do not match"),
        ({"info": np.array("[1]")}, "info is not JSON"),
        ({"info": np.array("{")}, "info is not JSON"),
        ({"info": np.array("[" * 100_000)}, "info is not JSON"),
        ({"info": np.zeros((0, 2))}, "info is not JSON"),
        ({"pixel_max": np.array(0.0)}, "pixel_max is not a positive number"),
        ({"pixel_max": np.array(np.nan)}, "pixel_max is not a positive number"),
        ({"pixel_max": np.array("255")}, "pixel_max is not a positive number"),
        ({"pixel_max": np.ones(2)}, "pixel_max is not a positive number"),
    ],
)
def test_an_archive_with_an_inconsistent_description_is_refused(
    tmp_path: Path, model: Model, about: Arrays, message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        import_model(written(tmp_path, {**state_dict(model), **about}, ".npz"))


def test_missing_files_folders_and_other_contents_are_refused(tmp_path: Path) -> None:
    for ending in ENDINGS:
        with pytest.raises(ModelFileError, match="There is no file"):
            import_model(tmp_path / f"none{ending}")
        (tmp_path / f"folder{ending}").mkdir()
        with pytest.raises(ModelFileError, match="There is no file"):
            import_model(tmp_path / f"folder{ending}")
        (tmp_path / f"m{ending}").write_bytes(b"\x80\x04 a pickle")
        with pytest.raises(ModelFileError, match=r"not a complete|cannot be read"):
            import_model(tmp_path / f"m{ending}")
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("W1.txt", "1 2 3")
    with pytest.raises(MnnGpuError, match=r"array W1\.txt"):
        import_model(tmp_path / "m.npz")


def test_bfloat16_is_refused_with_the_cure(tmp_path: Path) -> None:
    header = json.dumps({"0.bias": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}})
    content = struct.pack("<Q", len(header)) + header.encode() + b"\0\0"
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"0\.bias is bfloat16") as caught:
        import_model(tmp_path / "w.safetensors")
    assert "net.float()" in caught.value.cure


@given(data=st.data(), ending=st.sampled_from(ENDINGS))
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, model: Model, data: st.DataObject, ending: str
) -> None:
    path = tmp_path / f"m{ending}"
    export_model(path, model)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(at, len(content)))])
    try:
        import_model(path)
    except MnnGpuError as error:
        assert error.cure


# ---- the command line ----------------------------------------------------------------


def test_the_command_converts_weights_to_a_model(tmp_path: Path, model: Model) -> None:
    written(tmp_path, state_dict(model))
    options = ("--classes", 2, 3, 7, "--mean", 0.5, "--std", 0.5)
    result = run("import", "weights.safetensors", "m.safetensors", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "weights.safetensors: 4-6-5-3, float32, classes 2 to 7, ReLU assumed between the layers\n"
        "model saved to m.safetensors\n"
    )
    loaded = load_model(tmp_path / "m.safetensors")
    expected = import_model(tmp_path / "weights.safetensors", classes=[2, 3, 7], mean=0.5, std=0.5)
    np.testing.assert_array_equal(loaded.theta, expected.theta)
    assert loaded.classes.tolist() == [2, 3, 7]


def test_the_command_reports_the_model_as_json(tmp_path: Path, model: Model) -> None:
    export_model(tmp_path / "w.npz", model)
    result = run("import", "w.npz", "m.safetensors", "--json", cwd=tmp_path)
    assert json.loads(result.stdout) == {
        "weights": "w.npz",
        "model": "m.safetensors",
        "layer_sizes": [4, 6, 5, 3],
        "dtype": "float32",
        "classes": [0, 1, 2],
    }


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("none.npz", "m"), 4, "There is no file none.npz"),
        (("net.pt", "m"), 2, "can run code"),
        (("w.npz", "none/m"), 4, "cannot be written"),
        (("w.npz", "m", "--classes", "1", "2"), 2, "for 3 outputs"),
        (("w.npz", "m", "--std", "0"), 2, "std is 0.0"),
    ],
)
def test_errors_have_their_exit_codes(
    tmp_path: Path, model: Model, args: tuple[str, ...], code: int, message: str
) -> None:
    export_model(tmp_path / "w.npz", model)
    result = run("import", *args, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]
