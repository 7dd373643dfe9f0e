"""The way out: a model as a file for another program, chosen by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mnn_gpu.errors import OutputError, UsageError
from mnn_gpu.interop.npz import write_npz
from mnn_gpu.interop.onnx import write_onnx
from mnn_gpu.interop.web_page import write_page
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import save_model
from mnn_gpu.storage.atomic_write import explained


class Writer(Protocol):
    """Writes a model to a file, its parameters stored as ``dtype`` (default: as they are)."""

    def __call__(self, path: str | Path, model: Model, *, dtype: str | None = None) -> None: ...


# A format more is a line more here, and one in the help of `mnn_gpu.cli.export`.
WRITERS: dict[str, Writer] = {
    ".html": write_page,
    ".npz": write_npz,
    ".onnx": write_onnx,
    ".safetensors": save_model,
}

MARKS = (
    b'"mnn_gpu model ',  # .safetensors
    b"\x12\x07mnn_gpu",  # .onnx: the producer's name, of seven letters
    b"layer_sizes.npy",  # .npz
    b"Draw a digit and watch a neural network read it.",  # .html
)
"""What the files of these writers contain, near their beginning or their end."""
END = 1 << 17
"""Bytes of a file, at its beginning and at its end, in which a mark is looked for."""


def export_model(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model for another program.

    Parameters
    ----------
    path : path
        Its ending decides the format: .html for a page to draw digits on (see
        `mnn_gpu.interop.web_page`), .npz for NumPy (see `mnn_gpu.interop.npz`), .onnx for
        onnxruntime and its like (see `mnn_gpu.interop.onnx`), .safetensors for PyTorch and this
        package (see `save_model`).
    model : Model
    dtype : {"float16", "float32", "float64"}, optional
        What to store the parameters as. Default: as they are, in .onnx float32, in .html
        float16.

    Raises
    ------
    UsageError
        If the ending is none of these, the package for it is not installed, the format does
        not suit the model or the dtype, or the parameters are not finite as ``dtype``.
    OutputError
        If the file cannot be written.
    """
    writer_for(path)(path, model, dtype=dtype)


def writer_for(path: str | Path) -> Writer:
    """Return what writes files of this ending, or raise a UsageError."""
    ending = Path(path).suffix.lower()
    if ending not in WRITERS:
        raise UsageError(
            f"{path} ends in none of the formats that a model is exported to.",
            f"Give a file that ends in {', '.join(WRITERS)}.",
        )
    return WRITERS[ending]


def check_replaceable(path: Path, force: bool) -> None:
    """Check that a file that exists is a model, as this package writes them, or empty.

    Parameters
    ----------
    path : Path
        One that `mnn_gpu.data.overwriting.check_output` allows.
    force : bool
        Whether any file may be replaced.

    Raises
    ------
    OutputError
    """
    if force or not path.is_file() or is_export(path):
        return
    raise OutputError(
        f"{path} exists and is not a model that mnn_gpu wrote.",
        "Give another name, or replace it with --force.",
    )


def is_export(path: Path) -> bool:
    """Return whether a file is empty or a model of this package, in any of its formats."""
    with explained(path), path.open("rb") as file:
        ends = file.read(END)
        file.seek(max(0, path.stat().st_size - END))
        ends += file.read(END)  # A .npz lists its arrays at its end.
    return not ends or any(mark in ends for mark in MARKS)
