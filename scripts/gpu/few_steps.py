"""A few training steps of a job, for tools that look at every kernel.

    python -m scripts.gpu.few_steps JOB ITERATIONS

CuPy allocates each array by itself here, so that what lies outside of one is nobody's.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from mnn_gpu import RECIPES, TrainingConfig, load_mnist, select_backend, train

ADAM = TrainingConfig(optimizer="adam", learning_rate=1e-3, batch_size=128)
CONFIGS = {
    "a": TrainingConfig(),
    "b": ADAM,
    "c": replace(ADAM, hidden=(128, 64)),
    "d": replace(ADAM, hidden=(1000, 500), batch_size=256),
    "m": TrainingConfig(hidden=(1024,), batch_size=32),
    "deformed": replace(RECIPES["accurate"].config, epochs=None, hidden=(128, 64), dropout=0.2),
}


def main() -> None:
    job, iterations = sys.argv[1:]
    gpu: Any = select_backend("cuda")
    gpu.cupy.cuda.set_allocator(None)
    (X, y), _ = load_mnist()
    config = replace(CONFIGS[job], iterations=int(iterations))
    _, history = train(X[:41_000], y[:41_000], config, backend=gpu)
    print(job, iterations, history.records[-1])


if __name__ == "__main__":
    main()
