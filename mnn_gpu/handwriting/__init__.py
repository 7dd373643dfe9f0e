"""Pictures of handwritten digits, made into what a network trained on MNIST knows.

Needs the extra ``images``.
"""

from mnn_gpu.handwriting.digit import prepare_digit

__all__ = ["prepare_digit"]
