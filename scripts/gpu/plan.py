"""The checks in their order and the seconds that each may take: what never passed comes first."""

from __future__ import annotations

from typing import NamedTuple

from scripts.gpu import arrays, bench, faults, graphs, hardware, kernels, ranks, starts, threads
from scripts.gpu.outcome import Check


class Planned(NamedTuple):
    """A check and the seconds that it may take on a machine lent for a quarter of an hour."""

    seconds: float
    check: Check


HEAD = "machine"
PLAIN = "mnn_gpu, plain CuPy"
TF32 = ("mnn_gpu, TF32", "JAX lax.scan, TF32")


def _job(seconds: float, name: str, *contenders: str) -> Planned:
    return Planned(seconds, bench.steps_of(name, contenders, seconds))


PLAN = {
    HEAD: Planned(10, starts.machine),
    # Never yet run on a GPU, or never passed.
    "deep column kernels": Planned(40, kernels.deep_columns),
    "batches of any size": Planned(15, kernels.any_batch),
    "captured again": Planned(10, threads.capture_again),
    "one predictor, 8 threads": Planned(10, threads.one_predictor),
    "two ranks, one GPU": Planned(45, ranks.two_ranks),
    "synchronised by a thread": Planned(15, threads.synchronised_all_the_time),
    "clocks under load": Planned(10, hardware.clocks_under_load),
    "MIG slice": Planned(5, hardware.slices),
    "two GPUs": Planned(30, ranks.two_gpus),
    # Passed once.
    "cold and warm start": Planned(45, starts.start),
    "out of memory": Planned(15, faults.out_of_memory),
    "memory given back": Planned(10, faults.memory_given_back),
    "predictor of 8 sizes": Planned(10, faults.predictor_sizes),
    "graphs agree": Planned(25, graphs.graphs_agree),
    "same bits": Planned(20, graphs.same_bits),
    "CPU and GPU agree": Planned(15, graphs.agreement),
    "job c": _job(45, "c", *bench.PEERS),
    "job a": _job(45, "a", *bench.PEERS, PLAIN, "notebook float64"),
    "job d": _job(50, "d", *bench.PEERS, *TF32),
    "job m": _job(40, "m", *bench.PEERS),
    "job b": _job(40, "b", *bench.PEERS),
    "98 % test": Planned(50, bench.race),
    "record recipe": Planned(15, bench.record_recipe),
    "MLPClassifier": Planned(15, arrays.estimator),
    "others' arrays": Planned(15, arrays.others_arrays),
    "NCCL": Planned(5, ranks.nccl),
    "moved elsewhere": Planned(10, faults.another_device),
    "recipes": Planned(15, starts.recipes),
    "other machines": Planned(5, hardware.elsewhere),
    "GPU tests": Planned(70, starts.tests),
}
