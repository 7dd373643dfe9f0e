"""What is measured: the same steps on the same data from the same parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.nn import network
from mnn_gpu.nn.flops import training_flops
from mnn_gpu.nn.losses import cross_entropy
from mnn_gpu.nn.parameters import flatten, init_parameters, unflatten
from mnn_gpu.nn.schedules import linear
from mnn_gpu.utils.random_streams import PARAMETERS, SHUFFLE, generator
from scripts.benchmarks.device import STEPS_TIMES, amount

J = TypeVar("J", bound="Job")


@dataclass(frozen=True)
class Job:
    """Training steps of one network; ``steps`` of them make one measurement.

    ``batch_size`` None means all rows in every step, ``optimizer`` is "sgd" or "adam", ``rows``
    are of MNIST's 60,000 (41,000 are the notebook's).
    """

    name: str
    title: str
    hidden: tuple[int, ...]
    batch_size: int | None
    optimizer: str
    learning_rate: float
    steps: int
    rows: int = 41_000

    @property
    def sizes(self) -> tuple[int, ...]:
        return (784, *self.hidden, 10)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of every layer."""
        return list(pairwise(self.sizes))

    @property
    def flops(self) -> float:
        """Multiplications and additions of a step's matrix products."""
        return float(training_flops(self.sizes, self.batch_size or self.rows))


@dataclass(frozen=True)
class Race(Job):
    """Training until an accuracy ``target`` on the 10,000 test images, ``total`` steps at most.

    The learning rate falls linearly to 0 over ``total`` steps, ``steps`` at a time.
    """

    target: float = 1.0
    total: int = 0

    def rate(self, done: int) -> float:
        """Return the learning rate of the next ``steps``."""
        return self.learning_rate * linear(done, self.total)


def _small(job: J) -> J:
    """Return a job that is small enough for a dry run."""
    return replace(job, hidden=tuple(min(n, 32) for n in job.hidden), rows=600, steps=4)


JOBS = {
    job.name: amount(replace(job, steps=job.steps * STEPS_TIMES), _small(job))
    for job in (
        Job("a", "full-batch iteration, 784-10-10-10, 41,000 rows", (10, 10), None, "sgd", 0.1, 8),
        Job("b", "Adam step, 784-10-10-10, batch 128", (10, 10), 128, "adam", 1e-3, 320),
        Job("c", "Adam step, 784-128-64-10, batch 128", (128, 64), 128, "adam", 1e-3, 160),
        Job("d", "Adam step, 784-1000-500-10, batch 256", (1000, 500), 256, "adam", 1e-3, 32),
        Job("m", "SGD step, 784-1024-10, batch 32", (1024,), 32, "sgd", 0.01, 312, 10_000),
        Job("first", "first full-batch iteration, 784-10-10-10", (10, 10), None, "sgd", 0.1, 1),
    )
}
RACES = {
    race.name: amount(race, replace(_small(race), target=0.05))
    for race in (
        Race("e1", "to 91.4%, 784-10-10-10", (10, 10), 128, "adam", 0.01, 96, 60_000, 0.914, 1440),
        Race("e2", "to 98.0%, 784-128-64-10", (128, 64), 128, "adam", 5e-3, 96, 60_000, 0.98, 3744),
    )
}


@dataclass(frozen=True)
class Problem:
    """A job with its data; the same for every contender.

    ``X`` is (rows, 784) uint8, ``y`` (rows,) int64, ``theta`` (parameters,) float32 with W as
    (outputs, inputs), and ``orders`` the rows of the first steps, (steps, batch_size), or None.
    """

    job: Job
    X: Any
    y: Any
    theta: Any
    orders: Any

    @classmethod
    def of(cls, job: Job) -> Problem:
        data = bundled_mnist("train")
        if job.rows < len(data):
            data, _ = split(data, 1000, 0, job.rows + 1000)
        return cls(job, data.X, data.labels(), parameters(job, 0), orders(job, 0, 0))

    def loss(self, theta: Any) -> float:
        """Return the mean loss of some parameters on the first 4,096 rows, in float64."""
        layers = unflatten(np.asarray(theta, np.float64), self.job.sizes)
        Z, _ = network.forward(layers, self.X[:4096].T / 255)
        Y = network.one_hot(self.y[:4096], 10, np.float64)
        return float(cross_entropy(Z[-1], Y)[0]) / 4096


def parameters(job: Job, seed: int) -> Any:
    """Return the parameters to start from, (parameters,) float32."""
    layers = init_parameters(job.sizes, generator(PARAMETERS, seed))
    return flatten(layers).astype(np.float32)


def orders(job: Job, seed: int, done: int) -> Any:
    """Return the rows of the next ``job.steps`` steps, (steps, batch_size), or None.

    They run through shuffled epochs, laid end to end.
    """
    if job.batch_size is None:
        return None
    first, count = done * job.batch_size, job.steps * job.batch_size
    epochs = range(first // job.rows, (first + count - 1) // job.rows + 1)
    rows = np.concatenate([generator(SHUFFLE, seed, e).permutation(job.rows) for e in epochs])
    start = first - epochs[0] * job.rows
    return rows[start : start + count].reshape(job.steps, job.batch_size)
