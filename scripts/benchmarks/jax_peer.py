"""JAX: value and gradient of the loss, Adam written out, compiled with `jit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnn_gpu.nn.parameters import flatten, unflatten
from scripts.benchmarks.device import DEVICE
from scripts.benchmarks.jobs import Problem


class JaxStep:
    """One jitted step a call."""

    scan = False
    precision = "float32"

    def __init__(self, problem: Problem) -> None:
        import jax
        import jax.numpy as jnp

        if DEVICE != "cpu":
            # What JAX takes for float32 on a GPU otherwise are products of 11 bits.
            jax.config.update("jax_default_matmul_precision", self.precision)
        job = problem.job
        if self.scan and job.batch_size is None and DEVICE == "cpu":
            raise NotImplementedError("a full-batch step is long enough by itself")

        def logits(parameters: Any, X: Any) -> Any:
            for W, b in parameters[:-1]:
                X = jax.nn.relu(X @ W + b)
            W, b = parameters[-1]
            return X @ W + b

        def loss(parameters: Any, X: Any, y: Any) -> Any:
            predicted = jax.nn.log_softmax(logits(parameters, X))
            return -jnp.mean(jnp.take_along_axis(predicted, y[:, None], axis=1))

        def adam(state: Any, gradient: Any, rate: Any) -> Any:
            p, m, v, t = state
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
            c1, c2 = 1 - 0.9**t, 1 - 0.999**t

            p = jax.tree.map(
                lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), p, m, v
            )
            return p, m, v, t

        def sgd(state: Any, gradient: Any, rate: Any) -> Any:
            p, *rest = state
            return (jax.tree.map(lambda p, g: p - rate * g, p, gradient), *rest)

        follow = adam if job.optimizer == "adam" else sgd

        def step(state: Any, rate: Any, X: Any, y: Any, rows: Any) -> Any:
            if rows is not None:
                X, y = X[rows], y[rows]
            return follow(state, jax.grad(loss)(state[0], X, y), rate)

        def scanned(state: Any, rate: Any, X: Any, y: Any, orders: Any) -> Any:
            many = job.steps if orders is None else None
            return jax.lax.scan(lambda s, r: (step(s, rate, X, y, r), None), state, orders, many)[0]

        self.compiled = jax.jit(scanned if self.scan else step, donate_argnums=0)
        self.labels = jax.jit(lambda parameters, X: logits(parameters, X).argmax(axis=1))
        self.X = jnp.asarray(problem.X, jnp.float32) / 255
        self.y = jnp.asarray(problem.y, jnp.int32)
        self.jax, self.jnp, self.job = jax, jnp, job

    def start(self, theta: Any) -> None:
        layers = unflatten(theta.astype(np.float32), self.job.sizes)
        p = [(self.jnp.array(W.T), self.jnp.array(b[:, 0])) for W, b in layers]
        zero: Callable[[], Any] = lambda: self.jax.tree.map(self.jnp.zeros_like, p)  # noqa: E731
        self.state = (p, zero(), zero(), self.jnp.float32(0))

    def prepare(self, orders: Any, rate: float) -> None:
        self.rate = self.jnp.float32(rate)
        self.orders: Any = None if self.scan else [None] * self.job.steps
        if orders is not None:
            self.orders = self.jnp.asarray(orders, self.jnp.int32)
            if not self.scan:
                self.orders = list(self.orders)

    def advance(self) -> None:
        if self.scan:
            self.state = self.compiled(self.state, self.rate, self.X, self.y, self.orders)
        else:
            for rows in self.orders:
                self.state = self.compiled(self.state, self.rate, self.X, self.y, rows)
        self.jax.block_until_ready(self.state)

    def predictor(self, images: Any) -> Callable[[], Any]:
        X = self.jnp.asarray(images, self.jnp.float32) / 255
        return lambda: np.asarray(self.labels(self.state[0], X))

    def theta(self) -> Any:
        flat = [(np.asarray(W).T, np.asarray(b)[:, None]) for W, b in self.state[0]]
        return flatten(flat)


class JaxScan(JaxStep):
    """The same with all steps in one `lax.scan`."""

    scan = True


class JaxScanTf32(JaxScan):
    """The same with products on tensor cores."""

    precision = "tensorfloat32"

    def __init__(self, problem: Problem) -> None:
        if DEVICE == "cpu":
            raise NotImplementedError("TF32 needs a GPU")
        super().__init__(problem)
