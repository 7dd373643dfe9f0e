"""What keeps a network from learning its samples by heart, over any array library.

Dropout masks and smoothed labels go into the gradient, the clipped norm into the update,
the maximal norm comes after it. Weight decay is an optimizer's, see `optimizers`; the
deformation of images has a file of its own, `augmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from mnn_gpu.nn.parameters import Layer, flatten, unflatten

Array: TypeAlias = Any

LEVELS = 256
"""Noise is bytes, so shares are whole numbers of 256ths."""


@dataclass(frozen=True, kw_only=True)
class Regularization:
    """What is done besides following the gradient of the loss.

    Attributes
    ----------
    dropout, input_dropout : float
        Share of the hidden units, and of the inputs, that a sample does without; 0 to 1,
        rounded to whole 256ths.
    label_smoothing : float
        Share of a label that is spread over all classes.
    max_norm : float or None
        The longest that a hidden unit's vector of weights may be.
    clip_norm : float or None
        The longest that a batch's mean gradient may be.
    """

    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    max_norm: float | None = None
    clip_norm: float | None = None

    def noise_sizes(self, layer_sizes: Sequence[int]) -> tuple[int, int]:
        """Return how many random bytes a sample needs: for its inputs, for hidden units."""
        features, *hidden = layer_sizes[:-1]
        return (
            features if threshold(self.input_dropout) else 0,
            sum(hidden) if threshold(self.dropout) else 0,
        )


NONE = Regularization()


def threshold(rate: float) -> int:
    """Return the number of the 256 values of a byte that mean: left out."""
    return round(rate * LEVELS)


def keep_mask(noise: Array, rate: float, dtype: Any) -> Array:
    """Return 0 for what is left out and ``1 / (1 - share)`` for the rest.

    So the mean of what is multiplied with it stays, and nothing has to be scaled once
    the network is used ("inverted" dropout).

    Parameters
    ----------
    noise : uint8, of any shape, evenly distributed
    share : float, 0 to 1
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
    """Return a `keep_mask` for every hidden layer, (units, m).

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
    """Spread a share of each label evenly over all classes, (classes, m).

    References
    ----------
    Szegedy et al.: Rethinking the Inception Architecture, CVPR 2016, section 7.
    """
    return Y * (1 - rate) + rate / Y.shape[0]


def clipping_factor(gradient: Array, longest: float) -> Array:
    """Return what a gradient is to be multiplied with to be no longer than that, ().

    References
    ----------
    Pascanu, Mikolov, Bengio: On the Difficulty of Training Recurrent Neural Networks,
    ICML 2013.
    """
    xp = array_namespace(gradient)
    length = xp.sqrt(xp.sum(gradient * gradient))
    return longest / xp.maximum(length, longest)


def max_norm_factors(theta: Array, layer_sizes: Sequence[int], longest: float) -> Array:
    """Return what each parameter is to be multiplied with, (parameters,).

    It is 1, or less for the weights of a hidden unit whose vector is longer than
    ``longest`` ("max-norm", Srivastava et al. 2014, section 5.1).
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
