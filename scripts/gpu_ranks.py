"""What a GPU must show of several ranks: NCCL alone with itself, and two ranks on one GPU."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu.backend import Backend
from mnn_gpu.backend.nccl import NcclExchange, nccl_of
from mnn_gpu.ranks import Ranks
from mnn_gpu.sharing import Sharing
from scripts.mpiexec import launcher

TRAINING = (
    *("train", "--device", "cuda:0", "--rows", "3000", "--batch-size", "256", "--iterations", "50"),
    *("--hidden", "64", "32", "--optimizer", "adam", "--lr", "0.003", "--shards", "8", "-q"),
)


def nccl(gpu: Any) -> dict[str, Any]:
    """Exchange float32 and float64 sums over NCCL, one rank with itself; see that none changes."""
    library = nccl_of(gpu.cupy)
    if library is None:
        return {"passed": True, "outcome": "not run: NCCL is not installed"}
    same = {}
    with gpu.active():
        for dtype in ("float32", "float64"):
            exchange = NcclExchange(gpu.cupy, Ranks(), Sharing(8, is_wide=True), dtype)
            host = np.random.default_rng(0).standard_normal(109_388).astype(dtype)
            out = gpu.cupy.zeros(host.shape, "float32")
            for _ in range(3):
                exchange([gpu.asarray(host)], out)
            same[dtype] = bool(np.array_equal(gpu.to_numpy(out), host.astype("float32")))
    return {"passed": all(same.values()), "version": library.get_version(), "same": same}


def two_ranks(_: Backend) -> dict[str, Any]:
    """Train on two ranks that share the GPU, and on none: the same bytes."""
    if importlib.util.find_spec("mpi4py") is None:
        return {"passed": True, "outcome": "not run: mpi4py is not installed"}
    models = []
    for start in ([], [*launcher(), "-n", "2"]):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            result = subprocess.run(
                [*start, sys.executable, "-m", "mnn_gpu", *TRAINING, "--out", str(model)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode:
                return {"passed": False, "outcome": result.stderr[-500:]}
            models.append(model.read_bytes())
    return {"passed": models[0] == models[1]}
