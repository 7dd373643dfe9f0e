"""The MNIST database, included in the package (see `mnist/README.md` for its license)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnn_gpu.data.dataset import Dataset, image_shape
from mnn_gpu.data.idx import idx_header, read_idx
from mnn_gpu.errors import DataError

Part = Literal["train", "test"]
PREFIX = {"train": "train", "test": "t10k"}
FOLDER = Path(__file__).parent / "mnist"

# SHA-256 of the uncompressed files.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def bundled_mnist(part: Part) -> Dataset:
    """Return MNIST's 60,000 training or 10,000 test images with their labels.

    Returns
    -------
    Dataset
        ``X`` (rows, 784) uint8, ``y`` (rows,) int64.

    Raises
    ------
    DataError
        If the installed files are missing or differ from the published ones.
    """
    images = _verified(f"{PREFIX[part]}-images-idx3-ubyte")
    labels = _verified(f"{PREFIX[part]}-labels-idx1-ubyte")
    X = images.reshape(len(images), -1)
    return Dataset(X, labels.astype(np.int64), f"MNIST ({part})", image_shape(images.shape))


def load_mnist() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the bundled MNIST in the form that Keras returns it.

    Returns
    -------
    (X, y), (X_test, y_test)
        uint8 (60000, 784), uint8 (60000,), uint8 (10000, 784), uint8 (10000,).

    Raises
    ------
    DataError
        If the installed files are missing or differ from the published ones.
    """
    train, test = bundled_mnist("train"), bundled_mnist("test")
    return (
        (train.X, train.labels().astype(np.uint8)),
        (test.X, test.labels().astype(np.uint8)),
    )


def _verified(name: str) -> npt.NDArray[np.uint8]:
    path = FOLDER / f"{name}.gz"
    array = read_idx(path)
    digest = hashlib.sha256(idx_header(array.shape))
    digest.update(array.data)
    if digest.hexdigest() != SHA256[name]:
        raise DataError(
            f"{path} is not the published MNIST file: its SHA-256 is {digest.hexdigest()}.",
            "Install mnn_gpu again.",
        )
    return array
