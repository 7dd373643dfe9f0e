"""Judge the tests by faults put into the code: how many do they find, and which do they not?

Run as ``scripts/mutation``. Every mutant of the files below is laid beside the tests that
cover it, in a copy, and tested in a fork of one process that has the libraries loaded.
What survives must be explained in ``mutation_survivors.json``, else this ends with 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.checks.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "scripts/results/mutation.json"
REASONS = ROOT / "scripts/mutation_survivors.json"
DRAWS = "training.py::test_the_first_parameters_are_drawn_as_asked"
LANES = "compile.py::test_lanes_do_not_change_a_bit"
MATHEMATICS = ["step.py", "regularisation.py", "outputs.py"]
TESTS = {
    "mnn_gpu/nn/network.py": ["network.py", "gradient_check.py", *MATHEMATICS, DRAWS],
    "mnn_gpu/nn/optimizers.py": ["optimizers.py", "step.py", "regularisation.py"],
    "mnn_gpu/backends/select.py": ["backend_select.py"],
    "mnn_gpu/backends/base.py": ["step.py", "backend.py", "synchronisation.py", LANES],
}
"""The tests that judge a file's mutants: the quickest that know it, those that find most first."""

OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--hypothesis-seed=0"]
PRELOADED = ["pytest", "numpy", "hypothesis", "array_api_strict", "sklearn.neural_network"]
TIMEOUT = 25.0
SURVIVED, TIMED_OUT = 0, -1


def outcome(folder: Path, file: str, writes_caches: bool = False) -> int:
    """Run a file's tests in a fork; return pytest's exit code, or `TIMED_OUT`."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(folder)
        sys.dont_write_bytecode = not writes_caches
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        tests = [f"tests/test_{name}" for name in TESTS[file]]
        pytest = importlib.import_module("pytest")
        code = 70
        try:
            code = int(pytest.main([*OPTIONS, *tests]))
        finally:
            os._exit(code)
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIMED_OUT


def judged(folder: Path, file: str, lines: set[int]) -> tuple[dict[str, int], list[Mutant]]:
    """Test every mutant of a file; return the counts, and what survived."""
    place = folder / file
    source = place.read_text(encoding="utf-8")
    if (code := outcome(folder, file, writes_caches=True)) != 0:
        raise SystemExit(f"error: the tests of {file} fail without any mutant ({code}).")
    for cache in place.parent.glob(f"__pycache__/{place.stem}.*.pyc"):
        cache.unlink()
    counts, survivors = {"mutants": 0, "killed": 0, "timed_out": 0, "survived": 0}, []
    for mutant in mutants(source):
        if lines and mutant.line not in lines:
            continue
        place.write_text(mutant.source, encoding="utf-8")
        code = outcome(folder, file)
        kind = {SURVIVED: "survived", TIMED_OUT: "timed_out"}.get(code, "killed")
        counts["mutants"] += 1
        counts[kind] += 1
        if kind == "survived":
            survivors.append(mutant)
            print(f"{file}:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
    place.write_text(source, encoding="utf-8")
    return counts, survivors


def reason(known: list[dict[str, Any]], file: str, mutant: Mutant) -> str:
    """Return why a survivor is harmless, as far as it was explained for such a line."""
    line = (ROOT / file).read_text(encoding="utf-8").splitlines()[mutant.line - 1]
    for entry in known:
        place = entry["file"], entry["before"]
        same = place == (file, mutant.before) and entry["after"] in (mutant.after, "*")
        if same and entry.get("in_line", "") in line:
            return str(entry["why"])
    return ""


def _told(mutant: Mutant) -> dict[str, Any]:
    return {"line": mutant.line, "before": mutant.before, "after": mutant.after}


def _keep(modules: dict[str, Any], survivors: list[dict[str, Any]]) -> None:
    """Write the results; those of files that were not tried now stay."""
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    date = datetime.now(UTC).date().isoformat()
    modules = {file: {"date": date, **counts} for file, counts in modules.items()}
    survivors += [s for s in old.get("survivors", []) if s["file"] not in modules]
    record = {
        "tool": "scripts/checks/mutants.py: its own mutants of the syntax tree",
        "modules": dict(sorted({**old.get("modules", {}), **modules}.items())),
        "survivors": sorted(survivors, key=lambda s: (s["file"], s["line"])),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    RESULTS.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", default=list(TESTS), help="default: all of them")
    parser.add_argument("--lines", type=int, nargs="*", default=[], help="only these lines")
    options = parser.parse_args(arguments)
    for name in PRELOADED:
        importlib.import_module(name)
    known = json.loads(REASONS.read_text(encoding="utf-8")) if REASONS.exists() else []
    modules, survivors = {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("mnn_gpu", "tests", "scripts"):
            shutil.copytree(ROOT / part, folder / part)
        for part in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / part, folder / part)
        os.environ["PYTHONPATH"] = name
        sys.path[:] = [name, *(path for path in sys.path if Path(path).resolve() != ROOT)]
        for file in options.files:
            counts, alive = judged(folder, file, set(options.lines))
            share = (counts["mutants"] - counts["survived"]) / max(counts["mutants"], 1)
            modules[file] = {**counts, "score": round(share, 4)}
            print(f"{file}: {modules[file]}", flush=True)
            survivors += [
                {"file": file, **_told(mutant), "why": reason(known, file, mutant)}
                for mutant in alive
            ]
    if not options.lines:
        _keep(modules, survivors)
    return int(any(not survivor["why"] for survivor in survivors))


if __name__ == "__main__":
    sys.exit(main())
