"""Models for other programs, and weights that other programs trained.

`export.py` and `load.py` are the ways out and in, by a file's ending; a module a format or
library. `layers.py` sees that what comes in is a network of this package.
"""

from mnn_gpu.interop.export import export_model
from mnn_gpu.interop.import_weights import import_model
from mnn_gpu.interop.sklearn import from_sklearn
from mnn_gpu.interop.torch import from_torch

__all__ = ["export_model", "from_sklearn", "from_torch", "import_model"]
