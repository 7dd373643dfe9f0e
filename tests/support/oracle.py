"""The notebook's iteration, derived independently from the chain rule, in plain float64 NumPy.

It shares no code or formula with mnn_gpu: one sample at a time, with the softmax's Jacobian
written out. Slow and simple.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Layers = list[tuple[Vector, Vector]]


def one_sample(layers: Layers, x: Vector, label: int) -> tuple[float, Layers]:
    """Return the cross-entropy of one sample and its gradient; x is (features,)."""
    a, inputs, active = x, [], []
    for l, (W, b) in enumerate(layers):
        inputs.append(a)
        z = W @ a + b[:, 0]
        active.append(z > 0)
        a = np.where(z > 0, z, 0.0) if l < len(layers) - 1 else z
    p = np.exp(a - a.max())
    p = p / p.sum()

    # d loss / d p, then through the Jacobian dp_i/dz_j = p_i (delta_ij - p_j).
    d_p = np.zeros_like(p)
    d_p[label] = -1.0 / p[label]
    d_z = (np.diag(p) - np.outer(p, p)) @ d_p

    gradient: list[Any] = [None] * len(layers)
    for l in reversed(range(len(layers))):
        gradient[l] = (np.outer(d_z, inputs[l]), d_z[:, None].copy())
        if l:
            d_z = np.where(active[l - 1], d_z @ layers[l][0], 0.0)
    return float(-np.log(p[label])), gradient


def mean_gradient(layers: Layers, X: Vector, labels: Any) -> tuple[float, Layers]:
    """Return the mean cross-entropy and its gradient; X is (features, m)."""
    m = X.shape[1]
    loss = 0.0
    total = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]
    for i in range(m):
        sample_loss, sample = one_sample(layers, X[:, i], int(labels[i]))
        loss += sample_loss / m
        total = [(W + dW / m, b + db / m) for (W, b), (dW, db) in zip(total, sample, strict=True)]
    return loss, total


def iterate(layers: Layers, X: Vector, labels: Any, iterations: int, alpha: float) -> Layers:
    """Return the parameters after ``iterations`` steps of gradient descent."""
    for _ in range(iterations):
        _, gradient = mean_gradient(layers, X, labels)
        layers = [
            (W - alpha * dW, b - alpha * db)
            for (W, b), (dW, db) in zip(layers, gradient, strict=True)
        ]
    return layers
