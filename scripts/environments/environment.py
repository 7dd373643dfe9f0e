"""Virtual environments with the package installed, made once and reused.

Runs before anything is installed, so only the standard library is imported, and what is slow to
import only where an environment is made: a script that starts again waits for none of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TYPE_CHECKING = False  # typing itself is slow to import.
if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
IS_WINDOWS = os.name == "nt"


class SetupError(Exception):
    """An environment cannot be made, with the cause, the cure and the exit code of the script."""

    def __init__(self, cause: str, cure: str, exit_code: int = 1) -> None:
        super().__init__(f"error: {cause}\ncure: {cure}")
        self.exit_code = exit_code


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Environment:
    """A virtual environment in which the package is installed, editable.

    Parameters
    ----------
    name : str
        Its folder, within the checkout unless the path is absolute.
    extras : sequence of str
        Extras of the package, in pyproject.toml.
    requirements : sequence of str
        Further requirements, as pip takes them.
    constraints : str
        A constraints file of pip, within the checkout unless the path is absolute.
    version : str
        The Python to make it with, such as ``"3.12"``; any supported one if empty.
    """

    def __init__(
        self,
        name: str = ".venv",
        extras: Sequence[str] = (),
        requirements: Sequence[str] = (),
        constraints: str = "",
        version: str = "",
    ) -> None:
        self.folder = ROOT / name
        self.extras = ",".join(extras)
        self.requirements = [*requirements]
        self.constraints = ROOT / constraints if constraints else None
        self.version = version

    def program(self, name: str) -> Path:
        """Return the path of a program of the environment."""
        if IS_WINDOWS:
            return self.folder / "Scripts" / f"{name}.exe"
        return self.folder / "bin" / name

    @property
    def _record(self) -> Path:
        return self.folder / f"installed-{self.extras}.txt"

    def _wanted(self) -> bytes:
        """Return what the record of a finished installation must contain."""
        files = [ROOT / "pyproject.toml", *([self.constraints] if self.constraints else [])]
        named = "\n".join([self.version, self.extras, *self.requirements]).encode()
        return b"\n".join([os.fsencode(ROOT), named, *(file.read_bytes() for file in files)])

    def is_set_up(self) -> bool:
        """Whether all of it is installed, by a Python that is still there."""
        try:
            recorded = self._record.read_bytes()
        except OSError:
            return False
        return recorded == self._wanted() and self._works()

    def set_up(self) -> None:
        """Make the environment and install into it, unless that was done before.

        Raises
        ------
        SetupError
            If it cannot be made, or pip fails.
        """
        if self.is_set_up():
            return
        from scripts.environments.locks import alone

        try:
            with alone(self.folder.with_name(self.folder.name + ".lock")):
                if not self.is_set_up():  # Another process may have made it in the meantime.
                    self._make()
                    self._install()
        except OSError as error:
            raise SetupError(
                f"{self.folder} cannot be made: {error.strerror or error}.",
                "free the disk or copy the checkout to a folder that you may write to.",
            ) from None

    def _works(self) -> bool:
        """Whether the environment has the wanted Python and it runs: it may be gone."""
        python = self.program("python")
        if not python.exists():
            return False
        made_by = self._settings()
        if self.version and not f"{made_by.get('version')}.".startswith(f"{self.version}."):
            return False
        return Path(made_by.get("executable", "?")).exists() or _runs(python, "import encodings")

    def _settings(self) -> dict[str, str]:
        """Return what pyvenv.cfg says about the Python that the environment was made with."""
        try:
            lines = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return {
            key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)
        }

    def _make(self) -> None:
        is_ours = any(self.folder.glob("installed-*"))
        self._record.unlink(missing_ok=True)
        if self._works():
            return
        if self._settings() and not is_ours and os.path.lexists(self.program("python")):
            raise SetupError(
                f"the Python of {self.folder} does not run, and this program did not make it.",
                "delete that folder and run this again.",
            )
        from scripts.environments.pythons import find_python

        python = find_python(self.version)
        report(f"Making {self.folder.name} with {python} ...")
        if _call(python, "-m", "venv", *(["--clear"] if is_ours else []), self.folder):
            raise SetupError(
                f"{python} cannot make a virtual environment.",
                "on Debian and Ubuntu run apt install python3-venv.",
            )

    def _install(self) -> None:
        python = self.program("python")
        report(f"Installing mnn_gpu{self.extras and f' with {self.extras}'} ...")
        if not _runs(python, "import pip"):  # It was not finished, or uv made it.
            _call(python, "-m", "ensurepip")
        options = ["--quiet", "--disable-pip-version-check"]
        if self.constraints:
            options += ["-c", str(self.constraints)]
        package = f".[{self.extras}]" if self.extras else "."
        if _call(python, "-m", "pip", "install", *options, "-e", package, *self.requirements):
            raise SetupError(
                f"mnn_gpu could not be installed into {self.folder}.",
                "see pip's message above; run this again to continue.",
            )
        self._record.write_bytes(self._wanted())


def _call(*command: str | Path) -> int:
    """Run a command in the checkout, its output on stderr; return its exit code."""
    import subprocess

    return subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode


def _runs(python: Path, code: str) -> bool:
    """Whether a Python can be started and runs a line without an error."""
    import subprocess

    try:
        return (
            subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False
