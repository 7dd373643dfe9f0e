"""The GPU benchmarks: the CPU's jobs and harness, with contenders that work on the GPU.

Each contender is a separate process and takes turns with the others; steps are refused unless
they reach the same loss.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from mnn_gpu import RECIPES, select_backend, train
from mnn_gpu.data import bundled_mnist, split
from scripts.benchmarks import races, steps
from scripts.benchmarks.device import VARIABLE, amount
from scripts.benchmarks.harness import OURS
from scripts.benchmarks.run import show
from scripts.gpu.outcome import Check, Findings
from scripts.gpu.processes import run

PEERS = ("PyTorch eager", "PyTorch CUDA graphs", "JAX lax.scan")
MOST_ROUNDS = amount(5, 1)
RACE_SEEDS = amount(3, 2)
WORKING_SHARE = 0.7
"""Of a check's seconds: no further round is begun after it. The rest is for a slow last one."""
RECORD = amount(
    RECIPES["record"].config, replace(RECIPES["record"].config, hidden=(16,), batch_size=64)
)


def steps_of(name: str, contenders: Sequence[str], seconds: float) -> Check:
    """Return the check that measures the steps of a job for some seconds."""

    def check(device: str) -> Findings:
        os.environ[VARIABLE] = device
        everyone = [OURS, *contenders]
        job = steps.measure(name, everyone, MOST_ROUNDS, WORKING_SHARE * seconds)
        show(job)
        yield {"job": job, "passed": OURS in job["contenders"]}

    check.__doc__ = f"Measure job {name} against {', '.join(contenders)}."
    return check


def race(device: str) -> Findings:
    """Measure how long it takes to reach 98 % of the test set, compiled before."""
    os.environ[VARIABLE] = device
    contenders = [OURS, "PyTorch CUDA graphs", "JAX lax.scan"]
    job = races.measure("e2", contenders, RACE_SEEDS)
    show(job)
    yield {"job": job, "passed": OURS in job["contenders"]}


def record_recipe(device: str) -> Findings:
    """Train epochs of the record recipe on all of MNIST, and a few steps of it on two CPU cores."""
    training, held_out = split(bundled_mnist("train"), *amount((1000, 0), (100, 0, 400)))
    config = replace(RECORD, epochs=amount(5, 2))
    validation = (held_out.X, held_out.labels())
    _, history = train(
        training.X,
        training.labels(),
        config,
        backend=select_backend(device),
        validation=validation,
    )
    first, last = history.records[0], history.records[-1]
    epoch = (last.seconds - first.seconds) / (last.epoch - first.epoch)
    accuracy = last.validation_accuracy or 0
    yield {"seconds_per_epoch": epoch, "held_out_accuracy": accuracy}
    on_two_cores = run("-m", "scripts.gpu.two_cores")
    if on_two_cores.returncode:
        raise RuntimeError(on_two_cores.stderr.strip()[-400:])
    cpu_epoch = float(on_two_cores.stdout) * len(training) / (config.batch_size or len(training))
    yield {
        "seconds_per_epoch_of_two_cores": cpu_epoch,
        "ratio": cpu_epoch / epoch,
        "passed": accuracy > amount(0.97, 0.0),
    }
