"""scikit-learn's MLPClassifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnn_gpu.nn.parameters import flatten, unflatten
from scripts.benchmarks.jobs import Problem


class Sklearn:
    """Fitted in the given order, without shuffling."""

    def __init__(self, problem: Problem) -> None:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore", ConvergenceWarning)
        job = problem.job
        if problem.orders is None:
            raise NotImplementedError("its full-batch solver is another one (L-BFGS)")
        if job.optimizer != "adam":
            raise NotImplementedError("it is raced with Adam alone")
        self.job, self.data = job, problem
        self.classifier = MLPClassifier(
            hidden_layer_sizes=job.hidden,
            alpha=0.0,
            batch_size=job.batch_size,
            learning_rate_init=job.learning_rate,
            shuffle=False,
        )

    def start(self, theta: Any) -> None:
        size = self.job.batch_size
        X = _fractions(self.data.X[:size])
        self.classifier.partial_fit(X, self.data.y[:size], classes=np.arange(10))
        layers = unflatten(theta.astype(np.float32), self.job.sizes)
        for l, (W, b) in enumerate(layers):
            self.classifier.coefs_[l][:] = W.T
            self.classifier.intercepts_[l][:] = b[:, 0]
        optimizer = self.classifier._optimizer
        optimizer.t = 0
        for moment in (*optimizer.ms, *optimizer.vs):
            moment[:] = 0
        self.classifier.t_ = 0

    def prepare(self, orders: Any, rate: float) -> None:
        rows = orders.reshape(-1)
        self.X = _fractions(self.data.X[rows])
        self.y = self.data.y[rows]
        self.classifier._optimizer.learning_rate_init = rate

    def advance(self) -> None:
        self.classifier.partial_fit(self.X, self.y)

    def theta(self) -> Any:
        layers = zip(self.classifier.coefs_, self.classifier.intercepts_, strict=True)
        return flatten([(W.T, b[:, None]) for W, b in layers])

    def predictor(self, images: Any) -> Callable[[], Any]:
        X = _fractions(images)
        return lambda: self.classifier.predict(X)


def _fractions(pixels: Any) -> Any:
    return pixels.astype(np.float32) / np.float32(255)
