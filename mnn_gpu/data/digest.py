"""A digest of data, to compare the data that several processes read."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnn_gpu.data.blocks import Blocks
from mnn_gpu.data.dataset import Dataset
from mnn_gpu.storage.safetensors_file import data_digest


def digest_of_data(X: Any, *more: Any) -> str:
    """Return a digest of images, labels and any further data that are not None."""
    rest = [array for array in more if array is not None]
    if isinstance(X, Dataset):
        return digest_of_data(X.X, X.y, *rest)
    if isinstance(X, Blocks):
        return data_digest(np.frombuffer(X.digest.encode(), np.uint8), *rest)
    return data_digest(X, *rest)
