"""The functions of the notebook, for any array library and device.

Same names, arguments and orientation as in the cells of the "MNIST from scratch" notebook:
``X`` is (784, m) with values from 0 to 1, labels are (m,). The arrays determine the device,
so ``X_train = cupy.asarray(X_train)`` is enough to run on a GPU; NumPy, CuPy, torch, JAX and
array_api_strict arrays keep their dtype and device. The mathematics is that of
`mnn_gpu.nn.network`. Wrong shapes, dtypes and (where a function is called once) values raise
a `UsageError` that says what to write instead; pandas objects are converted to arrays.

Four bugs of the original are fixed: ``db`` has one value per unit instead of one sum over
all units, softmax does not overflow, ``one_hot`` does not depend on the largest label that
occurs, and the initial parameters are seeded.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from mnn_gpu.errors import UsageError
from mnn_gpu.nn import activations, network
from mnn_gpu.nn.parameters import init_parameters
from mnn_gpu.notebook import inputs as notebook_inputs
from mnn_gpu.notebook import shapes as notebook_shapes
from mnn_gpu.utils.packages import require
from mnn_gpu.utils.random_streams import PARAMETERS, generator
from mnn_gpu.utils.validation import whole

Array: TypeAlias = Any
Six: TypeAlias = tuple[Array, Array, Array, Array, Array, Array]

require("numpy", "array_api_compat")

LAYER_SIZES = (784, 10, 10, 10)
PRINT_EVERY = 100

__all__ = [
    "ReLU",
    "back_prop",
    "deriv_ReLU",
    "forward_prop",
    "get_accuracy",
    "get_predictions",
    "gradient_descent",
    "init_params",
    "make_predictions",
    "one_hot",
    "softmax",
    "update_params",
]

softmax = activations.softmax


def init_params(like: Array | None = None, *, seed: int = 0) -> Six:
    """Draw the initial parameters.

    Parameters
    ----------
    like : array, optional
        Use this array's library, dtype and device. Default: NumPy, float64.
    seed : int
        Gives the same parameters on every device.

    Returns
    -------
    W1, b1, W2, b2, W3, b3
        (10, 784), (10, 1), (10, 10), (10, 1), (10, 10), (10, 1)
    """
    seed = whole("seed", seed, 0)
    layers = init_parameters(LAYER_SIZES, generator(PARAMETERS, seed))
    arrays = tuple(array for layer in layers for array in layer)
    if like is None:
        return arrays
    like = notebook_inputs.array("like", like)
    notebook_inputs.floating("like", like)
    xp = array_namespace(like)
    return tuple(
        xp.asarray(array.tolist(), dtype=like.dtype, device=device(like)) for array in arrays
    )


def ReLU(Z: Array) -> Array:
    """Return ``max(Z, 0)``, elementwise."""
    return activations.relu(notebook_inputs.array("Z", Z))


def deriv_ReLU(Z: Array) -> Array:
    """Return where ``Z > 0``, as booleans."""
    return notebook_inputs.array("Z", Z) > 0


def one_hot(Y: Array, classes: int = 10, dtype: Any = None) -> Array:
    """Return labels (m,), from 0 to classes - 1, as columns (classes, m) of 0 and 1.

    The default dtype is float64, or float32 on a device that has no float64. Raises a UsageError
    for other labels.
    """
    Y = notebook_inputs.labels("Y", notebook_inputs.array("Y", Y))
    notebook_inputs.within(Y, classes)
    xp = array_namespace(Y)
    wide = network.widest_float(xp, device(Y))
    return network.one_hot(Y, classes, wide if dtype is None else dtype)


def forward_prop(W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array, X: Array) -> Six:
    """Run the network forward.

    Returns
    -------
    Z1, A1, Z2, A2, Z3, A3
        (10, m) each; A3 holds the probabilities.

    Raises
    ------
    UsageError
        If the shape of X is not (features, m), where W1 is (units, features), or if the shapes
        of the parameters do not match.
    """
    X = notebook_inputs.inputs(X, W1, b1)
    notebook_shapes.network((W1, W2, W3), (b1, b2, b3), X)
    Z, A = network.forward([(W1, b1), (W2, b2), (W3, b3)], X)
    return Z[0], A[0], Z[1], A[1], Z[2], A[2]


def back_prop(
    Z1: Array,
    A1: Array,
    Z2: Array,
    A2: Array,
    Z3: Array,
    A3: Array,
    W1: Array,
    W2: Array,
    W3: Array,
    X: Array,
    Y: Array,
) -> Six:
    """Return the gradient of the mean cross-entropy.

    Parameters
    ----------
    Z1, A1, Z2, A2, Z3, A3 : the results of `forward_prop`
    W1, W2, W3 : the weights
    X : (784, m)
    Y : (m,), integer labels

    Returns
    -------
    dW1, db1, dW2, db2, dW3, db3
        In the shapes of the parameters.

    Raises
    ------
    UsageError
        If Y is not (m,) and numeric, or the other shapes do not match. The values of Y are
        not checked: see `one_hot`.
    """
    X = notebook_inputs.inputs(X, W1, Z1)
    notebook_shapes.batch((Z1, Z2, Z3), (A1, A2, A3), (W1, W2, W3), X)
    m = X.shape[1]
    Y = notebook_inputs.labels("Y", notebook_inputs.like("Y", Y, A3), m)
    Y = network.one_hot(Y, A3.shape[0], A3.dtype)
    # The gradient does not depend on the biases, so they are not arguments.
    layers = [(W1, None), (W2, None), (W3, None)]
    sums = network.backward(layers, [Z1, Z2, Z3], [A1, A2, A3], X, Y)
    return tuple(array / m for layer in sums for array in layer)


def update_params(
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    dW1: Array,
    db1: Array,
    dW2: Array,
    db2: Array,
    dW3: Array,
    db3: Array,
    alpha: float,
) -> Six:
    """Return W1, b1, W2, b2, W3, b3 after one step of gradient descent.

    Raises
    ------
    UsageError
        If a gradient has neither its parameter's shape nor a single value, or alpha is not a
        finite number.
    """
    alpha = notebook_inputs.rate(alpha)
    parameters = (W1, b1, W2, b2, W3, b3)
    gradients = (dW1, db1, dW2, db2, dW3, db3)
    notebook_shapes.gradients(parameters, gradients)
    return tuple(network.update(p, dp, alpha) for p, dp in zip(parameters, gradients, strict=True))


def get_predictions(A3: Array) -> Array:
    """Return the most probable class of each sample, (m,), from probabilities (classes, m)."""
    A3 = notebook_inputs.array("A3", A3)
    if A3.ndim not in (1, 2):
        raise UsageError(
            f"A3 has shape {tuple(A3.shape)}, not (classes, m).",
            "Pass the last result of forward_prop: forward_prop(...)[-1].",
        )
    return network.predict(A3)


def get_accuracy(predictions: Array, Y: Array) -> float:
    """Return the fraction of correct predictions, from 0 to 1.

    Parameters
    ----------
    predictions : (m,), class indices
    Y : (m,) or (m, 1), labels

    Raises
    ------
    UsageError
        If one of them is text, one-hot, probabilities or fractions, or their lengths differ.
    """
    predictions = notebook_inputs.labels(
        "predictions", notebook_inputs.array("predictions", predictions)
    )
    m: int = predictions.shape[0]
    Y = notebook_inputs.labels("Y", notebook_inputs.like("Y", Y, predictions), m)
    if m == 0:
        raise UsageError("There are no predictions.", "Pass at least one.")
    notebook_inputs.classes("predictions", predictions)
    notebook_inputs.classes("Y", Y)
    xp = array_namespace(Y)
    if xp.isdtype(Y.dtype, "integral") != xp.isdtype(predictions.dtype, "integral"):
        Y, predictions = xp.astype(Y, xp.float32), xp.astype(predictions, xp.float32)
    return int(xp.sum(xp.astype(predictions == Y, xp.int32))) / m


def make_predictions(
    X: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """Return the most probable class of each column of X, (m,).

    Raises
    ------
    UsageError
        If X is not (features, m), or, for the notebook's network, not from 0 to 1.
    """
    *_, A3 = forward_prop(W1, b1, W2, b2, W3, b3, X)
    if W1.shape == LAYER_SIZES[1::-1]:  # Other networks may have been trained on any range.
        notebook_inputs.scaled(notebook_inputs.array("X", X))
    return get_predictions(A3)


def gradient_descent(X: Array, Y: Array, iterations: int, alpha: float, *, seed: int = 0) -> Six:
    """Train from new parameters on full batches; print the accuracy every 100 iterations.

    Parameters
    ----------
    X : (784, m), floating, 0 to 1
        Determines dtype and device.
    Y : (m,), integer labels on the same device
    iterations : int
    alpha : float
    seed : int

    Returns
    -------
    W1, b1, W2, b2, W3, b3

    Raises
    ------
    UsageError
        If X is not (784, m), not floating or not scaled, Y is not (m,) of whole numbers
        from 0 to 9, or iterations and alpha are exchanged.
    """
    iterations, alpha = notebook_inputs.steps(iterations, alpha)
    X = notebook_inputs.array("X", X)
    notebook_inputs.floating("X", X)
    parameters = init_params(like=X, seed=seed)
    X = notebook_inputs.inputs(X, *parameters[:2])
    notebook_inputs.scaled(X)
    Y = notebook_inputs.labels("Y", notebook_inputs.like("Y", Y, X), X.shape[1])
    notebook_inputs.within(Y, LAYER_SIZES[-1])
    for i in range(1, iterations + 1):
        activations = forward_prop(*parameters, X)
        gradients = back_prop(*activations, *parameters[::2], X, Y)
        parameters = update_params(*parameters, *gradients, alpha)
        if i % PRINT_EVERY == 0 or i == iterations:
            accuracy = get_accuracy(get_predictions(activations[-1]), Y)
            print(f"Iteration: {i}  accuracy: {accuracy:.4f}")
    return parameters
