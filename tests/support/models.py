"""Models to export and import, of any depth, width, dtype and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from mnn_gpu import Model
from mnn_gpu.nn.parameters import flatten, init_parameters


def random_model(
    sizes: Sequence[int],
    dtype: str = "float32",
    classes: Sequence[int] | None = None,
    pixel_max: float = 255.0,
) -> Model:
    """Return a model with nonzero weights and biases."""
    rng = np.random.default_rng(sum(sizes))
    theta = flatten(init_parameters(sizes, rng)).astype(dtype)
    labels = np.arange(sizes[-1]) if classes is None else np.asarray(classes)
    info = {"recipe": {"seed": 3}}
    return Model(theta, tuple(sizes), labels.astype(np.int64), info, pixel_max)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model with zero to three hidden layers."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    labels = st.integers(0, 2**53 - 1)
    some = st.lists(labels, min_size=sizes[-1], max_size=sizes[-1], unique=True)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    pixel_max = draw(st.sampled_from([1.0, 16.0, 255.0, 65535.0]))
    return random_model(sizes, dtype, sorted(draw(some)), pixel_max)
