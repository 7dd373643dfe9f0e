"""Where the contenders work: on the CPU, or on the GPU if the environment says so."""

from __future__ import annotations

import os

VARIABLE = "MNN_BENCH_DEVICE"
DEVICE = os.environ.get(VARIABLE, "cpu")
