"""What a package index and pip get: wheel, source distribution, metadata."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
SYSTEMS = {
    "Linux": {"platform_system": "Linux", "platform_machine": "x86_64"},
    "Windows": {"platform_system": "Windows", "platform_machine": "AMD64"},
    "Apple": {"platform_system": "Darwin", "platform_machine": "arm64"},
    "Intel Mac": {"platform_system": "Darwin", "platform_machine": "x86_64"},
}
PUBLISHING = ("build", "hatchling", "hatch_fancy_pypi_readme", "twine")


def required(extra: str, system: dict[str, str]) -> set[str]:
    """Return the names of the packages that an extra requires on a system."""
    names: set[str] = set()
    for line in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate(system):
            continue
        if requirement.name == "mnn_gpu":
            names.update(*(required(inner, system) for inner in requirement.extras))
        else:
            names.add(requirement.name)
    return names


@pytest.mark.parametrize(
    ("system", "python", "lacking"),
    [
        ("Linux", "3.14", set()),
        ("Windows", "3.11", {"mpi4py", "mpich"}),
        ("Apple", "3.14", set()),
        ("Intel Mac", "3.13", set()),
        ("Intel Mac", "3.14", {"onnxruntime"}),
    ],
)
def test_the_test_extra_leaves_out_what_has_no_wheels(
    system: str, python: str, lacking: set[str]
) -> None:
    everything = required("test", {**SYSTEMS["Linux"], "python_version": "3.11"})
    assert required("test", {**SYSTEMS[system], "python_version": python}) == everything - lacking


def test_no_requirement_of_the_core_is_pinned_below_a_new_major_version() -> None:
    """So that pip leaves installed versions as they are, on Colab and Kaggle for one."""
    for line in PROJECT["dependencies"]:
        assert all(part.operator in (">=", "<") for part in Requirement(line).specifier)


def test_only_the_extras_named_ctk_bring_cuda() -> None:
    with_cuda = {
        extra
        for extra, lines in PROJECT["optional-dependencies"].items()
        if any("ctk" in Requirement(line).extras for line in lines)
    }
    assert with_cuda == {"cuda12-ctk", "cuda13-ctk"}


def test_the_address_is_the_same_everywhere_and_no_index_takes_a_placeholder() -> None:
    address = PROJECT["urls"]["Repository"]
    assert set(re.findall(r"https://\S+?/mnn_gpu", TEXT)) == {address}
    assert ("Private :: Do Not Upload" in PROJECT["classifiers"]) == (".invalid/" in address)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the source distribution, and the latter."""
    if lacking := [name for name in PUBLISHING if importlib.util.find_spec(name) is None]:
        pytest.skip(f"requires the extra publish: {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def metadata(built: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(name))


def test_twine_accepts_both(built: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_links_and_pictures_of_the_page_are_absolute(metadata: Message) -> None:
    page = metadata.get_payload()
    assert isinstance(page, str)
    targets = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", page)
    assert len(targets) > 30
    for target in (link or picture for link, picture in targets):
        assert target.startswith("https://")
    assert "ADDRESS" not in page


def test_the_metadata_names_the_project(metadata: Message) -> None:
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert {"Repository", "Changelog", "Issues"} <= urls.keys()
    classifiers = metadata.get_all("Classifier", [])
    for python in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {python}" in classifiers
    assert metadata["License-Expression"] == "MIT"


def test_the_source_distribution_has_what_builds_and_tests(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as source:
        files = {name.partition("/")[2] for name in source.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "tests/conftest.py",
        "scripts/setup.py",
    } <= files
    assert set(tracked) <= files


def test_the_wheel_is_pure_python_and_has_the_package_alone(built: tuple[Path, Path]) -> None:
    assert built[0].name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built[0]) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert len(tops) == 2
    assert "mnn_gpu" in tops
