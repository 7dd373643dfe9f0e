"""Every random number comes from NumPy's PCG64 on the host, one stream a purpose.

So a GPU and a CPU see the same weights and batches, and changing the size of one stream
(another hidden layer, say) leaves the others as they were.
"""

from __future__ import annotations

import numpy as np

PARAMETERS = 1
SPLIT = 2
SHUFFLE = 3
CHECK = 4
AFFINE = 5
ELASTIC = 6
DROPOUT = 7
WINDOW_SHUFFLE = 8


def generator(stream: int, seed: int, *rest: int) -> np.random.Generator:
    """Return the generator of one stream; ``rest`` numbers its parts, such as epochs."""
    return np.random.default_rng((stream, seed, *rest))
