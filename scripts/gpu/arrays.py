"""Other libraries on the GPU: scikit-learn's estimator, and PyTorch's and JAX's arrays."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from typing import Any

from mnn_gpu import load_mnist, select_backend
from scripts.benchmarks.device import amount
from scripts.gpu.outcome import Findings
from scripts.gpu.processes import timed


def estimator(device: str) -> Findings:
    """Fit MLPClassifier to arrays on the GPU: as accurate as scikit-learn's, and answers there."""
    import sklearn.neural_network

    from mnn_gpu import MLPClassifier

    gpu = select_backend(device)
    (X, y), (X_test, y_test) = load_mnist()
    X, y = X[: amount(60_000, 600)], y[: amount(60_000, 600)]
    X, X_test, y = (X / 255).astype("float32"), (X_test / 255).astype("float32"), y.astype("int32")
    settings: dict[str, Any] = {"max_iter": 2, "random_state": 0, "batch_size": 128}
    here, labels = gpu.asarray(X), gpu.asarray(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, seconds = timed(lambda: MLPClassifier((128, 64), **settings).fit(here, labels))
        found = ours.predict(gpu.asarray(X_test))
        accuracy = float(ours.score(X_test, y_test))
        yield {"mnn_gpu": {"fit_seconds": seconds, "test_accuracy": accuracy}}
        theirs, seconds = timed(
            lambda: sklearn.neural_network.MLPClassifier((128, 64), **settings).fit(X, y)
        )
    expected = float(theirs.score(X_test, y_test))
    yield {
        "scikit-learn": {"fit_seconds": seconds, "test_accuracy": expected},
        "passed": type(found) is type(here) and abs(accuracy - expected) < amount(0.01, 0.2),
    }


def others_arrays(device: str) -> Findings:
    """Run the notebook's cells on CuPy's arrays, and on PyTorch's and JAX's of the GPU."""
    from mnn_gpu.notebook import gradient_descent

    gpu = select_backend(device)
    (X, y), _ = load_mnist()
    rows = amount(5000, 500)
    host, labels = (X[:rows].T / 255).astype("float32"), y[:rows].astype(int)
    with gpu.active(), contextlib.redirect_stdout(io.StringIO()):
        there: dict[str, Any] = {gpu.name: (gpu.asarray(host), gpu.asarray(labels))}
        for name, arrays in (("torch", _torch), ("jax", _jax)):
            if importlib.util.find_spec(name) is not None:
                there[name] = arrays(host, labels, device)
        same = {}
        for name, (X_there, Y_there) in there.items():
            W1, *_ = gradient_descent(X_there, Y_there, 5, 0.1)
            same[name] = type(W1) is type(X_there)
            yield {"their own arrays are returned": same}
    yield {"passed": all(same.values())}


def _torch(X: Any, y: Any, device: str) -> tuple[Any, Any]:
    import torch

    return torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)


def _jax(X: Any, y: Any, _: str) -> tuple[Any, Any]:
    """Return JAX's arrays on the device that it prefers."""
    import jax

    return jax.device_put(X), jax.device_put(y)
