"""Importing weights trained by another program, from a file that contains no code."""

from __future__ import annotations

from pathlib import Path

import numpy.typing as npt

from mnn_gpu.errors import ModelFileError, UsageError
from mnn_gpu.interop.layers import Weights, assembled
from mnn_gpu.interop.npz import read_npz
from mnn_gpu.interop.tensor_names import layers_by_name
from mnn_gpu.models.model import Model
from mnn_gpu.models.model_file import load_model
from mnn_gpu.models.model_format import FORMAT, FORMER_FORMAT
from mnn_gpu.storage.os_errors import READ_CURE, is_of_system, reason_of
from mnn_gpu.storage.safetensors_file import check_header
from mnn_gpu.utils.packages import require

SAVE_CURE = 'Save it with: safetensors.torch.save_file(net.float().state_dict(), "w.safetensors")'


def import_model(
    path: str | Path,
    *,
    classes: npt.ArrayLike | None = None,
    mean: npt.ArrayLike = 0.0,
    std: npt.ArrayLike = 1.0,
) -> Model:
    """Read a network trained by another program: Linear layers with ReLU between them.

    A file of weights does not record the activations: ReLU between the layers and softmax at
    the end are assumed.

    Parameters
    ----------
    path : path
        .safetensors with the names of a PyTorch ``state_dict``, or .npz with these names or
        those of the formulas, ``W1, b1, W2, ...``. The layers are ordered by the numbers in
        the names; weights are (outputs, inputs).
    classes : (outputs,), integer, optional
        The label of each output. Default: as given in the file, else 0, 1, 2, ...
    mean, std : float or (features,)
        The network was trained on ``(X - mean) / std`` of pixels X from 0 to 1, such as
        torchvision's Normalize; they are folded into the first layer. If it was trained on
        pixels from 0 to 255, std is 1/255.

    Returns
    -------
    Model
        float64 if any of the arrays is, else float32.

    Raises
    ------
    UsageError
        If the ending is another, or classes, mean or std do not match the network.
    ModelFileError
        If the file is missing or damaged, or is not such a network.
    """
    path = Path(path)
    readers = {".npz": read_npz, ".safetensors": _read_safetensors}
    if path.suffix.lower() not in readers:
        raise UsageError(
            f"{path} is neither .safetensors nor .npz; pickles (.pt, .pth, .pkl) can run code "
            "and are not read.",
            SAVE_CURE,
        )
    try:
        found = path.is_file()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error}.", "Check the path.") from error
    if not found:
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    weights = readers[path.suffix.lower()](path)
    info = weights.info or {"imported_from": path.name}
    weights = weights._replace(info=info)
    return assembled(weights, str(path), classes=classes, mean=mean, std=std)


def _read_safetensors(path: Path) -> Weights:
    require("safetensors")
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("format") in (FORMAT, FORMER_FORMAT):
                model = load_model(path)
                return Weights(model.layers, model.classes, model.info, model.pixel_max)
            tensors = {}
            for name in file.keys():  # noqa: SIM118
                if file.get_slice(name).get_dtype() == "BF16":
                    raise TypeError(f"{name} is bfloat16, which NumPy does not support")
                tensors[name] = file.get_tensor(name)
    except ModelFileError:
        raise
    except (OSError, SafetensorError, TypeError, AttributeError, ValueError) as error:
        if is_of_system(error):
            raise ModelFileError(
                f"{path} cannot be read: {reason_of(error)}.", READ_CURE
            ) from error
        # The last three: data types and shapes that NumPy does not support.
        raise ModelFileError(
            f"{path} cannot be read as safetensors ({error}).", SAVE_CURE
        ) from error
    return Weights(layers_by_name(tensors, str(path)))
