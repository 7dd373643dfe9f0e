"""Who is measured: each trains the network of a job and predicts with it.

A contender is a class made with a `Problem`. ``start(theta)`` puts it at the beginning,
``prepare(orders, rate)`` receives the rows and the learning rate of the next ``job.steps``
steps, ``advance()`` makes them and waits until they are done, ``theta()`` returns all
parameters as one vector, ``predictor(images)`` a function that returns their labels;
``by_its_clock(work)``, where there is such, the seconds of the work by the GPU's clock. Each
uses its library as its own documentation advises, data resident, no look at the loss.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from mnn_gpu import Model, Predictor, TrainingConfig, select_backend
from mnn_gpu.compiler.cuda_graphs import cuda_graphs
from mnn_gpu.nn.optimizers import step_scalars
from mnn_gpu.nn.parameters import flatten, unflatten
from mnn_gpu.nn.schedules import constant
from mnn_gpu.step.batch import Batch, NetworkSpec
from mnn_gpu.step.train_step import first_state, training_step
from mnn_gpu.training.batches.in_memory import to_device
from scripts.benchmarks.device import DEVICE, cupy_seconds
from scripts.benchmarks.jax_peer import JaxScan, JaxScanTf32, JaxStep
from scripts.benchmarks.jobs import Problem
from scripts.benchmarks.sklearn_peer import Sklearn
from scripts.benchmarks.torch_peer import TorchCompiled, TorchEager, TorchGraphs


class MnnGpu:
    """This package through its training loop's own parts: compiled step, planned batches."""

    library = "auto"
    matmul_precision = "full"

    def __init__(self, problem: Problem) -> None:
        job = problem.job
        backend = select_backend(DEVICE, self.library)
        config = TrainingConfig(batch_size=job.batch_size, optimizer=job.optimizer)
        data = to_device(problem.X, problem.y, None, None, config, backend)
        optimizer = config.make_optimizer()
        task = NetworkSpec(layer_sizes=job.sizes, matmul_precision=self.matmul_precision)
        step = training_step(task, optimizer, backend)
        self.run = backend.compile(step, data.step_data())
        self.job, self.backend, self.optimizer, self.dtype = job, backend, optimizer, config.dtype

    def start(self, theta: Any) -> None:
        self.t = 0
        self.state = first_state(theta, self.optimizer, self.dtype, self.backend.asarray)

    def prepare(self, orders: Any, rate: float) -> None:
        self.rate = rate
        self.orders = None if orders is None else self.backend.asarray(orders, dtype=np.int32)

    def advance(self) -> None:
        chunk = self.backend.steps_per_call
        with self.backend.active():
            for start in range(0, self.job.steps, chunk):
                stop = min(start + chunk, self.job.steps)
                coming = range(self.t + start, self.t + stop)
                values = step_scalars(self.optimizer, constant, self.rate, coming, len(coming))
                scalars = self.backend.asarray(np.array(values), dtype=np.float32)
                rows = None if self.orders is None else self.orders[start:stop]
                self.state = self.run(self.state, Batch(scalars, rows))
            self.t += self.job.steps
            self.backend.to_numpy(self.state.loss)

    def by_its_clock(self, work: Callable[[], object]) -> float | None:
        cupy = getattr(self.backend, "cupy", None)
        return None if cupy is None else cupy_seconds(cupy, work)

    def theta(self) -> Any:
        return np.array(self.backend.to_numpy(self.state.theta))

    def predictor(self, images: Any) -> Callable[[], Any]:
        model = Model(self.theta(), self.job.sizes, np.arange(10), {})
        ready = Predictor(model, self.backend)
        return lambda: ready.predict(images)


class MnnGpuJax(MnnGpu):
    """The same step on the JAX backend."""

    library = "jax"

    def __init__(self, problem: Problem) -> None:
        import jax  # noqa: F401 - so that its absence is an ImportError

        super().__init__(problem)


class MnnGpuPlain(MnnGpu):
    """The same steps without CUDA graphs: each operation a launch of CuPy's."""

    def __init__(self, problem: Problem) -> None:
        os.environ[cuda_graphs.VARIABLE] = "0"
        super().__init__(problem)


class MnnGpuTf32(MnnGpu):
    """The same steps with products on tensor cores."""

    matmul_precision = "tf32"


class Notebook:
    """The notebook's formulas in float64 (with one bias gradient a unit, for equal work)."""

    def __init__(self, problem: Problem) -> None:
        if problem.job.batch_size is not None or len(problem.job.hidden) != 2:
            raise NotImplementedError("the notebook knows full batches only")
        self.job, self.X, self.y = problem.job, problem.X.T / 255.0, problem.y

    def start(self, theta: Any) -> None:
        self.layers = unflatten(theta.astype(np.float64), self.job.sizes)

    def prepare(self, orders: Any, rate: float) -> None:  # noqa: ARG002 - full batches
        self.rate = rate

    def advance(self) -> None:
        (W1, b1), (W2, b2), (W3, b3) = self.layers
        X, Y, m, alpha = self.X, self.y, self.y.size, self.rate
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
        return flatten(self.layers)


CONTENDERS: dict[str, type[Any]] = {
    "mnn_gpu": MnnGpu,
    "mnn_gpu, JAX backend": MnnGpuJax,
    "notebook float64": Notebook,
    "PyTorch eager": TorchEager,
    "PyTorch compiled": TorchCompiled,
    "JAX jitted step": JaxStep,
    "JAX lax.scan": JaxScan,
    "scikit-learn": Sklearn,
}
ON_GPU: dict[str, type[Any]] = {
    "mnn_gpu": MnnGpu,
    "mnn_gpu, plain CuPy": MnnGpuPlain,
    "mnn_gpu, TF32": MnnGpuTf32,
    "mnn_gpu, JAX backend": MnnGpuJax,
    "PyTorch eager": TorchEager,
    "PyTorch CUDA graphs": TorchGraphs,
    "JAX jitted step": JaxStep,
    "JAX lax.scan": JaxScan,
    "JAX lax.scan, TF32": JaxScanTf32,
}
"""Those that take part on a GPU; the notebook's formulas run on the CPU beside them."""
