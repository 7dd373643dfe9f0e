"""Who is measured: each makes the steps of a problem and hands back its parameters.

A contender is a class made with a `Problem`; ``advance()`` makes ``job.steps`` steps from
where it stands and waits until they are done, ``theta()`` returns all parameters as one
vector. Each uses its library as its own documentation advises, data resident, no look at
the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnn_gpu import TrainingConfig, select_backend
from mnn_gpu import network as mathematics
from scripts.benchmarks.jobs import Problem

ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def _layers(problem: Problem, dtype: Any = np.float32) -> list[tuple[Any, Any]]:
    return mathematics.unflatten(problem.theta.astype(dtype), problem.job.sizes)


class MnnGpu:
    """This package through its training loop's own parts: compiled step, planned batches."""

    library = "numpy"

    def __init__(self, problem: Problem) -> None:
        from mnn_gpu.optimizers import OPTIMIZERS
        from mnn_gpu.resident import placed
        from mnn_gpu.step import Batch, first_state, full_batch, minibatch, training_step

        job = problem.job
        backend = select_backend("cpu", self.library)
        config = TrainingConfig(batch_size=job.batch_size, optimizer=job.optimizer)
        data = placed(problem.X, problem.y, None, None, config, backend)
        optimizer = OPTIMIZERS[job.optimizer]
        whole = job.batch_size is None
        take: Any = full_batch if whole else minibatch(backend.shard_rows, backend.lanes)
        step = training_step(take, job.sizes, optimizer, backend.fuse, backend.spread)
        self.run = backend.compile(step, data.shards if whole else (data.X, data.labels))
        self.state = first_state(problem.theta, optimizer, config.dtype, backend.asarray)
        self.orders = None
        if problem.orders is not None:
            self.orders = backend.asarray(problem.orders, dtype=np.int32)
        self.job, self.backend, self.optimizer, self.batch, self.t = (
            job,
            backend,
            optimizer,
            Batch,
            0,
        )

    def advance(self) -> None:
        chunk = self.backend.steps_per_call if self.orders is not None else 1
        for start in range(0, self.job.steps, chunk):
            stop = min(start + chunk, self.job.steps)
            values = [
                self.optimizer.scalars(self.t + i + 1, self.job.learning_rate)
                for i in range(start, stop)
            ]
            rate, epsilon = self.backend.asarray(np.array(values).T, dtype=np.float32)
            rows = None if self.orders is None else self.orders[start:stop]
            self.state = self.run(self.state, self.batch(rate, epsilon, rows))
        self.t += self.job.steps
        self.backend.to_numpy(self.state.loss)

    def theta(self) -> Any:
        return np.array(self.backend.to_numpy(self.state.theta))


class MnnGpuJax(MnnGpu):
    """The same step on the JAX backend."""

    library = "jax"

    def __init__(self, problem: Problem) -> None:
        import jax  # noqa: F401 - so that its absence is an ImportError

        super().__init__(problem)


class Notebook:
    """The notebook's formulas in float64 (with one bias gradient a unit, for equal work)."""

    def __init__(self, problem: Problem) -> None:
        if problem.job.batch_size is not None:
            raise NotImplementedError("the notebook knows full batches only")
        self.job, self.X, self.y = problem.job, problem.X.T / 255.0, problem.y
        self.layers = _layers(problem, np.float64)

    def advance(self) -> None:
        (W1, b1), (W2, b2), (W3, b3) = self.layers
        X, Y, m, alpha = self.X, self.y, self.y.size, self.job.learning_rate
        for _ in range(self.job.steps):
            Z1 = W1.dot(X) + b1
            A1 = np.maximum(Z1, 0)
            Z2 = W2.dot(A1) + b2
            A2 = np.maximum(Z2, 0)
            Z3 = W3.dot(A2) + b3
            A3 = np.exp(Z3) / sum(np.exp(Z3))
            hot = np.zeros((m, 10))
            hot[np.arange(m), Y] = 1
            dZ3 = A3 - hot.T
            dW3, db3 = 1 / m * dZ3.dot(A2.T), 1 / m * np.sum(dZ3, 1, keepdims=True)
            dZ2 = W3.T.dot(dZ3) * (Z2 > 0)
            dW2, db2 = 1 / m * dZ2.dot(A1.T), 1 / m * np.sum(dZ2, 1, keepdims=True)
            dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
            dW1, db1 = 1 / m * dZ1.dot(X.T), 1 / m * np.sum(dZ1, 1, keepdims=True)
            W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
            W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
            W3, b3 = W3 - alpha * dW3, b3 - alpha * db3
        self.layers = [(W1, b1), (W2, b2), (W3, b3)]

    def theta(self) -> Any:
        return mathematics.flatten(self.layers)


class TorchEager:
    """PyTorch: nn.Sequential, cross_entropy, torch.optim."""

    def __init__(self, problem: Problem) -> None:
        import torch

        self.torch, job = torch, problem.job
        modules: list[Any] = []
        for W, b in _layers(problem):
            linear = torch.nn.Linear(W.shape[1], W.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.copy()))
                linear.bias.copy_(torch.from_numpy(b[:, 0].copy()))
            modules += [linear, torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*modules[:-1])
        kind = torch.optim.Adam if job.optimizer == "adam" else torch.optim.SGD
        self.optimizer = kind(self.network.parameters(), lr=job.learning_rate)
        self.X = torch.from_numpy(problem.X).float() / 255
        self.y = torch.from_numpy(problem.y)
        self.orders = None if problem.orders is None else torch.from_numpy(problem.orders)
        self.job = job

    def advance(self) -> None:
        for i in range(self.job.steps):
            X, y = self.X, self.y
            if self.orders is not None:
                X, y = X[self.orders[i]], y[self.orders[i]]
            self.optimizer.zero_grad()
            self.torch.nn.functional.cross_entropy(self.network(X), y).backward()
            self.optimizer.step()

    def theta(self) -> Any:
        parts = [p.detach().numpy().reshape(-1) for p in self.network.parameters()]
        return np.concatenate(parts)


class JaxStep:
    """JAX: value and gradient of the loss, Adam written out, one jitted step a call."""

    scan = False

    def __init__(self, problem: Problem) -> None:
        import jax
        import jax.numpy as jnp

        job = problem.job
        if self.scan and job.batch_size is None:
            raise NotImplementedError("a full-batch step is long enough by itself")

        def loss(parameters: Any, X: Any, y: Any) -> Any:
            for W, b in parameters[:-1]:
                X = jax.nn.relu(X @ W + b)
            W, b = parameters[-1]
            chosen = jnp.take_along_axis(jax.nn.log_softmax(X @ W + b), y[:, None], axis=1)
            return -jnp.mean(chosen)

        def adam(state: Any, gradient: Any) -> Any:
            p, m, v, t = state
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
            c1, c2 = 1 - 0.9**t, 1 - 0.999**t

            def updated(p: Any, m: Any, v: Any) -> Any:
                return p - job.learning_rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8)

            return jax.tree.map(updated, p, m, v), m, v, t

        def sgd(state: Any, gradient: Any) -> Any:
            p, *rest = state
            return (jax.tree.map(lambda p, g: p - job.learning_rate * g, p, gradient), *rest)

        follow = adam if job.optimizer == "adam" else sgd

        def step(state: Any, X: Any, y: Any, rows: Any) -> Any:
            if rows is not None:
                X, y = X[rows], y[rows]
            return follow(state, jax.grad(loss)(state[0], X, y))

        def scanned(state: Any, X: Any, y: Any, orders: Any) -> Any:
            return jax.lax.scan(lambda s, rows: (step(s, X, y, rows), None), state, orders)[0]

        self.compiled = jax.jit(scanned if self.scan else step, donate_argnums=0)
        self.X = jnp.asarray(problem.X, jnp.float32) / 255
        self.y = jnp.asarray(problem.y, jnp.int32)
        orders = problem.orders
        self.orders: Any = [None] * job.steps
        if orders is not None:
            self.orders = jnp.asarray(orders, jnp.int32)
            if not self.scan:
                self.orders = list(self.orders)
        p = [(jnp.asarray(W.T), jnp.asarray(b[:, 0])) for W, b in _layers(problem)]
        zero: Callable[[], Any] = lambda: jax.tree.map(jnp.zeros_like, p)  # noqa: E731
        self.state = (p, zero(), zero(), jnp.float32(0))
        self.jax = jax

    def advance(self) -> None:
        if self.scan:
            self.state = self.compiled(self.state, self.X, self.y, self.orders)
        else:
            for rows in self.orders:
                self.state = self.compiled(self.state, self.X, self.y, rows)
        self.jax.block_until_ready(self.state)

    def theta(self) -> Any:
        flat = [(np.asarray(W).T, np.asarray(b)[:, None]) for W, b in self.state[0]]
        return mathematics.flatten(flat)


class JaxScan(JaxStep):
    """The same with all steps in one `lax.scan`."""

    scan = True


class Sklearn:
    """scikit-learn's MLPClassifier, fitted in the given order without shuffling."""

    def __init__(self, problem: Problem) -> None:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore", ConvergenceWarning)
        job = problem.job
        if problem.orders is None:
            raise NotImplementedError("its full-batch solver is another one (L-BFGS)")
        rows = problem.orders.reshape(-1)
        self.X = problem.X[rows].astype(np.float32) / np.float32(255)
        self.y = problem.y[rows]
        self.classifier = MLPClassifier(
            hidden_layer_sizes=job.hidden,
            solver="adam",
            alpha=0.0,
            batch_size=job.batch_size,
            learning_rate_init=job.learning_rate,
            shuffle=False,
            beta_1=ADAM["beta1"],
            beta_2=ADAM["beta2"],
            epsilon=ADAM["epsilon"],
        )
        self.classifier.partial_fit(
            self.X[: job.batch_size], self.y[: job.batch_size], classes=np.arange(10)
        )
        for l, (W, b) in enumerate(_layers(problem)):
            self.classifier.coefs_[l][:] = W.T
            self.classifier.intercepts_[l][:] = b[:, 0]
        optimizer = self.classifier._optimizer
        optimizer.t = 0
        for moment in (*optimizer.ms, *optimizer.vs):
            moment[:] = 0
        self.classifier.t_ = 0

    def advance(self) -> None:
        self.classifier.partial_fit(self.X, self.y)

    def theta(self) -> Any:
        layers = zip(self.classifier.coefs_, self.classifier.intercepts_, strict=True)
        return mathematics.flatten([(W.T, b[:, None]) for W, b in layers])


CONTENDERS: dict[str, type[Any]] = {
    "mnn_gpu": MnnGpu,
    "mnn_gpu, JAX backend": MnnGpuJax,
    "notebook float64": Notebook,
    "PyTorch eager": TorchEager,
    "JAX jitted step": JaxStep,
    "JAX lax.scan": JaxScan,
    "scikit-learn": Sklearn,
}
