"""The number of floating-point operations of a network's matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def training_flops(layer_sizes: Sequence[int], samples: int = 1) -> int:
    """Return the multiplications and additions of forward and backward pass.

    A product of a layer with ``n_in`` inputs and ``n_out`` outputs is ``2 n_in n_out`` for a
    sample. There are three of them: ``W A`` in the forward pass, ``dZ A^T`` and ``W^T dZ`` in the
    backward pass. The first layer does not need the last one, the gradient of its inputs.
    Elementwise operations are not counted.

    Parameters
    ----------
    layer_sizes : sequence of int
        Features, hidden units layer by layer, outputs.
    samples : int
        Number of uses of a sample, such as rows times epochs.

    References
    ----------
    Kaplan et al.: Scaling Laws for Neural Language Models, 2020, section 2.1: two operations for
    each weight forward, four backward.
    """
    products = [inputs * outputs for inputs, outputs in pairwise(layer_sizes)]
    return 2 * samples * (3 * sum(products) - products[0])
