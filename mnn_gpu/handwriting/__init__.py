"""Images of handwritten digits, preprocessed like MNIST for a network trained on it.

Needs the extra ``images``.
"""

from mnn_gpu.utils.packages import require

require("numpy", "array_api_compat")

from mnn_gpu.handwriting.digit import prepare_digit

__all__ = ["prepare_digit"]
