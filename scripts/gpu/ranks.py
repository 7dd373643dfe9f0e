"""What a GPU must show of ranks: NCCL alone with itself, two ranks on one GPU and on two."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnn_gpu.compiler.cuda_graphs import cuda_graphs
from mnn_gpu.distributed.nccl import NcclAllReduce, nccl_of
from mnn_gpu.distributed.process_group import ProcessGroup
from mnn_gpu.models.model_file import load_model
from mnn_gpu.step.sharding import BatchSharding
from scripts.benchmarks.device import DRY_RUN, amount
from scripts.gpu.faults import apart, with_cupy
from scripts.gpu.outcome import Findings, NotRunError
from scripts.gpu.record import ROOT
from tests.support.mpiexec import launcher

TRAINING = (
    *("--rows", amount("3000", "600"), "--batch-size", amount("256", "64")),
    *("--iterations", amount("192", "24"), "--shards", "8", "-q"),
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
            exchange = NcclAllReduce(
                gpu.cupy, ProcessGroup(), BatchSharding(8, is_wide=True), dtype
            )
            host = np.random.default_rng(0).standard_normal(109_388).astype(dtype)
            out = gpu.cupy.zeros(host.shape, "float32")
            for _ in range(3):
                exchange([gpu.asarray(host)], out)
            same[dtype] = bool(np.array_equal(gpu.to_numpy(out), host.astype("float32")))
    yield {"version": library.get_version(), "same": same, "passed": all(same.values())}


def two_ranks(device: str) -> Findings:
    """Train on two ranks that share the GPU, and on one: the same bytes, with graphs almost."""
    where = device if device == "cpu" else f"{device}:0"
    plain = [trained(start, where, graphs="0") for start in ([], two())]
    yield {"same_bytes": bool(np.array_equal(*plain))}
    # Plain steps may round otherwise than graphs do.
    graphs = [trained(start, where, graphs="1") for start in ([], two())]
    difference = apart(graphs[1], graphs[0])
    yield {
        "relative_difference": difference,
        "passed": bool(np.array_equal(*plain)) and difference < 1e-3,
    }


def two_gpus(device: str) -> Findings:
    """Train on two ranks with a GPU each, over NCCL, and on one rank: almost the same."""
    gpu = with_cupy(device)
    count = gpu.cupy.cuda.runtime.getDeviceCount()
    if count < 2 or os.environ.get(DRY_RUN):
        raise NotRunError(f"NCCL between ranks needs two GPUs; here is {count}")
    one, other = (trained(start, device, graphs="1") for start in ([], two()))
    difference = apart(other, one)
    yield {"relative_difference": difference, "passed": difference < 1e-3}


def two() -> list[str]:
    """Return the command that starts two ranks."""
    if importlib.util.find_spec("mpi4py") is None:
        raise NotRunError("mpi4py is not installed")
    try:
        return [*launcher(), "-n", "2"]
    except FileNotFoundError as error:
        raise NotRunError(str(error)) from error


def trained(start: Sequence[str], where: str, graphs: str) -> Any:
    """Return the parameters of a run of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.safetensors"
        command = [sys.executable, "-m", "mnn_gpu", "train", "--device", where, *TRAINING]
        result = subprocess.run(
            [*start, *command, "--out", str(model)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, cuda_graphs.VARIABLE: graphs},
            check=False,
        )
        if result.returncode:
            raise RuntimeError(result.stderr.strip()[-400:])
        return load_model(model).theta
