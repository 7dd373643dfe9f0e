"""Regularization: dropout, label smoothing, gradient clipping and max-norm, any array library.

Dropout masks and smoothed labels enter the gradient, the clipped norm enters the update,
and the maximum norm is enforced after it. For weight decay see `optimizers`, for
deformations of images see `augmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.parameters import Layer, flatten, unflatten

Array: TypeAlias = Any

LEVELS = 256
"""Dropout noise is bytes, so rates are multiples of 1/256."""


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """Regularization in addition to the loss.

    Attributes
    ----------
    dropout, input_dropout : float
        Fraction of the hidden units, and of the inputs, that is dropped for each sample; 0
        to 1, rounded to multiples of 1/256.
    label_smoothing : float
        Fraction of a label that is spread over all classes.
    max_norm : float or None
        Maximum norm of a hidden unit's weight vector.
    clip_norm : float or None
        Maximum norm of a batch's mean gradient.
    """

    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    max_norm: float | None = None
    clip_norm: float | None = None

    def noise_sizes(self, layer_sizes: Sequence[int]) -> tuple[int, int]:
        """Return the number of random bytes per sample: for inputs, and for hidden units."""
        features, *hidden = layer_sizes[:-1]
        return (
            features if threshold(self.input_dropout) else 0,
            sum(hidden) if threshold(self.dropout) else 0,
        )


NONE = Regularization()


def threshold(rate: float) -> int:
    """Return how many of a byte's 256 values mean that a unit is dropped."""
    return round(rate * LEVELS)


def keep_mask(noise: Array, rate: float, dtype: Any) -> Array:
    """Return 0 for dropped units and ``1 / (1 - rate)`` for the rest.

    This keeps the mean of the masked values, so that nothing needs to be scaled at
    inference ("inverted" dropout).

    Parameters
    ----------
    noise : uint8, of any shape, uniformly distributed
    rate : float, 0 to 1
    dtype : floating dtype of the result

    References
    ----------
    Srivastava et al.: Dropout: A Simple Way to Prevent Neural Networks from Overfitting,
    JMLR 15 (2014).
    """
    xp = array_namespace(noise)
    left_out = threshold(rate)
    return xp.astype(noise >= left_out, dtype) * (LEVELS / (LEVELS - left_out))


def hidden_masks(noise: Array, layer_sizes: Sequence[int], rate: float, dtype: Any) -> list[Array]:
    """Return a `keep_mask` for each hidden layer, (units, m).

    Parameters
    ----------
    noise : (hidden units of all layers, m), uint8
    """
    masks, start = [], 0
    for units in layer_sizes[1:-1]:
        masks.append(keep_mask(noise[start : start + units, :], rate, dtype))
        start += units
    return masks


def smooth_labels(Y: Array, rate: float) -> Array:
    """Spread a fraction of each label evenly over all classes, (classes, m).

    References
    ----------
    Szegedy et al.: Rethinking the Inception Architecture, CVPR 2016, section 7.
    """
    return Y * (1 - rate) + rate / Y.shape[0]


def clipping_factor(gradient: Array, longest: float) -> Array:
    """Return the factor, (), that limits a gradient's norm to ``longest``.

    References
    ----------
    Pascanu, Mikolov, Bengio: On the Difficulty of Training Recurrent Neural Networks,
    ICML 2013.
    """
    xp = array_namespace(gradient)
    length = xp.sqrt(xp.sum(gradient * gradient))
    return longest / xp.maximum(length, longest)


def max_norm_factors(theta: Array, layer_sizes: Sequence[int], longest: float) -> Array:
    """Return the factor of each parameter that enforces the max-norm, (parameters,).

    It is less than 1 for the weights of a hidden unit whose norm exceeds ``longest``, and 1
    otherwise ("max-norm", Srivastava et al. 2014, section 5.1).
    """
    *hidden, (W, b) = unflatten(theta, layer_sizes)
    xp = array_namespace(theta)
    last = xp.ones_like(W), xp.ones_like(b)
    return flatten([*_factors(hidden, longest), last])


def _factors(hidden: Sequence[Layer], longest: float) -> Iterator[Layer]:
    for W, b in hidden:
        xp = array_namespace(W)
        length = xp.sqrt(xp.sum(W * W, axis=1, keepdims=True))
        yield longest / xp.maximum(length, longest) * xp.ones_like(W), xp.ones_like(b)
