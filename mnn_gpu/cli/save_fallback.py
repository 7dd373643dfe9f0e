"""Saving a trained model in another folder if the requested one is not writable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mnn_gpu.errors import OutputError

if TYPE_CHECKING:
    from mnn_gpu import Model


def save_somewhere(path: Path, model: Model) -> None:
    """Save a model at ``path``; if that fails, in a temporary folder or in the home folder.

    Raises
    ------
    OutputError
        If it is not saved at ``path``; the message says where it is.
    """
    from mnn_gpu import save_model

    try:
        save_model(path, model)
    except OutputError as error:
        for folder in _folders():
            try:
                place = Path(tempfile.mkdtemp(prefix="mnn_gpu-", dir=folder)) / path.name
                save_model(place, model)
            except OSError:  # Includes OutputError.
                continue
            raise OutputError(
                f"{error.cause} The model is in {place} instead.", "Move it to its destination."
            ) from error
        raise


def _folders() -> Iterator[Path]:
    with suppress(OSError):  # No folder for temporary files is writable.
        yield Path(tempfile.gettempdir())
    with suppress(RuntimeError):  # There is no home folder.
        yield Path.home()
