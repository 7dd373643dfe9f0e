"""What depends on the card: its clocks under load, slices of it, and what this machine is not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from typing import Any

from mnn_gpu import diagnose, load_mnist, select_backend, train
from scripts.benchmarks.device import DRY_RUN
from scripts.gpu.faults import SMALL
from scripts.gpu.outcome import Findings, NotRunError
from scripts.gpu.processes import run
from scripts.gpu.starts import nvidia_smi

LOAD = 20_000
"""Steps; a second or so."""


def clocks_under_load(device: str) -> Findings:
    """Read the clocks while the GPU trains: figures of a throttled card are worth less."""
    if shutil.which("nvidia-smi") is None or os.environ.get(DRY_RUN):
        raise NotRunError("only an NVIDIA GPU has clocks, and nvidia-smi to read them")
    (X, y), _ = load_mnist()
    long = replace(SMALL, iterations=LOAD)
    work = threading.Thread(target=lambda: train(X, y, long, backend=select_backend(device)))
    work.start()
    seen: list[dict[str, str]] = []
    while work.is_alive():
        seen.append(nvidia_smi())
        work.join(0.2)
    yield {"clocks": seen[-5:], "passed": bool(seen)}


def slices(_: str) -> Findings:
    """Probe a MIG slice, where the card is cut into slices; it is left as it is."""
    if shutil.which("nvidia-smi") is None or os.environ.get(DRY_RUN):
        raise NotRunError("MIG is a feature of NVIDIA's large GPUs")
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    found = re.findall(r"UUID: (MIG-[^)]+)", listed.stdout)
    if not found:
        raise NotRunError("MIG is off, and a check changes no setting of the card")
    probe = "from mnn_gpu import select_backend; print(select_backend('cuda').memory().total)"
    result = run("-c", probe, CUDA_VISIBLE_DEVICES=found[0])
    yield {"bytes": result.stdout.strip(), "passed": result.returncode == 0}


def elsewhere(_: str) -> Findings:
    """Name what this machine is not, so that nothing here is shown of it."""
    report = diagnose()
    here: dict[str, Any] = {
        "compute capability below 8.0": [gpu.compute_capability for gpu in report.gpus],
        "Windows": platform.system(),
        "CuPy 13": report.cupy,
    }
    yield {"here": here}
    raise NotRunError(f"this machine is none with {', '.join(here)}")
