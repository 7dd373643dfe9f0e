"""Backends: select a device, transfer arrays, and explain its failures.

The only package that names cupy. `select.py` selects a backend, `automatic.py` the one for a job
whose time can be measured; `gpu_probe.py` tests a GPU in stages, `gpu_errors.py` explains
failures, `diagnosis.py` reports on the machine; `numpy_backend.py`, `cupy_backend.py`,
`jax_backend.py`, `torch_backend.py` and `array_api_backend.py` are the backends.
"""

from mnn_gpu.backends.automatic import first_done
from mnn_gpu.backends.base import Backend, Memory
from mnn_gpu.backends.diagnosis import Diagnosis, diagnose
from mnn_gpu.backends.select import checked_backend, is_automatic, select_backend

__all__ = [
    "Backend",
    "Diagnosis",
    "Memory",
    "checked_backend",
    "diagnose",
    "first_done",
    "is_automatic",
    "select_backend",
]
