"""What a GPU must show of the generated kernels: right, soon compiled, few for many sizes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mnn_gpu import TrainingConfig, select_backend
from mnn_gpu.compiler.cuda_graphs.modules import kernel_of
from scripts.benchmarks.device import amount
from scripts.gpu.faults import apart, warned, with_cupy
from scripts.gpu.graphs import MOST_APART, compared, trained
from scripts.gpu.outcome import Findings
from scripts.gpu.processes import timed

DEEP: tuple[tuple[int, ...], ...] = amount(((32,) * 8, (64,) * 4, (64, 10) * 4), ((16,) * 8,))
ADAM = TrainingConfig(optimizer="adam", learning_rate=1e-4, iterations=amount(192, 36))
BATCHES = amount((32, 64, 128), (32,))
MOST_SECONDS = 20
"""For the first steps: the kernels of each took 8 to 24 s before they were bounded."""
MOST_PER_SIZE = 1
"""Kernels that depend on the number of rows: one of columns."""
ROWS = amount((41_000, 20_000, 8000, 8001), (4200, 4104, 4101))


def deep_columns(device: str) -> Findings:
    """Train deep networks, whose column kernels are bounded: compiled soon, as plain steps."""
    gpu = with_cupy(device)
    passed = []
    for hidden in DEEP:
        for batch in BATCHES:
            config = replace(ADAM, hidden=hidden, batch_size=batch)
            _, seconds = timed(partial(trained, replace(config, iterations=64), gpu))
            found = compared(config, gpu)
            passed.append(found["passed"] and seconds < amount(MOST_SECONDS, 1000))
            yield {f"{hidden}, batch {batch}": found | {"first_seconds": seconds}}
    yield {"passed": all(passed)}


def any_batch(device: str) -> Findings:
    """Train on batches of several sizes: as on the CPU, by the thin kernels of the first one."""
    gpu = with_cupy(device)
    cpu = select_backend("cpu")
    passed, kernels = [], []
    for rows in ROWS:
        config = TrainingConfig(iterations=amount(128, 1))
        with warned() as said:
            found = trained(config, gpu, rows)
        difference = apart(found, trained(config, cpu, rows))
        passed.append(difference < MOST_APART["full"] and not said)
        kernels.append(kernel_of.cache_info().misses)
        yield {f"{rows} rows": {"relative_difference": difference, "said": said}}
    # The last rows are no multiple of a vector's: their kernels read number by number.
    once = kernels[-2] - kernels[0] <= MOST_PER_SIZE * (len(kernels) - 2)
    yield {"kernels": kernels, "passed": all(passed) and once}
