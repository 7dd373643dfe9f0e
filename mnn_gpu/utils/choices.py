"""The names that the command line offers, which the code reads from here too."""

from __future__ import annotations

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")
SCHEDULES = ("constant", "step", "linear", "cosine", "one-cycle")
INITS = ("notebook", "he", "glorot")
DTYPES = ("float32", "float64")
MATMUL_PRECISIONS = ("full", "tf32", "bf16")
RECIPES = ("notebook", "fast", "accurate", "record")
BACKENDS = {
    "auto": ("auto", "cpu", "cuda", "mps", "xpu"),
    "numpy": ("auto", "cpu"),
    "cupy": ("auto", "cuda"),
    "jax": ("auto", "cpu", "cuda"),
    "torch": ("auto", "cpu", "cuda", "mps", "xpu"),
}
"""The devices that each array library supports."""
