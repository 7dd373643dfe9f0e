"""Generate the synthetic images of tests/handwriting, and measure the record model on them.

    python -m tests.support.handwriting             write scripts/results/handwriting.json
    python -m tests.support.handwriting --images    generate tests/handwriting/ first

Needs the extra images. Equal seeds give equal images (except for the last bits of what other
versions of Pillow compress).
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnn_gpu import load_model, predict, prepare_digit
from mnn_gpu.backends import select_backend
from mnn_gpu.data import bundled_mnist
from tests.support.handwriting.scenes import (
    DRAWN,
    PHOTOGRAPHED,
    lit,
    name_of,
    painted,
    paper_texture,
)
from tests.support.handwriting.scenes import images as made
from tests.support.handwriting.surroundings import KINDS as SURROUNDINGS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "handwriting"
RESULT = ROOT / "scripts" / "results" / "handwriting.json"
SEED = 2024
"""Seed of the set in tests/handwriting; the preparation was tuned on other seeds."""
OTHER_SEED, OTHER_COUNT = 31, 3
ENDINGS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}


def make_images() -> None:
    """Write one image of each digit in each style: DIGIT-STYLE-WAY.ending."""
    for old in FOLDER.glob("[0-9]-*"):
        old.unlink()
    for scene in DRAWN + PHOTOGRAPHED:
        for digit in range(10):
            for way, content in made(scene, digit, 1, SEED):
                kind = str(Image.open(io.BytesIO(content)).format)
                name = f"{digit}-{name_of(scene)}-{way.replace(' ', '-')}.{ENDINGS[kind]}"
                (FOLDER / name).write_bytes(content)


def read(images: list[Any], labels: Any) -> int:
    """Return the number of images that the record model classifies correctly."""
    X = np.stack([prepare_digit(image) for image in images])
    answers = predict(load_model("record"), X, select_backend("cpu"))
    return int((answers == np.asarray(labels)).sum())


def of_styles(fresh: bool) -> dict[str, list[int]]:
    """Return [correct, total] by style, for tests/handwriting or for new images."""
    result = {}
    for scene in DRAWN + PHOTOGRAPHED:
        images: list[tuple[Any, int]]
        if fresh:
            images = [
                (Image.open(io.BytesIO(content)), digit)
                for digit in range(10)
                for _, content in made(scene, digit, OTHER_COUNT, OTHER_SEED)
            ]
        else:
            paths = sorted(FOLDER.glob(f"[0-9]-{name_of(scene)}-*"))
            images = [(path, int(path.name[0])) for path in paths]
        right = read([image for image, _ in images], [digit for _, digit in images])
        result[name_of(scene)] = [right, len(images)]
    return result


def on_paper(digits: Any, rng: np.random.Generator) -> Iterator[Any]:
    """Enlarge MNIST's digits and draw them with dark ink on unevenly lit paper."""
    side = 320
    for digit in digits:
        size = int(rng.integers(70, 280))
        ink = np.zeros((side, side))
        row, column = rng.integers(0, side - size + 1, 2)
        large = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
        ink[row : row + size, column : column + size] = np.asarray(large) / 255
        paper = 0.96 + paper_texture(side, rng)[..., None] * np.ones(3)
        sheet = painted(ink, (0.1, 0.1, 0.2), paper) * lit(side, rng)[..., None]
        yield np.clip(sheet, 0, 1)


def of_mnist(count: int = 1000) -> dict[str, int]:
    """Compare the accuracy on test digits with that on the same digits on paper."""
    data = bundled_mnist("test")
    digits = data.X[:count].reshape(-1, 28, 28)
    labels = data.labels()[:count]
    answers = predict(load_model("record"), digits, select_backend("cpu"))
    laid = read(list(on_paper(digits, np.random.default_rng(SEED))), labels)
    return {"digits": count, "right as they are": int((answers == labels).sum()), "on paper": laid}


def of_surroundings(count: int = 60) -> dict[str, list[int]]:
    """Return [correct, total] by the surroundings of MNIST's test digits: see `surroundings`."""
    data = bundled_mnist("test")
    digits, labels = data.X[:count].reshape(-1, 28, 28), data.labels()[:count]
    result = {}
    for name, scene in SURROUNDINGS.items():
        images = [scene(x, np.random.default_rng([SEED, i])) for i, x in enumerate(digits)]
        result[name] = [read(images, labels), count]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", action="store_true", help="generate tests/handwriting first")
    if parser.parse_args().images:
        make_images()
    by_style = of_styles(fresh=False)
    total = np.array(list(by_style.values())).sum(axis=0).tolist()
    result = {
        "note": "Made pictures, not photographs; [right, of] by the record model.",
        "tests/handwriting": {"all": total, **by_style},
        "more of the same styles": of_styles(fresh=True),
        "MNIST's test digits on paper": of_mnist(),
        "MNIST's test digits in surroundings": of_surroundings(),
    }
    # Each pair on one line.
    text = re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", json.dumps(result, indent=1))
    RESULT.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
