"""All random numbers come from NumPy's PCG64 on the host, with one stream per purpose.

So weights and batches are the same on GPU and CPU, and a change in one stream (for example
another hidden layer) leaves the others unchanged.
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
    """Return the generator of a stream; ``rest`` selects a part of it, such as an epoch."""
    return np.random.default_rng((stream, seed, *rest))
