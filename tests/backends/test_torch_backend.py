"""PyTorch by its name or that of its device: selection, errors, memory, and the same results."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnn_gpu import (
    Augmentation,
    DeviceError,
    Hook,
    MLPClassifier,
    TrainingConfig,
    diagnose,
    evaluate,
    predict,
    select_backend,
    train,
)
from mnn_gpu.backends.select import backend_of
from mnn_gpu.backends.torch_backend import TorchBackend, devices_of
from mnn_gpu.estimators import device_arrays
from tests.support.libraries import installed

TORCH = pytest.mark.skipif(not installed("torch"), reason="PyTorch is not installed")


def accelerated(kind: str, count: int) -> Any:
    """Return the parts of a PyTorch with accelerators that the backend uses."""
    accelerator = SimpleNamespace(
        is_available=lambda: count > 0,
        current_accelerator=lambda: SimpleNamespace(type=kind),
        device_count=lambda: count,
    )
    return SimpleNamespace(accelerator=accelerator, __version__="2.13.0")


def test_the_devices_are_the_cpu_and_the_accelerators() -> None:
    assert devices_of(accelerated("mps", 0)) == ["cpu"]
    assert devices_of(accelerated("mps", 1)) == ["cpu", "mps:0"]
    assert devices_of(accelerated("cuda", 2)) == ["cpu", "cuda:0", "cuda:1"]


@pytest.mark.parametrize(
    ("device", "library", "received"),
    [
        ("auto", "torch", (None, 0)),
        ("cpu", "torch", ("cpu", 0)),
        ("cuda:1", "torch", ("cuda", 1)),
        ("mps", "torch", ("mps", 0)),
        ("mps", "auto", ("mps", 0)),
        ("xpu:2", "auto", ("xpu", 2)),
    ],
)
def test_torch_receives_the_kind_and_the_index(
    monkeypatch: pytest.MonkeyPatch, device: str, library: str, received: tuple[str | None, int]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(TorchBackend, "connect", lambda *given: asked.append(given))
    select_backend(device, library)
    assert asked == [received]


def test_torch_is_never_chosen_automatically(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", accelerated("cuda", 1))
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert select_backend("cpu").name == "numpy"
    assert select_backend("auto").name == "numpy"
    with pytest.raises(DeviceError, match="CuPy"):
        select_backend("cuda")


def test_a_missing_torch_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DeviceError, match="PyTorch cannot be imported") as caught:
        select_backend("mps")
    assert "2.6" in caught.value.cure


def test_an_old_torch_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.5.1+cpu"))
    with pytest.raises(DeviceError, match=r"PyTorch 2\.5\.1\+cpu is too old") as caught:
        select_backend("cpu", "torch")
    assert "2.6" in caught.value.cure


@pytest.mark.parametrize("device", ["mps", "xpu", "cuda:3"])
def test_a_device_that_torch_lacks_is_a_device_error_that_lists_the_others(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", accelerated("cuda", 1))
    with pytest.raises(DeviceError, match=f"no device {device}.*only: cpu, cuda:0"):
        select_backend(device, "torch")


def test_a_torch_that_cannot_compute_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", accelerated("mps", 1))  # It has no function.
    with pytest.raises(DeviceError, match="cannot compute on mps:0") as caught:
        select_backend("mps")
    assert caught.value.stage == "matrix product"


# ---- PyTorch on the CPU ------------------------------------------------------------------


@TORCH
def test_devices_lists_torch() -> None:
    report = diagnose()
    assert "with cpu" in report.torch
    assert "--backend torch" in str(report)


@TORCH
def test_torch_is_selected_by_name() -> None:
    backend = select_backend("cpu", "torch")
    assert (backend.name, backend.device) == ("torch", "cpu")
    assert backend.memory() == (None, None)


@TORCH
def test_tensors_are_used_by_torch_where_they_are() -> None:
    import torch

    backend = backend_of(torch.zeros(1))
    assert isinstance(backend, TorchBackend)
    assert backend.device == "cpu"


@TORCH
def test_arrays_are_copied_to_tensors() -> None:
    backend, host = select_backend("cpu", "torch"), np.arange(4.0)
    host.flags.writeable = False
    there = backend.asarray(host)
    there += 1
    np.testing.assert_array_equal(host, np.arange(4))
    for dtype in ("uint8", "uint16", "uint32", "uint64", ">f4", "bool"):
        one = backend.to_numpy(backend.asarray(np.ones(1, dtype)))
        assert one.dtype == np.dtype(dtype).newbyteorder("=")
    gradient = backend.asarray([1.0]).requires_grad_()
    assert backend.to_numpy(gradient) == 1


@TORCH
def test_no_gradients_are_recorded() -> None:
    import torch

    backend = select_backend("cpu", "torch")
    theta = torch.ones(2, requires_grad=True)
    with backend.translate_errors():
        assert not (theta * 2).requires_grad
    assert (theta * 2).requires_grad


@TORCH
def test_single_threaded_restores_torchs_threads() -> None:
    import torch

    before = torch.get_num_threads()
    with select_backend("cpu", "torch").single_threaded():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@TORCH
def test_out_of_memory_is_explained() -> None:
    import torch

    backend = select_backend("cpu", "torch")
    with pytest.raises(DeviceError, match="out of memory on cpu"), backend.translate_errors():
        torch.empty(2**50)
    assert backend.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert backend.is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9)"))
    assert not backend.is_out_of_memory(RuntimeError("The shapes differ."))


@TORCH
def test_an_operation_that_the_device_lacks_is_explained() -> None:
    backend = select_backend("cpu", "torch")
    with pytest.raises(DeviceError, match="'aten::x' is not"), backend.translate_errors():
        raise NotImplementedError("The operator 'aten::x' is not implemented for the device.")


@TORCH
@settings(max_examples=8)
@given(
    st.sampled_from(["sgd", "nesterov", "adam", "adamw"]),
    st.sampled_from([None, 7, 16]),
    st.booleans(),
    st.sampled_from([{}, {"shard_rows": 4}, {"shards": 3}]),
    st.integers(0, 99),
)
def test_training_equals_numpys_to_rounding(
    optimizer: Any, batch_size: int | None, is_random: bool, sums: dict[str, Any], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 256, (40, 12)).astype(np.uint8), np.arange(40) % 3
    random: dict[str, Any] = {}
    if is_random:
        random = {"dropout": 0.25, "augmentation": Augmentation(), "image_shape": (3, 4)}
    config = TrainingConfig(
        hidden=(6,),
        iterations=12,
        optimizer=optimizer,
        learning_rate=0.01,
        batch_size=batch_size,
        ema_decay=0.9,
        clip_norm=1.0,
        seed=seed,
        **random,
        **sums,
    )
    numpy, torch = select_backend("cpu"), select_backend("cpu", "torch")
    expected, _ = train(X, y, config, backend=numpy)
    model, _ = train(X, y, config, backend=torch)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-3, atol=1e-5)
    assert evaluate(model, X, y, torch).loss == pytest.approx(
        evaluate(model, X, y, numpy).loss, rel=1e-5
    )
    np.testing.assert_array_equal(predict(model, X, torch), predict(model, X, numpy))


class Stop(Hook):
    """Ends a run after its sixth iteration."""

    def on_step(self, iteration: int) -> None:
        if iteration >= 6:
            raise ZeroDivisionError


@TORCH
@pytest.mark.parametrize("libraries", [("auto", "torch"), ("torch", "auto")])
def test_a_checkpoint_resumes_on_another_backend(
    images: dict[str, Any], tmp_path: Path, libraries: tuple[str, str]
) -> None:
    config = TrainingConfig(hidden=(6,), batch_size=10, epochs=4, optimizer="adam")
    data = images["X"], images["y"]
    expected, _ = train(*data, config, backend=select_backend("cpu"))
    first, then = (select_backend("cpu", library) for library in libraries)
    where: dict[str, Any] = {"checkpoint": tmp_path / "run", "checkpoint_every": 3}
    with pytest.raises(ZeroDivisionError):
        train(*data, config, backend=first, hooks=[Stop()], **where)
    model, _ = train(*data, config, backend=then, resume=True, **where)
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-3, atol=1e-5)


@TORCH
def test_the_estimator_uses_tensors_where_they_are(
    images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    # As if the tensors were on another device.
    monkeypatch.setattr(device_arrays, "is_on_host", lambda _: False)
    rows = torch.tensor(images["X"] / 255, dtype=torch.float32, requires_grad=True)
    fitted = MLPClassifier((5,), max_iter=50, random_state=0, tol=1.0, n_iter_no_change=2).fit(
        rows, images["y"]
    )
    answer = fitted.predict_proba(rows)
    assert isinstance(answer, torch.Tensor)
    assert not answer.requires_grad
    assert not answer.is_inference()
