"""Fills a disk of 3 MB while a training writes its checkpoints there.

    .venv/bin/python -m scripts.checks.full_disk

Needs Linux and the right to mount (root, or user namespaces). Checks that the checkpoints of
before stay whole, that the model is saved elsewhere and said to be, and that the training,
resumed when there is room again, comes to the model of one that was left alone, byte for
byte. Prints what the program said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAINING = (
    *("--rows", "5000", "--hidden", "32", "--batch-size", "20", "--optimizer", "adam"),
    *("--epochs", "8", "--checkpoint-every", "5", "--device", "cpu", "-q"),
)
SIZE = 3 << 20


def command(folder: Path) -> list[str]:
    places = ["--checkpoint", str(folder / "run"), "--resume", "--out", str(folder / "model")]
    return [sys.executable, "-m", "mnn_gpu", "train", *TRAINING, *places]


def main() -> int:
    if os.geteuid() != 0:  # In a namespace of its own everybody may mount.
        return subprocess.call(["unshare", "-rm", sys.executable, "-m", "scripts.checks.full_disk"])
    with tempfile.TemporaryDirectory() as base:
        alone, disk, spare = (Path(base) / name for name in ("alone", "disk", "spare"))
        for folder in (alone, disk, spare):
            folder.mkdir()
        subprocess.run([*command(alone)], check=True, capture_output=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
        try:
            return _on(disk, spare, (alone / "model").read_bytes())
        finally:
            subprocess.run(["umount", disk], check=False)


def _on(disk: Path, spare: Path, expected: bytes) -> int:
    environment = {**os.environ, "TMPDIR": str(spare)}
    process = subprocess.Popen(
        command(disk), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    while process.poll() is None and len(list(disk.glob("run/checkpoint-*"))) < 2:
        time.sleep(0.001)
    _fill(disk / "filler")
    kept = {path.name for path in disk.glob("run/checkpoint-*")}
    _, said = process.communicate()
    print(f"exit code {process.returncode}, kept {sorted(kept)}\n{said}")
    rescued = list(spare.glob("mnn_gpu-*/model"))
    checks = {
        "exit code 4": process.returncode == 4,
        "one note": said.count("note: ") == 1,
        "no traceback": "Traceback" not in said,
        "no checkpoint lost": kept <= {path.name for path in disk.glob("run/checkpoint-*")},
        "the model is whole elsewhere": [path.read_bytes() for path in rescued] == [expected],
    }
    (disk / "filler").unlink()
    again = subprocess.run(command(disk), capture_output=True, text=True, check=False)
    checks["resumed to the same bytes"] = (
        again.returncode == 0 and (disk / "model").read_bytes() == expected
    )
    for what, holds in checks.items():
        print(f"{'yes' if holds else 'NO '}  {what}")
    return 0 if all(checks.values()) else 1


def _fill(path: Path) -> None:
    """Write until there is no room for a byte more."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


if __name__ == "__main__":
    sys.exit(main())
