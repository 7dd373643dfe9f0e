"""Devices: choose one, move arrays to and from it, explain it when it fails.

The only package that names cupy. `select.py` chooses, `probe.py` tries the GPU stage by
stage, `cures.py` explains failures, `report.py` tells all about the machine,
`numpy_backend.py`, `cupy_backend.py` and `jax_backend.py` are the backends. `trace.py`,
`replay.py` and `blocks.py` make NumPy fast.
"""

from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.backends.diagnosis import Diagnosis, diagnose
from mnn_gpu.backends.select import checked_backend, select_backend

__all__ = ["Backend", "Diagnosis", "Memory", "checked_backend", "diagnose", "select_backend"]
