"""Versions of other packages: the supported ones, and what is said about the others."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import mnn_gpu
from mnn_gpu import UsageError, diagnose
from mnn_gpu.cli.main import main
from mnn_gpu.utils.packages import PACKAGES, Package, require, unavailable
from tests.support.standin_cupy import install, standin

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOME = Package("some", "2.0", "3", "Something", "extra")


@pytest.mark.parametrize("module", PACKAGES)
def test_the_bounds_are_those_of_the_project(module: str) -> None:
    package = PACKAGES[module]
    requirements = EXTRAS[package.extra] if package.extra else PROJECT["dependencies"]
    if module == "cupy":
        requirements = [EXTRAS[f"cuda{n}"][0].replace(f"-cuda{n}x", "") for n in (12, 13)]
    bounds = f"{package.name}>={package.lowest},<{package.below}"
    assert bounds in requirements


@pytest.mark.parametrize("version", ["2.0", "2.0.0rc1", "2.0.2", "2.99.1+local", ""])
def test_versions_in_the_bounds_are_supported(version: str) -> None:
    assert SOME.problem(version) == ""


@pytest.mark.parametrize("version", ["1.99.9", "3.0.0", "3", "10.1"])
def test_other_versions_are_named_with_the_bounds(version: str) -> None:
    expected = f"some from 2.0 to before 3, but {version} is installed"
    assert SOME.problem(version) == expected


@pytest.mark.parametrize("version", ["1.26.4", "3.0.0"])
@pytest.mark.parametrize(
    "command",
    [["train", "--iterations", "1"], ["evaluate", "model.safetensors"], ["check-gradients"]],
    ids=lambda command: command[0],
)
def test_commands_name_a_wrong_numpy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    version: str,
) -> None:
    monkeypatch.setattr(np, "__version__", version)
    assert main(command) == UsageError.exit_code
    assert capsys.readouterr().err == (
        f"error: mnn_gpu needs numpy from 2.0 to before 3, but {version} is installed.\n"
        'cure: Run pip install "numpy>=2.0,<3".\n'
    )


@pytest.mark.parametrize("name", ["train", "MLPClassifier", "load_mnist", "predict"])
def test_names_of_the_package_name_a_wrong_numpy(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(np, "__version__", "1.26.4")
    with pytest.raises(UsageError, match=r"numpy from 2\.0 .* 1\.26\.4"):
        getattr(mnn_gpu, name)
    with pytest.raises(UsageError, match="numpy from"):
        mnn_gpu.select_backend("cpu")


@pytest.mark.parametrize("module", [name for name in PACKAGES if name not in ("cupy", "rich")])
def test_a_wrong_version_is_named_when_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    fake: Any = ModuleType(module)
    fake.__version__ = "0.0.1"
    monkeypatch.setitem(sys.modules, module, fake)
    with pytest.raises(UsageError, match=r"but 0\.0\.1 is installed") as caught:
        require(module)
    package = PACKAGES[module]
    assert caught.value.cure == (
        f'Run pip install "{package.name}>={package.lowest},<{package.below}".'
    )


def test_a_wrong_cupy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy: Any = standin()
    cupy.__version__ = "12.3.0"
    install(monkeypatch, cupy)
    report = diagnose()
    assert report.problem is not None
    assert "cupy from 13.6 to before 15, but 12.3.0 is installed" in report.problem.cause
    assert "pip install" in report.problem.cure
    assert report.auto == "cpu (numpy)"


def test_devices_lists_what_does_not_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = {"numpy": "1.26.4", "scikit-learn": "1.5.2", "pyarrow": "16.1.0", "onnx": "99"}

    def version(name: str) -> str:
        if name == "shtab":
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or str(metadata.distribution(name).version)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(np, "__version__", "1.26.4")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["devices"]) == 0
    text = capsys.readouterr().out
    for line in (
        "mnn_gpu needs numpy from 2.0 to before 3, but 1.26.4 is installed: pip install ",
        "MLPClassifier needs scikit-learn from 1.6 to before 1.10, but 1.5.2 is installed",
        "Reading Parquet needs pyarrow from 17 to before 30, but 16.1.0 is installed",
        "Writing ONNX needs onnx from 1.17 to before 2, but 99 is installed",
        'Completion needs shtab, which is not installed: pip install "mnn_gpu[completion]"',
        "--device auto selects nothing: mnn_gpu needs numpy",
    ):
        assert line in text


def test_what_is_unavailable_here_is_missing_or_too_old() -> None:
    for purpose, reason in unavailable():
        assert re.match("needs .* (is not installed|is installed): pip install", reason), purpose
