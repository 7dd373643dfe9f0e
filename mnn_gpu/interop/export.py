"""Writing a model for another program, in the format given by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mnn_gpu.errors import OutputError, UsageError
from mnn_gpu.interop.npz import write_npz
from mnn_gpu.interop.onnx import write_onnx
from mnn_gpu.interop.web_page import write_page
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import save_model
from mnn_gpu.storage.atomic_write import raise_output_errors


class Writer(Protocol):
    """Writes a model to a file, with parameters stored as ``dtype`` (default: unchanged)."""

    def __call__(self, path: str | Path, model: Model, *, dtype: str | None = None) -> None: ...


# To add a format, add a line here and one in the help of `mnn_gpu.cli.export`.
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
"""Byte strings near the beginning or the end of every file written by these writers."""
END = 1 << 17
"""Number of bytes at the beginning and at the end of a file that are searched for a mark."""


def export_model(path: str | Path, model: Model, *, dtype: str | None = None) -> None:
    """Write a model for another program.

    Parameters
    ----------
    path : path
        The ending determines the format: .html for a page to draw digits on (see
        `mnn_gpu.interop.web_page`), .npz for NumPy (see `mnn_gpu.interop.npz`), .onnx for
        onnxruntime and others (see `mnn_gpu.interop.onnx`), .safetensors for PyTorch and this
        package (see `save_model`).
    model : Model
    dtype : {"float16", "float32", "float64"}, optional
        Data type of the stored parameters. Default: the model's; in .onnx float32, in .html
        float16.

    Raises
    ------
    UsageError
        If the ending is not one of these, a required package is not installed, the format does
        not support the model (ONNX files are limited to 2 GB, the page's inputs are 28 x 28) or
        the dtype, or the parameters are not finite as ``dtype``.
    OutputError
        If the file cannot be written.
    """
    writer_for(path)(path, model, dtype=dtype)


def writer_for(path: str | Path) -> Writer:
    """Return the writer for a file's ending, or raise a UsageError."""
    ending = Path(path).suffix.lower()
    if ending not in WRITERS:
        raise UsageError(
            f"{path} does not end in an export format.",
            f"Give a file that ends in {', '.join(WRITERS)}.",
        )
    return WRITERS[ending]


def check_replaceable(path: Path, force: bool) -> None:
    """Check that an existing file is empty or a model written by this package.

    Parameters
    ----------
    path : Path
        A path accepted by `mnn_gpu.data.overwriting.check_output`.
    force : bool
        Whether any file may be replaced.

    Raises
    ------
    OutputError
    """
    if force or not path.is_file() or is_export(path):
        return
    raise OutputError(
        f"{path} exists and is not a model written by mnn_gpu.",
        "Give another name, or replace it with --force.",
    )


def is_export(path: Path) -> bool:
    """Return whether a file is empty or a model of this package, in any of its formats."""
    with raise_output_errors(path), path.open("rb") as file:
        ends = file.read(END)
        file.seek(max(0, path.stat().st_size - END))
        ends += file.read(END)  # A .npz has its directory at its end.
    return not ends or any(mark in ends for mark in MARKS)
