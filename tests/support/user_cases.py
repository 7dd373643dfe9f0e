"""Run a folder of small inputs, as users would, and print the outcome of each.

    python -m tests.support.user_cases FOLDER

Data files are passed to `train`, with the label's column if their README requires one; Python
files are run. A traceback, an unknown exit status or a hang is a fault and gives exit code 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.benchmarks.harness import ROOT

LIMIT = 600
"""Time limit of one case."""
OURS = "mnn_gpu.errors."
"""Where a program's traceback names an error with cause and cure."""
REFUSED = {2: "refused (usage)", 4: "refused (data)"}
TRAIN = ("-m", "mnn_gpu", "train", "--iterations", "3", "-q", "--out", "model.safetensors")


def outcome(path: Path, folder: Path) -> tuple[bool, str]:
    """Run a case in an empty folder; return whether it passes, and its output."""
    is_program = path.suffix == ".py"
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        result = subprocess.run(
            [sys.executable, *([path] if is_program else [*TRAIN, "--data", path])],
            cwd=folder,
            env={**os.environ, "PATH": scripts, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"not finished in {LIMIT} s"
    text = f"{result.stdout}{result.stderr}".strip()
    if "ModuleNotFoundError" in text:
        return True, "not run: " + text.splitlines()[-1]
    if is_program and OURS in text:
        return True, "refused\n" + text[text.rindex(OURS) + len(OURS) :]
    in_order = "Traceback" not in text and result.returncode in (0, *REFUSED)
    return in_order, f"{REFUSED.get(result.returncode, result.returncode)}\n{text}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    faults = 0
    for path in sorted(options.folder.resolve().iterdir()):
        if path.suffix == ".md":
            continue
        with tempfile.TemporaryDirectory() as folder:
            in_order, text = outcome(path, Path(folder))
        faults += not in_order
        indented = text.replace("\n", "\n    ")
        print(f"{'ok   ' if in_order else 'FAULT'} {path.name}: {indented}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
