"""Run all tests with each set of versions in tests/environments; print a table of the results.

    python -m tests.support.environments FOLDER

Each set has its own virtual environment in the checkout. FOLDER receives the files of
``pytest --junitxml``. A Python that this machine lacks is reported, and its set left out. The exit
code is 1 if a set cannot be installed or a test fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from scripts.environments.environment import ROOT, Environment, SetupError, report
from scripts.environments.pythons import NO_PYTHON

PYTHONS = {
    "oldest": ("3.11",),
    "kaggle": ("3.12",),
    "colab": ("3.13",),
    "newest": ("3.14", "3.13", "3.12"),
}
"""The Pythons of each set, the preferred one first."""
COLUMNS = ("collected", "passed", "failed", "skipped")


def made(name: str) -> tuple[str, Environment]:
    """Return the first Python of a set that this machine has, and the set's environment.

    Raises
    ------
    SetupError
        If it has none of them (exit code 3), or the set cannot be installed.
    """
    *preferred, last = PYTHONS[name]
    for version in (*preferred, last):
        environment = Environment(
            f".venv-{name}", ["test"], constraints=f"tests/environments/{name}.txt", version=version
        )
        try:
            environment.set_up()
        except SetupError as error:
            if error.exit_code != NO_PYTHON or version == last:
                raise
            report(f"note: {name}: there is no Python {version}.")
        else:
            break
    return version, environment


def counts(file: Path) -> Counter[str]:
    """Return the numbers of tests in a file of ``pytest --junitxml``, by `COLUMNS`."""
    found: Counter[str] = Counter()
    for case in ElementTree.parse(file).iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped") is not None
        found.update(["collected", "failed" if failed else "skipped" if skipped else "passed"])
    return found


def run(name: str, folder: Path) -> tuple[str, int]:
    """Run the tests with a set; return its line of the table and the exit code."""
    try:
        version, environment = made(name)
    except SetupError as error:
        report(str(error))
        return f"{name:<8} not run", 0 if error.exit_code == NO_PYTHON else 1
    file = folder / f"{name}.xml"
    parallel = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    code = subprocess.run(
        [environment.program("python"), "-m", "pytest", "-q", *parallel, "--junitxml", file],
        cwd=ROOT,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).returncode
    found = counts(file) if file.exists() else Counter[str]()
    line = f"{name:<8} {version:<8} " + " ".join(f"{found[column]:>9,}" for column in COLUMNS)
    return line, code


def main(folder: str) -> int:
    """Run the tests with all sets; return the exit code."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # As in scripts/test.
    results = [run(name, Path(folder)) for name in PYTHONS]
    print(f"{'set':<8} {'Python':<8} " + " ".join(f"{column:>9}" for column in COLUMNS))
    print("\n".join(line for line, _ in results))
    return max(code for _, code in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
