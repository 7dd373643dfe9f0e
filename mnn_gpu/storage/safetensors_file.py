"""Safetensors files with reproducible bytes: equal arrays and metadata give equal files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnn_gpu.storage.regular_file import open_regular
from mnn_gpu.utils.packages import require

HEADER_LENGTH = 8
"""Bytes of the little-endian integer before the JSON header."""
MOST_HEADER = 1 << 24
"""Largest accepted JSON header in bytes: parsed, it takes fifty times as much memory."""
DAMAGE = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""Exceptions that reading an incomplete file can raise."""


def tensor_file(arrays: Mapping[str, npt.ArrayLike], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a safetensors file.

    The library's order of the metadata differs between processes; here the header is
    sorted by name.

    Parameters
    ----------
    arrays : mapping of name to array
    metadata : mapping of name to text

    References
    ----------
    The format: https://huggingface.co/docs/safetensors
    """
    require("safetensors")
    from safetensors.numpy import save

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(contiguous, dict(metadata))
    end = HEADER_LENGTH + int.from_bytes(content[:HEADER_LENGTH], "little")
    header: dict[str, Any] = json.loads(content[HEADER_LENGTH:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    # The header's length is a multiple of eight, so that the arrays stay aligned.
    text += b" " * (-len(text) % HEADER_LENGTH)
    return len(text).to_bytes(HEADER_LENGTH, "little") + text + content[end:]


def dump_with_checksum(
    arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]
) -> bytes:
    """Return a safetensors file with a checksum, to be read by `load_with_checksum`."""
    return tensor_file(arrays, {**metadata, "checksum": checksum(arrays, metadata)})


def load_with_checksum(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Return arrays and metadata of a file written by `dump_with_checksum`.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    require("safetensors")
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.pop("checksum", None) != checksum(arrays, metadata):
            raise ValueError("its checksum differs")
    except (*DAMAGE, SafetensorError) as error:
        raise ValueError(str(error)) from error
    return arrays, metadata


def load_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, without reading its arrays.

    Raises
    ------
    ValueError
        If its header is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (*DAMAGE, SafetensorError) as error:
        raise ValueError(str(error)) from error


def check_header(path: Path) -> None:
    """Check that a safetensors file is a regular file with a header of plausible size.

    Raises
    ------
    OSError, ValueError
        If it is a pipe or a device, is not readable, or has too large a header.
    """
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MOST_HEADER:
        raise ValueError("it does not begin like a safetensors file")


def checksum(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Return a digest of arrays and metadata, in hexadecimal."""
    digest = hashlib.blake2b(json.dumps(dict(metadata), sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {data_digest(arrays[name])}".encode())
    return digest.hexdigest()


def data_digest(*arrays: npt.ArrayLike) -> str:
    """Return a digest of arrays, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        whole = np.ascontiguousarray(array)
        digest.update(whole.view(np.uint8).data if array.dtype.kind == "U" else whole.data)
    return digest.hexdigest()
