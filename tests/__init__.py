"""The tests; the package comes before NumPy, whose matrix library it sets up."""

import mnn_gpu  # noqa: F401
