"""The checks in their order and the seconds that each may take: what never passed comes first."""

from __future__ import annotations

from typing import NamedTuple

from scripts.gpu import arrays, bench, faults, graphs, ranks, starts
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
    HEAD: Planned(15, starts.machine),
    "cold and warm start": Planned(45, starts.start),
    "out of memory": Planned(15, faults.out_of_memory),
    "memory given back": Planned(10, faults.memory_given_back),
    "predictor of 8 sizes": Planned(10, faults.predictor_sizes),
    "threads that synchronise": Planned(15, faults.threads_synchronise),
    "graphs agree": Planned(20, graphs.graphs_agree),
    "same bits": Planned(15, graphs.same_bits),
    "CPU and GPU agree": Planned(15, graphs.agreement),
    "job c": _job(40, "c", *bench.PEERS),
    "job a": _job(40, "a", *bench.PEERS, PLAIN, "notebook float64"),
    "job d": _job(50, "d", *bench.PEERS, *TF32),
    "job m": _job(35, "m", *bench.PEERS),
    "job b": _job(35, "b", *bench.PEERS),
    "98 % test": Planned(40, bench.race),
    "record recipe": Planned(15, bench.record_recipe),
    "MLPClassifier": Planned(15, arrays.estimator),
    "others' arrays": Planned(15, arrays.others_arrays),
    "NCCL": Planned(5, ranks.nccl),
    "two ranks, one GPU": Planned(25, ranks.two_ranks),
    "moved elsewhere": Planned(10, faults.another_device),
    "recipes": Planned(15, starts.recipes),
    "GPU tests": Planned(50, starts.tests),
}
