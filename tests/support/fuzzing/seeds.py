"""Small real files of every kind that mnn_gpu reads, as bytes."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
from PIL import Image

import mnn_gpu
from mnn_gpu.data.idx import idx_header

NAMES = {
    "CSV": "d.csv",
    "CSV.gz": "d.csv.gz",
    "IDX": "d-idx3-ubyte",
    "IDX.gz": "d-idx3-ubyte.gz",
    "npz": "d.npz",
    "Parquet": "d.parquet",
    "model 2": "m.safetensors",
    "model 1": "m1.safetensors",
    "weights npz": "w.npz",
    "weights safetensors": "w.safetensors",
    "PNG": "p.png",
    "JPEG": "p.jpg",
    "GIF": "p.gif",
    "WebP": "p.webp",
    "TIFF": "p.tif",
    "BMP": "p.bmp",
}
"""Every kind, and what its file is called."""


def seeds() -> dict[str, list[bytes]]:
    """Return some files of each kind."""
    (X, y), _ = mnn_gpu.load_mnist()
    small = X[:6].reshape(-1, 28, 28)[:, 10:16, 11:17]
    csvs = [_csv(small, y[:6]), _csv(X[:3], y[:3]), _csv(small, y[:6], header=False)]
    idx = [idx_header(images.shape) + images.tobytes() for images in (small, small[0])]
    return {
        "CSV": csvs,
        "CSV.gz": [gzip.compress(text, mtime=0) for text in csvs],
        "IDX": idx,
        "IDX.gz": [gzip.compress(content, mtime=0) for content in idx],
        "npz": [_npz(save, small, y[:6]) for save in (np.savez, np.savez_compressed)],
        "Parquet": _parquets(small.reshape(6, -1), y[:6]),
        **_models(),
        **_pictures(X[0].reshape(28, 28)),
    }


def _csv(X: Any, y: Any, header: bool = True) -> bytes:
    frame = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    frame.insert(0, "label", y)
    return frame.to_csv(index=False, header=header).encode()


def _npz(save: Callable[..., None], X: Any, y: Any) -> bytes:
    file = io.BytesIO()
    save(file, x_train=X, y_train=y, x_test=X[:2] / 255, y_test=y[:2])
    return file.getvalue()


def _parquets(X: Any, y: Any) -> list[bytes]:
    contents = []
    settings: list[dict[str, Any]] = [
        {"compression": "none"},
        {"compression": "snappy", "write_page_checksum": True},
        {"compression": "zstd", "use_dictionary": False, "row_group_size": 2},
        {"compression": "gzip", "data_page_version": "2.0"},
    ]
    for dtype, options in zip((np.int64, np.uint8, np.float64, np.int32), settings, strict=True):
        frame = pd.DataFrame(X[:, :12].astype(dtype)).add_prefix("pixel")
        frame.insert(0, "label", y.astype(np.int64))
        contents.append(frame.to_parquet(engine="pyarrow", **options))
    return contents


def _models() -> dict[str, list[bytes]]:
    sizes = (6, 4, 3)
    theta = np.random.default_rng(0).normal(size=6 * 4 + 4 + 4 * 3 + 3).astype(np.float32)
    history = {"epoch": [1, 2], "loss": [0.5, 0.25], "accuracy": [0.5, 1.0]}
    model = mnn_gpu.Model(theta, sizes, np.array([2, 3, 7]), {"history": history, "seed": 7})
    (W1, b1), (W2, b2) = model.layers
    about = {"layer_sizes": [6, 4, 3], "classes": [2, 3, 7], "info": {"seed": 7}}
    texts = {name: json.dumps(value) for name, value in about.items()}
    former = {"format": "mnn_gpu model 1", "version": "0.1.0", **texts}
    named = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    foreign = {"fc1.weight": W1, "fc1.bias": b1[:, 0], "fc2.weight": W2, "fc2.bias": b2[:, 0]}
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / file for file in ("m.safetensors", "h.safetensors", "w.npz")]
        mnn_gpu.save_model(paths[0], model)
        mnn_gpu.save_model(paths[1], model, dtype="float16")
        mnn_gpu.export_model(paths[2], model)
        own = [*map(_sorted, (path.read_bytes() for path in paths[:2])), paths[2].read_bytes()]
    archive = io.BytesIO()
    np.savez_compressed(archive, **foreign)  # type: ignore[arg-type]
    return {
        "model 2": own[:2],
        "model 1": [_sorted(safetensors.numpy.save(_contiguous(named), former))],
        "weights npz": [own[2], archive.getvalue()],
        "weights safetensors": [safetensors.numpy.save(_contiguous(foreign)), own[0]],
    }


def _sorted(content: bytes) -> bytes:
    """Put the entries of a safetensors header in order: safetensors writes them in any."""
    start = 8 + int.from_bytes(content[:8], "little")
    text = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":"))
    return content[:8] + text.encode().ljust(start - 8) + content[start:]


def _contiguous(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _pictures(digit: Any) -> dict[str, list[bytes]]:
    grey = Image.fromarray(255 - digit).resize((56, 56))
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = Image.fromarray((255 - digit).astype(np.uint16) * 257)
    alpha = Image.merge(
        "RGBA", (*grey.convert("RGB").split(), Image.fromarray(digit).resize(grey.size))
    )
    saved: dict[str, list[tuple[Image.Image, dict[str, Any]]]] = {
        "PNG": [(grey, {}), (alpha, {}), (grey.convert("P"), {"transparency": 3}), (wide, {})],
        "JPEG": [(grey, {"exif": turned}), (grey.convert("RGB"), {"progressive": True})],
        "GIF": [(grey, {}), (grey.convert("P"), {"transparency": 0})],
        "WebP": [(grey.convert("RGB"), {}), (alpha, {"lossless": True})],
        "TIFF": [(grey, {"compression": "tiff_lzw"}), (wide, {}), (alpha, {})],
        "BMP": [(grey, {}), (grey.convert("RGB"), {})],
    }
    return {kind: [_picture(kind, *how) for how in hows] for kind, hows in saved.items()}


def _picture(kind: str, image: Image.Image, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
