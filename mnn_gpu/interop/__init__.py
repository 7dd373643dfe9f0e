"""Models for other programs, and weights trained by other programs.

`export.py` and `import_weights.py` choose the format by a file's ending; there is one module per
format or library. `layers.py` checks that imported layers are a network of this package.
"""

from mnn_gpu.interop.export import export_model
from mnn_gpu.interop.import_weights import import_model
from mnn_gpu.interop.sklearn import from_sklearn
from mnn_gpu.interop.torch import from_torch

__all__ = ["export_model", "from_sklearn", "from_torch", "import_model"]
