"""Data on the host: the bundled MNIST, file readers, validation and splitting.

`load.py` is the entry point, with one reader per format (`idx.py`, `csv/`, `npz.py`,
`parquet/`); `pixels.py` and `labels.py` check the values. Data larger than memory are converted by
`convert.py`, which reads them through `stream_reader.py`, to a folder that `blocks.py` reads
a few rows at a time. Nothing here depends on devices.
"""

from mnn_gpu.data.block_split import split_blocks
from mnn_gpu.data.dataset import Dataset, split
from mnn_gpu.data.load import load_dataset
from mnn_gpu.data.mnist import bundled_mnist, load_mnist
from mnn_gpu.data.open_blocks import Blocks, open_blocks

__all__ = [
    "Blocks",
    "Dataset",
    "bundled_mnist",
    "load_dataset",
    "load_mnist",
    "open_blocks",
    "split",
    "split_blocks",
]
