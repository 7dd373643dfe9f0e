"""What is measured: the same steps on the same data from the same parameters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mnn_gpu import network
from mnn_gpu.data import bundled_mnist, split
from mnn_gpu.randomness import ORDER, PARAMETERS, generator

ROWS = 41_000


@dataclass(frozen=True)
class Job:
    """Training steps of one network.

    Attributes
    ----------
    name, title : str
    hidden : tuple of int
    batch_size : int or None
        None: all rows in every step.
    optimizer : str
        "sgd" or "adam".
    learning_rate : float
    steps : int
        How many make one measurement.
    """

    name: str
    title: str
    hidden: tuple[int, ...]
    batch_size: int | None
    optimizer: str
    learning_rate: float
    steps: int

    @property
    def sizes(self) -> tuple[int, ...]:
        return (784, *self.hidden, 10)

    @property
    def flops(self) -> float:
        """Multiplications and additions of a step's matrix products."""
        products = [inputs * outputs for inputs, outputs in pairwise(self.sizes)]
        forward_and_weights = 2 * sum(products)
        through = sum(products[1:])
        return 2.0 * (self.batch_size or ROWS) * (forward_and_weights + through)


JOBS = {
    job.name: job
    for job in (
        Job("a", "full-batch iteration, 784-10-10-10, 41,000 rows", (10, 10), None, "sgd", 0.1, 8),
        Job("b", "Adam step, 784-10-10-10, batch 128", (10, 10), 128, "adam", 1e-3, 320),
        Job("c", "Adam step, 784-128-64-10, batch 128", (128, 64), 128, "adam", 1e-3, 160),
        Job("d", "Adam step, 784-1000-500-10, batch 256", (1000, 500), 256, "adam", 1e-3, 32),
    )
}


@dataclass(frozen=True)
class Problem:
    """A job with its data; the same for every contender.

    Attributes
    ----------
    job : Job
    X : (rows, 784) uint8
    y : (rows,) int64
    theta : (parameters,) float32
        ``W[1], b[1], ...``, W as (outputs, inputs).
    orders : (steps, batch_size) int64, or None
        The rows of every step.
    """

    job: Job
    X: Any
    y: Any
    theta: Any
    orders: Any

    @classmethod
    def of(cls, job: Job) -> Problem:
        data, _ = split(bundled_mnist("train"), 1000, 0, 42_000)
        layers = network.init_parameters(job.sizes, generator(PARAMETERS, 0))
        theta = network.flatten(layers).astype(np.float32)
        orders = None
        if job.batch_size:
            epochs = -(-job.steps * job.batch_size // ROWS)
            rows = np.concatenate([generator(ORDER, 0, e).permutation(ROWS) for e in range(epochs)])
            orders = rows[: job.steps * job.batch_size].reshape(job.steps, job.batch_size)
        return cls(job, data.X, data.labels(), theta, orders)

    def loss(self, theta: Any) -> float:
        """Return the mean loss of some parameters on the first 4,096 rows, in float64."""
        layers = network.unflatten(np.asarray(theta, np.float64), self.job.sizes)
        Z, _ = network.forward(layers, self.X[:4096].T / 255)
        Y = network.one_hot(self.y[:4096], 10, np.float64)
        return float(network.score(Z[-1], Y)[0]) / 4096
