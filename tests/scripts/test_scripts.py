"""The set-up program and the scripts that call it, with stand-ins for pip, venv and nvidia-smi."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import setup
from scripts.environments import environment as environments
from scripts.environments import pythons
from scripts.environments.environment import Environment, SetupError
from scripts.environments.locks import alone
from scripts.environments.options import environment_of

ROOT = Path(__file__).parents[2]

PYTHON = f"""#!/usr/bin/env bash
# A stand-in for a Python: notes what pip is to install, and fails on request.
if [ "$1 $2" = "-m pip" ]; then
    echo "$*" | grep -o '\\-[ce] .*' >>pip.log
    case "$*" in *$PIP_FAILS*) [ -z "$PIP_FAILS" ] || exit 1 ;; esac
    printf '#!/bin/sh\\necho trained "$@"\\n' >"${{0%python}}train"
    chmod +x "${{0%python}}train"
elif [ "$1 $2" = "-m venv" ]; then
    for folder; do true; done
    rm -rf "$folder/bin" && mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python"
    case "$*" in *--clear*) echo "made anew" ;; *) echo made ;; esac >>pip.log
else
    exec {sys.executable} "$@"
fi
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a blank and letters beyond ASCII, with an environment."""
    checkout = tmp_path / "Müller's 網 checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("*.js*"))
    shutil.copy(ROOT / "pyproject.toml", checkout)
    executable(checkout / ".venv/bin/python", PYTHON)
    return checkout


@pytest.fixture
def root(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout for the set-up in this process, with a Python that makes environments."""
    python = executable(tmp_path / "bin/python3", PYTHON)
    monkeypatch.setattr(environments, "ROOT", checkout)
    monkeypatch.setattr(pythons, "find_python", lambda version: str(python))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return checkout


def train(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        [checkout / "scripts/train", "--epochs", "two words"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, **environment},
        check=False,
    )


def nvidia(checkout: Path, cuda: str, capability: str) -> None:
    script = f"""#!/bin/sh
case "$*" in *compute_cap*) echo {capability} ;; *) echo "| CUDA Version: {cuda} |" ;; esac
"""
    executable(checkout / "bin/nvidia-smi", script)


def installed(checkout: Path) -> list[str]:
    return (checkout / "pip.log").read_text().splitlines()


# ---- the scripts ------------------------------------------------------------------------


def test_a_machine_without_a_gpu_installs_the_core_once(checkout: Path) -> None:
    for _ in range(2):
        result = train(checkout)
        assert (result.returncode, result.stdout) == (0, "trained --epochs two words\n")
    assert installed(checkout) == ["-e ."]
    assert train(checkout).stderr == ""


@pytest.mark.parametrize(
    ("cuda", "capability", "extra"),
    [("12.4", "8.6", "cuda12-ctk"), ("13.0", "9.0", "cuda13-ctk"), ("13.0", "6.0", "cuda12-ctk")],
)
def test_the_cupy_that_fits_driver_and_gpu_is_installed(
    checkout: Path, cuda: str, capability: str, extra: str
) -> None:
    nvidia(checkout, cuda, capability)
    assert train(checkout).returncode == 0
    assert installed(checkout) == [f"-e .[{extra}]"]


def test_where_cupy_cannot_be_installed_it_says_so_and_trains_on_the_cpu(checkout: Path) -> None:
    nvidia(checkout, "12.4", "8.6")
    for _ in range(2):
        result = train(checkout, PIP_FAILS="cuda")
        assert (result.returncode, result.stdout) == (0, "trained --epochs two words\n")
        assert "CuPy could not be installed" in result.stderr
    assert installed(checkout) == ["-e .[cuda12-ctk]", "-e .", "-e .[cuda12-ctk]"]


def test_a_failed_installation_is_continued_by_the_next_start(checkout: Path) -> None:
    result = train(checkout, PIP_FAILS="install")
    assert result.returncode == 1
    assert "error: mnn_gpu could not be installed" in result.stderr
    assert "cure: see pip's message" in result.stderr
    assert train(checkout).returncode == 0


def test_two_at_the_same_time_install_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    pipe = subprocess.PIPE
    with alone(checkout / ".venv.lock"):
        command = [checkout / "scripts/train"]
        both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
        for process in both:
            assert process.stderr is not None
            assert "Waiting for another process" in process.stderr.readline()
    assert [process.communicate()[0] for process in both] == ["trained\n"] * 2
    assert installed(checkout) == ["-e ."]


@pytest.mark.parametrize("arguments", [[], ["trian"]])
def test_a_wrong_command_lists_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        setup.main(arguments)
    assert stop.value.code == 2
    assert "gpu-check ARGUMENT" in capsys.readouterr().err


# ---- environments -----------------------------------------------------------------------


def test_an_environment_is_made_with_extras_requirements_and_constraints(root: Path) -> None:
    (root / "old.txt").write_text("numpy==2.0.2\n")
    options = ["e", "cupy-cuda13x", "--extras", "test,onnx", "--constraints", "old.txt"]
    (root / ".venv").rename(root / "e")
    for _ in range(2):
        environment_of(options).set_up()
    expected = f"-c {root / 'old.txt'} -e .[test,onnx] cupy-cuda13x"
    assert installed(root) == [expected]
    (root / "old.txt").write_text("numpy==2.0.1\n")
    environment_of(options).set_up()
    assert installed(root) == [expected, expected]


def test_an_environment_whose_python_is_gone_is_made_again(root: Path) -> None:
    Environment().set_up()
    python = root / ".venv/bin/python"
    python.unlink()
    python.symlink_to(root / "gone")
    Environment().set_up()
    assert installed(root) == ["-e .", "made anew", "-e ."]


def test_an_environment_of_another_python_is_made_again(root: Path) -> None:
    for version in ("3.12", "3.12", "3.13"):
        environment = Environment(version=version)
        environment.set_up()
        (root / ".venv/pyvenv.cfg").write_text(f"executable = {root}\nversion = {version}.1\n")
    assert installed(root) == ["made", "-e .", "made anew", "-e ."]


def test_an_environment_of_somebody_else_that_does_not_run_is_left_alone(root: Path) -> None:
    python = root / ".venv/bin/python"
    (root / ".venv/pyvenv.cfg").write_text("executable = /gone/python3\n")
    executable(python, "#!/gone/python3\n")
    with pytest.raises(SetupError, match=r"does not run.*\ncure: delete that folder"):
        Environment().set_up()
    assert python.exists()


def test_a_folder_that_cannot_be_written_is_an_error_with_a_cure(root: Path) -> None:
    shutil.rmtree(root / ".venv")
    (root / ".venv").write_text("")
    with pytest.raises(SetupError, match=r"cannot be made: Not a directory\.\ncure: free the disk"):
        Environment().set_up()


def test_a_python_that_is_not_there_is_an_error_with_code_3() -> None:
    with pytest.raises(SetupError, match=r"no Python 3\.99 was found") as caught:
        pythons.find_python("3.99")
    assert caught.value.exit_code == 3


def test_this_python_is_found_by_its_version() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert pythons.find_python(version) == sys.executable


def test_on_windows_programs_are_in_scripts_and_their_exit_code_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environments, "IS_WINDOWS", True)
    monkeypatch.setattr(setup, "IS_WINDOWS", True)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert Environment("e").program("train") == ROOT / "e/Scripts/train.exe"
    with pytest.raises(SystemExit) as stop:
        setup.run(Path(sys.executable), "-ISc", "raise SystemExit(5)")
    assert stop.value.code == 5
