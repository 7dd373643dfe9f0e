"""Fashion-MNIST with the `accurate` recipe as it is, beside scikit-learn's network of that size."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import Any

from mnn_gpu import RECIPES, evaluate, load_dataset, select_backend, split, train
from mnn_gpu.utils.threads import available_cores
from scripts.research.study.runs import FOLDER

RESULT = FOLDER / "fashion.json"
SEEDS = 3
RECIPE = RECIPES["accurate"]


def measure(path: str, source: str) -> dict[str, Any]:
    """Train both on the training images of a folder or file; read its test images once each.

    ``path`` is a folder of IDX files or an .npz with ``x_train``, ``y_train``, ``x_test`` and
    ``y_test``; ``source`` says in the report which images these are.
    """
    data, test = load_dataset([path], "train"), load_dataset([path], "test")
    result: dict[str, Any] = {
        "source": source,
        "rows": len(data),
        "test_rows": len(test),
        "cores": available_cores(),
        "mnn_gpu": [_ours(data, test, seed) for seed in range(SEEDS)],
        "scikit-learn": [_scikit_learn(data, test, seed) for seed in range(SEEDS)],
    }
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _ours(data: Any, test: Any, seed: int) -> dict[str, Any]:
    training, held_out = split(data, RECIPE.holdout, seed)
    config, backend = replace(RECIPE.config, seed=seed), select_backend()
    validation = (held_out.X, held_out.labels())
    model, history = train(
        training.X, training.labels(), config, backend=backend, validation=validation
    )
    found = asdict(evaluate(model, test.X, test.labels(), backend))
    return found | {"seconds": history.seconds}


def _scikit_learn(data: Any, test: Any, seed: int) -> dict[str, Any]:
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(RECIPE.config.hidden, random_state=seed)
    started = time.perf_counter()
    network.fit((data.X / 255).astype("float32"), data.labels())
    seconds = time.perf_counter() - started
    accuracy = float(network.score((test.X / 255).astype("float32"), test.labels()))
    return {"accuracy": accuracy, "seconds": seconds, "epochs": network.n_iter_}
