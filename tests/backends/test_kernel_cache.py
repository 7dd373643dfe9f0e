"""Compiled kernels are kept also where CuPy's own folder cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mnn_gpu.backends.kernel_cache import FOLDER, IN_MEMORY, ensure_kernel_cache


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of temporary files; none of CuPy's variables is set."""
    for variable in (FOLDER, IN_MEMORY):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def unwritable(folder: Path) -> Path:
    """Return a folder that cannot be made, since a file is in its way."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(b"")
    return folder / "kernels"


def test_a_folder_that_can_be_written_is_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_kernel_cache()
    assert os.environ[FOLDER] == ""
    monkeypatch.setenv(FOLDER, str(temporary / "own"))
    ensure_kernel_cache()
    assert os.environ[FOLDER] == str(temporary / "own")
    assert os.environ[IN_MEMORY] == ""


@pytest.mark.parametrize("is_given", [True, False])
def test_otherwise_a_temporary_folder_of_this_user_is_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, is_given: bool
) -> None:
    if is_given:
        monkeypatch.setenv(FOLDER, str(unwritable(temporary.parent / "given")))
    else:
        unwritable(temporary.parent / "home" / ".cupy")
    ensure_kernel_cache()
    found = Path(os.environ[FOLDER])
    assert found.parent == temporary
    assert found.is_dir()
    assert os.environ[IN_MEMORY] == ""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="temporary folders are the user's own there")
def test_kernels_of_other_users_are_not_executed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(unwritable(temporary.parent / "given")))
    shared = temporary / f"mnn-gpu-kernels-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    ensure_kernel_cache()
    assert os.environ[IN_MEMORY] == "1"
    assert os.environ[FOLDER] != str(shared)


@pytest.mark.gpu
def test_a_gpu_is_used_where_the_home_is_read_only(tmp_path: Path) -> None:
    code = "from mnn_gpu import select_backend; print(select_backend('cuda').device)"
    where = {FOLDER: str(unwritable(tmp_path / "home")), "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "cuda:0\n", result.stderr
    assert any(tmp_path.glob("mnn-gpu-kernels*/*"))
