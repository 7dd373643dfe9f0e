"""PyTorch: model files load there in one line, and its networks can be imported."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mnn_gpu import (
    MnnGpuError,
    Model,
    ModelFileError,
    UsageError,
    from_torch,
    import_model,
    load_mnist,
    load_model,
    predict_proba,
    save_model,
)
from mnn_gpu.models.model_file import SHIPPED
from mnn_gpu.nn import network
from tests.support.models import random_model

# ---- a state_dict of NumPy arrays needs no PyTorch ------------------------------------


def test_a_model_file_is_a_state_dict(tmp_path: Path) -> None:
    model = random_model((4, 6, 5, 3), "float64")
    save_model(tmp_path / "m", model)
    back = from_torch(load_file(tmp_path / "m"), classes=[2, 3, 7])
    np.testing.assert_array_equal(back.theta, model.theta)
    assert back.classes.tolist() == [2, 3, 7]
    assert back.info == {"imported_from": "dict"}


@pytest.mark.parametrize("thing", [None, 5, "weights.pt", [np.ones(3)], object()])
def test_other_types_are_refused(thing: object) -> None:
    with pytest.raises(UsageError, match="network is a"):
        from_torch(thing)


@pytest.mark.parametrize("value", ["text", None, [[1.0], [2.0, 3.0]], {}])
def test_values_that_are_not_arrays_are_refused(value: object) -> None:
    with pytest.raises(MnnGpuError):
        from_torch({"0.weight": value, "0.bias": np.ones(2)})


# ---- with PyTorch --------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def sequential(torch: Any, *sizes: int) -> Any:
    """Return a network as in PyTorch's tutorials."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def logits(model: Model, X: Any) -> Any:
    Z, _ = network.forward(model.layers, np.asarray(X, model.theta.dtype).T)
    return Z[-1].T


@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3), (4, 6, 5, 7, 2), (1, 1)])
def test_one_line_loads_a_model_file(tmp_path: Path, torch: Any, sizes: tuple[int, ...]) -> None:
    from safetensors.torch import load_file as load_tensors

    model = random_model(sizes)
    save_model(tmp_path / "model.safetensors", model)
    net = sequential(torch, *sizes)
    net.load_state_dict(load_tensors(tmp_path / "model.safetensors"))
    X = torch.rand(9, sizes[0])
    np.testing.assert_allclose(net(X).detach().numpy(), logits(model, X.numpy()), rtol=0, atol=1e-5)


def test_the_record_model_gives_the_same_results_in_torch(torch: Any) -> None:
    from safetensors.torch import load_file as load_tensors

    record = load_model("record")
    net = sequential(torch, *record.layer_sizes)
    net.load_state_dict(load_tensors(SHIPPED["record"]))
    _, (X, _) = load_mnist()
    X = X[:200].astype(np.float32) / 255
    Z = net(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(Z, logits(record, X), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(from_torch(net).theta, record.theta)


def test_a_sequential_with_dropout_and_flatten_is_imported(tmp_path: Path, torch: Any) -> None:
    from safetensors.torch import save_file

    nn, relu = torch.nn, torch.nn.ReLU()
    net = nn.Sequential(
        *(nn.Flatten(), nn.Linear(4, 6), relu, nn.Dropout(), nn.Linear(6, 5), relu),
        *(nn.Identity(), nn.Linear(5, 3), nn.LogSoftmax(dim=1)),
    ).eval()
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    X = torch.rand(50, 4)
    expected = net(X).exp().detach().numpy()
    for model in (
        from_torch(net),
        from_torch(nn.Sequential(net[0], nn.Sequential(*net[1:6]), nn.Sequential(*net[6:]))),
        from_torch(net.state_dict()),
        import_model(tmp_path / "weights.safetensors"),
    ):
        probabilities = predict_proba(model, X.numpy())
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)


def test_user_defined_modules_are_imported(torch: Any) -> None:
    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.fc2 = torch.nn.Linear(6, 3)
            self.fc1 = torch.nn.Linear(4, 6)
            self.dropout = torch.nn.Dropout()

        def forward(self, X: Any) -> Any:
            return self.fc2(self.dropout(torch.relu(self.fc1(X))))

    net = Net().eval()
    X = torch.rand(9, 4)
    model = from_torch(net)
    np.testing.assert_allclose(logits(model, X), net(X).detach().numpy(), rtol=0, atol=1e-6)
    assert model.info == {"imported_from": "Net"}
    net.norm = torch.nn.LayerNorm(6)
    with pytest.raises(ModelFileError, match="LayerNorm"):
        from_torch(net)


def test_modules_with_other_layers_are_refused(torch: Any) -> None:
    nn = torch.nn

    def of(*modules: Any) -> Any:
        return nn.Sequential(*modules)

    for net in (
        of(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)),
        of(nn.Linear(4, 6), nn.Linear(6, 3)),
        of(nn.Linear(4, 6), nn.ReLU()),
        of(nn.ReLU(), nn.Linear(4, 3)),
        of(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3)),
        of(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)),
        of(nn.Linear(4, 6), nn.ReLU(), nn.ReLU(), nn.Linear(6, 3)),
        of(nn.Conv1d(1, 3, 2), nn.ReLU(), nn.Linear(6, 3)),
        of(nn.Linear(4, 2), nn.Sigmoid()),
        of(nn.ReLU()),
        of(),
        nn.ReLU(),
    ):
        with pytest.raises(ModelFileError):
            from_torch(net)
    for thing in (torch.optim.SGD(of(nn.Linear(4, 3)).parameters()), nn.Sequential, nn.ReLU):
        with pytest.raises(UsageError, match="network is a"):
            from_torch(thing)
    no_bias = of(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 3))
    with pytest.raises(ModelFileError, match="'0' has no bias"):
        from_torch(no_bias)


def test_tensors_of_any_float_dtype_are_imported(torch: Any) -> None:
    net = sequential(torch, 4, 6, 3)
    for dtype, expected in (
        (torch.float64, np.float64),
        (torch.bfloat16, np.float32),
        (torch.float16, np.float32),
    ):
        model = from_torch(net.to(dtype))
        assert model.theta.dtype == expected
        np.testing.assert_array_equal(
            model.layers[0][0], net[0].weight.detach().to(torch.float64).numpy()
        )
    with pytest.raises(ModelFileError, match="cannot be read"):
        from_torch(sequential(torch, 4, 3).to("meta"))
