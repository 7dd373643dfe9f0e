"""Data on the host: the bundled MNIST, the readers, validation, the split.

`load.py` is the way in; a reader a format (`idx.py`, `csv.py`, `npz.py`, `parquet.py`);
`dataset.py` checks pixels and labels. Data larger than memory is written as a folder by
`convert.py`, from the pieces of `streams.py`, and read some rows at a time through
`blocks.py`. Nothing here knows devices.
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
