"""The mathematics of the network, written once for every array library.

``m`` samples, columns are samples, ``W[l]`` is (outputs, inputs), ``b[l]`` is
(outputs, 1); the hidden layers are ReLU, the output is softmax, ``Y`` is one-hot::

    Z[l] = W[l] A[l-1] + b[l]      A[l] = relu(Z[l])      A[L] = softmax(Z[L])      A[0] = X

    dZ[L] = A[L] - Y                       dW[l] = 1/m dZ[l] A[l-1]^T
    dZ[l] = W[l+1]^T dZ[l+1] * relu'(Z[l]) db[l] = 1/m sum of dZ[l] over the samples
    W[l] := W[l] - alpha dW[l]             b[l] := b[l] - alpha db[l]

Nothing here depends on a library or a device: the namespace follows the arrays. All
functions are pure. The parameters of all layers are stored in one flat vector ``theta``,
and the matrices are views of it, so that an update is one operation.

References
----------
Rumelhart, Hinton, Williams: Learning representations by back-propagating errors,
Nature 323 (1986). Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import matmul
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.nn.activations import RELU, Activation, softmax
from mnn_gpu.nn.parameters import Layer

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

Product: TypeAlias = Callable[[Array, Array], Array]
"""``A @ B``, possibly with rounded operands: see `matmul_precision`."""


def widest_float(xp: Any, place: Any) -> Any:
    """Return float64, or float32 if the device has no float64, as PyTorch's mps."""
    floats = xp.__array_namespace_info__().dtypes(device=place, kind="real floating")
    return floats.get("float64", xp.float32)


# ---- preprocessing ---------------------------------------------------------------------


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Return ``Y``, (classes, m): 1 in the row of each sample's label, else 0.

    Parameters
    ----------
    labels : (m,), integer
        Class indices from 0 to ``classes - 1``; other values give a column of zeros.
    classes : int
        Number of rows, whether or not every label occurs.
    dtype : dtype of the namespace of ``labels``
    """
    xp = array_namespace(labels)
    index = xp.arange(classes, dtype=labels.dtype, device=device(labels))
    return xp.astype(index[:, None] == labels[None, :], dtype)


def scale_pixels(X: Array, dtype: Any, scale: float = 1.0) -> Array:
    """Scale pixels to 0..scale: integers are divided by 255, floats are taken as they are.

    (Multiplies by the reciprocal, which is several times faster than dividing.)
    """
    xp = array_namespace(X)
    if xp.isdtype(X.dtype, "integral"):
        return xp.astype(X, dtype) * (scale / 255)
    X = xp.astype(X, dtype, copy=False)
    return X if scale == 1 else X * scale


# ---- the network -----------------------------------------------------------------------


def forward(
    layers: Sequence[Layer],
    X: Array,
    masks: Sequence[Array] = (),
    hidden: Activation = RELU,
    output: Callable[[Array], Array] = softmax,
    product: Product = matmul,
) -> tuple[list[Array], list[Array]]:
    """Run the network forward.

    Parameters
    ----------
    layers : sequence of (W, b)
    X : (features, m), floating, 0 to 1
    masks : sequence of (units, m), floating
        Factors of the hidden layers' ``A`` before the next layer, for dropout: one mask per
        hidden layer, or none.
    hidden : Activation
        Of the hidden layers.
    output : callable ``Z -> A``
        Of the last layer.
    product : callable ``(A, B) -> A @ B``

    Returns
    -------
    Z, A : lists of (units, m)
        ``Z[l-1]`` and ``A[l-1]`` hold the formulas' ``Z[l]`` and ``A[l]``.
    """
    Z, A = [], []
    inputs = X
    for l, (W, b) in enumerate(layers, start=1):
        Z.append(product(W, inputs) + b)
        A.append(hidden.function(Z[-1]) if l < len(layers) else output(Z[-1]))
        inputs = A[-1] * masks[l - 1] if masks and l < len(layers) else A[-1]
    return Z, A


def backward(
    layers: Sequence[Layer],
    Z: Sequence[Array],
    A: Sequence[Array],
    X: Array,
    Y: Array,
    sample_weight: float | Array = 1.0,
    masks: Sequence[Array] = (),
    hidden: Activation = RELU,
    product: Product = matmul,
) -> list[Layer]:
    """Return ``m w dW[l], m w db[l]`` for each layer (``w``: sample_weight): sums over the samples.

    Valid for every output whose loss has ``dZ[L] = A[L] - Y``; see `losses`. The formulas'
    ``1/m`` is passed as ``sample_weight``, because a batch may be split into microbatches
    whose results are summed. It scales ``dZ[L]``, the smallest of the factors.

    Parameters
    ----------
    layers : sequence of (W, b)
    Z, A : sequences of (units, m)
        The result of `forward` for ``X``.
    X : (features, m), floating
    Y : (classes, m), the dtype of ``X``
        Each column sums to 1 (for example one-hot).
    sample_weight : float, or (1, m)
        Weight of a sample: ``1/m`` for the mean of a batch, 1 for the sum.
    masks, hidden, product
        As given to `forward`.

    Returns
    -------
    list of (dW, db)
        In the order and shapes of ``layers``.
    """
    xp = array_namespace(A[-1])
    gradient = []
    dZ = (A[-1] - Y) * sample_weight
    for l in reversed(range(len(layers))):
        inputs = A[l - 1] if l > 0 else X
        if l > 0 and masks:
            inputs = inputs * masks[l - 1]
        gradient.append((product(dZ, inputs.T), xp.sum(dZ, axis=1, keepdims=True)))
        if l > 0:
            W, _ = layers[l]
            dZ = product(W.T, dZ) * hidden.derivative(Z[l - 1], A[l - 1])
            if masks:
                dZ = dZ * masks[l - 1]
    return gradient[::-1]


def predict(A: Array) -> Array:
    """Return the index of the largest output of each sample, (classes, m) to (m,)."""
    xp = array_namespace(A)
    return xp.argmax(A, axis=0)


def update(theta: Array, d_theta: Array, alpha: float) -> Array:
    """Return ``theta - alpha d_theta``: one step of gradient descent."""
    return theta - alpha * d_theta
