"""Safetensors files as bytes: the same arrays and texts always give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER_LENGTH = 8
"""Bytes, little-endian, in front of the JSON header."""


def tensor_file(arrays: Mapping[str, npt.ArrayLike], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a safetensors file.

    The library writes the metadata in an order that changes from process to process; here
    the header is sorted by name.

    Parameters
    ----------
    arrays : mapping of name to array
    metadata : mapping of name to text

    References
    ----------
    The format: https://huggingface.co/docs/safetensors
    """
    from safetensors.numpy import save

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(contiguous, dict(metadata))
    end = HEADER_LENGTH + int.from_bytes(content[:HEADER_LENGTH], "little")
    header: dict[str, Any] = json.loads(content[HEADER_LENGTH:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    # Its length is a multiple of eight, so that the arrays stay aligned.
    text += b" " * (-len(text) % HEADER_LENGTH)
    return len(text).to_bytes(HEADER_LENGTH, "little") + text + content[end:]
