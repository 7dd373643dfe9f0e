"""A trained model is never lost: where it cannot be written, another place is found."""

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
    """Save a model at ``path``; if that fails, in a temporary or in the home folder.

    Raises
    ------
    OutputError
        If it is not at ``path``; the message says where it is.
    """
    from mnn_gpu import save_model

    try:
        save_model(path, model)
    except OutputError as error:
        for folder in _folders():
            try:
                place = Path(tempfile.mkdtemp(prefix="mnn_gpu-", dir=folder)) / path.name
                save_model(place, model)
            except OSError:  # An OutputError is one too.
                continue
            raise OutputError(
                f"{error.cause} The model is in {place} instead.", "Move it to where it belongs."
            ) from error
        raise


def _folders() -> Iterator[Path]:
    with suppress(OSError):  # None of those for temporary files can be written to.
        yield Path(tempfile.gettempdir())
    with suppress(RuntimeError):  # There is no home.
        yield Path.home()
