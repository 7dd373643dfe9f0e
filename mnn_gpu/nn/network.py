"""The mathematics of the network, written once for every array library.

``m`` samples, columns are samples, ``W[l]`` is (outputs, inputs), ``b[l]`` is
(outputs, 1); the hidden layers are ReLU, the output is softmax, ``Y`` is one-hot::

    Z[l] = W[l] A[l-1] + b[l]      A[l] = relu(Z[l])      A[L] = softmax(Z[L])      A[0] = X

    dZ[L] = A[L] - Y                       dW[l] = 1/m dZ[l] A[l-1]^T
    dZ[l] = W[l+1]^T dZ[l+1] * relu'(Z[l]) db[l] = 1/m sum of dZ[l] over the samples
    W[l] := W[l] - alpha dW[l]             b[l] := b[l] - alpha db[l]

Nothing here knows a library or a device: the namespace follows the arrays. All functions
are pure. The parameters of all layers live in one flat vector ``theta``, of which the
matrices are views, so that an update is one operation.

References
----------
Rumelhart, Hinton, Williams: Learning representations by back-propagating errors,
Nature 323 (1986). Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import log, log1p, sqrt
from operator import matmul
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.nn.activations import RELU, Activation, softmax

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

Layer: TypeAlias = tuple[Array, Array]
"""``(W, b)``: (outputs, inputs) and (outputs, 1)."""

Product: TypeAlias = Callable[[Array, Array], Array]
"""``A @ B``, or nearly so: see `precision`."""


INITS = ("notebook", "he", "glorot")
"""Ways to draw the first parameters; see `init_parameters`."""


# ---- parameters ------------------------------------------------------------------------


def parameter_count(layer_sizes: Sequence[int]) -> int:
    """Return the length of ``theta``: 8,070 for 784-10-10-10."""
    return sum(outputs * (inputs + 1) for inputs, outputs in pairwise(layer_sizes))


def init_parameters(layer_sizes: Sequence[int], rng: Any, init: str = "notebook") -> list[Layer]:
    """Draw the first parameters.

    "notebook": ``W[1] ~ N(0, 1/features)``, ``W[l] ~ N(0, 1/(inputs + outputs))``, hidden
    ``b[l] ~ N(0, 1/outputs)``, ``b[L] ~ N(0, 1/features)``: for 784-10-10-10 that is
    1/784, 1/20, 1/20 and 1/10, 1/10, 1/784. "he": ``W ~ N(0, 2/inputs)``. "glorot":
    ``W ~ N(0, 2/(inputs + outputs))``. The last two begin with ``b = 0``.

    Parameters
    ----------
    layer_sizes : sequence of int
        Features, hidden units layer by layer, classes.
    rng : numpy.random.Generator
        Where the numbers come from; every device gets the same ones.
    init : str
        One of `INITS`.

    Returns
    -------
    list of (W, b)
        Host arrays, float64.

    References
    ----------
    He et al.: Delving Deep into Rectifiers, ICCV 2015, equation 10. Glorot, Bengio:
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS
    2010, equation 12.
    """
    features, last = layer_sizes[0], len(layer_sizes) - 1
    layers = []
    for l, (inputs, outputs) in enumerate(pairwise(layer_sizes), start=1):
        var_W = 1 / features if l == 1 else 1 / (inputs + outputs)
        var_b = 1 / features if l == last else 1 / outputs
        if init != "notebook":
            var_W, var_b = 2 / (inputs if init == "he" else inputs + outputs), 0.0
        W = rng.standard_normal((outputs, inputs)) * sqrt(var_W)
        b = rng.standard_normal((outputs, 1)) * sqrt(var_b)
        layers.append((W, b))
    return layers


def flatten(layers: Iterable[Layer]) -> Array:
    """Lay ``W[1], b[1], W[2], b[2], ...`` end to end in one vector, (parameters,)."""
    arrays = [array for layer in layers for array in layer]
    xp = array_namespace(*arrays)
    return xp.concat([xp.reshape(array, (-1,)) for array in arrays])


def unflatten(theta: Array, layer_sizes: Sequence[int]) -> list[Layer]:
    """Cut ``theta`` into ``[(W[1], b[1]), ...]``: views where the library has views."""
    xp = array_namespace(theta)
    layers, start = [], 0
    for inputs, outputs in pairwise(layer_sizes):
        middle = start + outputs * inputs
        stop = middle + outputs
        W = xp.reshape(theta[start:middle], (outputs, inputs))
        b = xp.reshape(theta[middle:stop], (outputs, 1))
        layers.append((W, b))
        start = stop
    return layers


def weight_mask(theta: Array, layer_sizes: Sequence[int]) -> Array:
    """Return 1 where ``theta`` holds a weight and 0 where it holds a bias."""
    xp = array_namespace(theta)
    layers = unflatten(theta, layer_sizes)
    return flatten((xp.ones_like(W), xp.zeros_like(b)) for W, b in layers)


def with_scale(theta: Array, layer_sizes: Sequence[int], scale: float) -> Array:
    """Return the parameters that do with inputs what ``theta`` does with ``scale`` times them."""
    (W, b), *rest = unflatten(theta, layer_sizes)
    return flatten([(W * scale, b), *rest])


# ---- pieces ----------------------------------------------------------------------------


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Return ``Y``, (classes, m): 1 in the row of each sample's label, else 0.

    Parameters
    ----------
    labels : (m,), integer
        Class indices from 0 to ``classes - 1``; others give a column of zeros.
    classes : int
        The number of rows, whichever labels happen to be present.
    dtype : dtype of the namespace of ``labels``
    """
    xp = array_namespace(labels)
    index = xp.arange(classes, dtype=labels.dtype, device=device(labels))
    return xp.astype(index[:, None] == labels[None, :], dtype)


def unit_range(X: Array, dtype: Any, scale: float = 1.0) -> Array:
    """Bring pixels to 0..scale: integers are divided by 255, floats taken as they are.

    (As a product, which is several times as fast as the quotient.)
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
        What the hidden layers' ``A`` are multiplied with on their way to the next layer,
        for dropout; one each, or none.
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
    share: float | Array = 1.0,
    masks: Sequence[Array] = (),
    hidden: Activation = RELU,
    product: Product = matmul,
) -> list[Layer]:
    """Return ``m share dW[l], m share db[l]`` of every layer: the sums over the samples.

    For every output and its loss of which ``dZ[L] = A[L] - Y``, see `outputs`. The
    formulas' ``1/m`` is the caller's ``share``, because a batch may come in several
    shards, whose sums are added up. It scales ``dZ[L]``, the smallest factor of all.

    Parameters
    ----------
    layers : sequence of (W, b)
    Z, A : sequences of (units, m)
        What `forward` returned for ``X``.
    X : (features, m), floating
    Y : (classes, m), each column's sum 1 (one-hot, say), the dtype of ``X``
    share : float, or (1, m)
        How much a sample weighs: ``1/m`` for the mean of a batch, 1 for the sums.
    masks, hidden, product
        Those that `forward` was given.

    Returns
    -------
    list of (dW, db)
        In the order and shapes of ``layers``.
    """
    xp = array_namespace(A[-1])
    gradient = []
    dZ = (A[-1] - Y) * share
    for l in reversed(range(len(layers))):
        inputs = A[l - 1] if l > 0 else X
        if l > 0 and masks:
            inputs = inputs * masks[l - 1]
        gradient.append((product(dZ, inputs.T), xp.sum(dZ, axis=1, keepdims=True)))
        if l > 0:
            W, _ = layers[l]
            dZ = product(W.T, dZ) * hidden.prime(Z[l - 1], A[l - 1])
            if masks:
                dZ = dZ * masks[l - 1]
    return gradient[::-1]


def score(
    Z: Array, Y: Array, weights: Array | None = None, clip: float = 0.0
) -> tuple[Array, Array]:
    """Return the cross-entropy and the number of right answers, summed over the samples.

    ``-log softmax(Z)[label] = log sum exp(Z) - Z[label]``, with the largest ``Z`` taken
    off first, so that it is finite wherever ``Z`` is. A sample counts as right if no
    other class has a larger ``Z`` than its label.

    Parameters
    ----------
    Z : (classes, m)
        The last layer's, before the softmax.
    Y : (classes, m), one-hot
    weights : (1, m), optional
        How much the loss of each sample counts. Default: 1.
    clip : float
        See `clipped`.

    Returns
    -------
    loss : (), floating
    correct : (), int32
    """
    xp = array_namespace(Z)
    below_top = Z - xp.max(Z, axis=0, keepdims=True)
    of_label = xp.sum(Y * below_top, axis=0, keepdims=True)
    losses = clipped(xp.log(xp.sum(xp.exp(below_top), axis=0, keepdims=True)) - of_label, clip)
    loss = xp.sum(losses if weights is None else losses * weights)
    correct = xp.sum(xp.astype(of_label >= 0, xp.int32), dtype=xp.int32)
    return loss, correct


def clipped(losses: Array, clip: float) -> Array:
    """Return ``-log p`` of probabilities that are kept from ``clip`` to ``1 - clip``; 0: as is."""
    if not clip:
        return losses
    xp = array_namespace(losses)
    return xp.minimum(xp.maximum(losses, -log1p(-clip)), -log(clip))


def predict(A: Array) -> Array:
    """Return the index of the largest output of each sample, (classes, m) to (m,)."""
    xp = array_namespace(A)
    return xp.argmax(A, axis=0)


def update(theta: Array, d_theta: Array, alpha: float) -> Array:
    """Return ``theta - alpha d_theta``: one step of gradient descent."""
    return theta - alpha * d_theta
