"""Fashion-MNIST with the `accurate` recipe as it is, beside scikit-learn's network of that size."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import Any

from mnn_gpu import RECIPES, evaluate, load_dataset, select_backend, split, train
from mnn_gpu.utils.threads import available_cores
from scripts.research.experiments.runs import FOLDER

RESULT = FOLDER / "fashion.json"
SEEDS = 3


def measure(path: str, source: str) -> dict[str, Any]:
    """Train both on the training images of a folder or file; read its test images once each.

    Parameters
    ----------
    path : str
        Fashion-MNIST as a folder of its IDX files, or as .npz with ``x_train``, ``y_train``,
        ``x_test``, ``y_test``.
    source : str
        What to say of these images, in a sentence's end.
    """
    data, test = load_dataset([path], "train"), load_dataset([path], "test")
    recipe, backend = RECIPES["accurate"], select_backend()
    ours = []
    for seed in range(SEEDS):
        training, held_out = split(data, recipe.holdout, seed)
        model, history = train(
            training.X,
            training.labels(),
            replace(recipe.config, seed=seed),
            backend=backend,
            validation=(held_out.X, held_out.labels()),
        )
        found = asdict(evaluate(model, test.X, test.labels(), backend))
        ours.append(found | {"seconds": history.seconds})
    theirs = [_scikit_learn(data, test, seed) for seed in range(SEEDS)]
    result: dict[str, Any] = {
        "source": source,
        "rows": len(data),
        "test_rows": len(test),
        "cores": available_cores(),
        "mnn_gpu": ours,
        "scikit-learn": theirs,
    }
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _scikit_learn(data: Any, test: Any, seed: int) -> dict[str, float]:
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(RECIPES["accurate"].config.hidden, random_state=seed)
    started = time.perf_counter()
    network.fit((data.X / 255).astype("float32"), data.labels())
    seconds = time.perf_counter() - started
    accuracy = float(network.score((test.X / 255).astype("float32"), test.labels()))
    return {"accuracy": accuracy, "seconds": seconds, "epochs": network.n_iter_}
