"""The tests; the package is imported before NumPy, whose BLAS library it configures."""

import mnn_gpu  # noqa: F401
