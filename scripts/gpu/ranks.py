"""What a GPU must show of several ranks: NCCL alone with itself, and two ranks on one GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from mnn_gpu.backend.graphs import cuda_graphs
from mnn_gpu.backend.nccl import NcclExchange, nccl_of
from mnn_gpu.ranks import Ranks
from mnn_gpu.sharing import Sharing
from scripts.gpu.faults import with_cupy
from scripts.gpu.outcome import Findings, NotRunError
from scripts.gpu.record import ROOT
from scripts.mpiexec import launcher

TRAINING = (
    *("--rows", "3000", "--batch-size", "256", "--iterations", "50", "--shards", "8", "-q"),
    *("--hidden", "64", "32", "--optimizer", "adam", "--lr", "0.003"),
)


def nccl(device: str) -> Findings:
    """Exchange float32 and float64 sums over NCCL, one rank with itself: none changes."""
    gpu = with_cupy(device)
    library = nccl_of(gpu.cupy)
    if library is None:
        raise NotRunError("NCCL is not installed")
    same = {}
    with gpu.active():
        for dtype in ("float32", "float64"):
            exchange = NcclExchange(gpu.cupy, Ranks(), Sharing(8, is_wide=True), dtype)
            host = np.random.default_rng(0).standard_normal(109_388).astype(dtype)
            out = gpu.cupy.zeros(host.shape, "float32")
            for _ in range(3):
                exchange([gpu.asarray(host)], out)
            same[dtype] = bool(np.array_equal(gpu.to_numpy(out), host.astype("float32")))
    yield {"version": library.get_version(), "same": same, "passed": all(same.values())}


def two_ranks(device: str) -> Findings:
    """Train on two ranks that share the GPU, and on one without graphs: the same bytes."""
    if importlib.util.find_spec("mpi4py") is None:
        raise NotRunError("mpi4py is not installed")
    try:
        ranks = [*launcher(), "-n", "2"]
    except FileNotFoundError as error:
        raise NotRunError(str(error)) from error
    where = device if device == "cpu" else f"{device}:0"
    models = []
    for start in ([], ranks):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "m.safetensors"
            command = [sys.executable, "-m", "mnn_gpu", "train", "--device", where, *TRAINING]
            result = subprocess.run(
                [*start, *command, "--out", str(model)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd=ROOT,
                # Ranks run their steps plainly, which may round otherwise than graphs do.
                env={**os.environ, cuda_graphs.VARIABLE: "0"},
                check=False,
            )
            if result.returncode:
                raise RuntimeError(result.stderr.strip()[-400:])
            models.append(model.read_bytes())
    yield {"passed": models[0] == models[1]}
