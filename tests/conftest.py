"""Fixtures that run a test on every installed array library; GPU tests are skipped visibly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from mnn_gpu import DeviceError, select_backend
from mnn_gpu.backends import Backend
from mnn_gpu.backends.gpu_probe import probe
from tests.support.libraries import Library, installed, library
from tests.support.ranks import SharedJob

# Enables float64 in JAX, which reads it on first import.
os.environ.setdefault("JAX_ENABLE_X64", "1")

# No example fails because the machine is busy.
settings.register_profile("no timing", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no timing")

REQUIRE_GPU = os.environ.get("MNN_REQUIRE_GPU") == "1"

LIBRARIES = [
    pytest.param("numpy"),
    pytest.param("array_api_strict"),
    pytest.param("cupy", marks=pytest.mark.gpu),
    # These two are optional; if installed, they must work.
    *(pytest.param(name) for name in ("torch", "jax") if installed(name)),
]
BACKENDS = [
    pytest.param(("cpu", "numpy"), id="numpy"),
    pytest.param(("cuda", "cupy"), id="cupy", marks=pytest.mark.gpu),
    *(pytest.param(("cpu", name), id=name) for name in ("torch", "jax") if installed(name)),
]


@cache
def gpu_error() -> DeviceError | None:
    """Return why no GPU works, None if one does; cached, since hundreds of tests call it."""
    try:
        select_backend("cuda")
    except DeviceError as error:
        return error
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need a GPU if none works, or fail if one is required."""
    if item.get_closest_marker("gpu") is None:
        return
    if (error := gpu_error()) is not None:
        if REQUIRE_GPU:
            pytest.fail(f"MNN_REQUIRE_GPU=1, but {error}")
        pytest.skip(error.cause)


@pytest.fixture(params=LIBRARIES)
def lib(request: pytest.FixtureRequest) -> Library:
    return library(request.param)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return select_backend(*request.param)


@pytest.fixture(autouse=True)
def _fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Isolate tests from the user's device setting and from a cached GPU of another test."""
    monkeypatch.delenv("MNN_DEVICE", raising=False)
    yield
    probe.cache_clear()


@pytest.fixture(scope="session")
def job() -> Iterator[SharedJob]:
    """A job of several ranks, started for the first test that needs one."""
    shared = SharedJob()
    yield shared
    shared.end()


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    """Thirty small images of three easily separable classes."""
    generator = np.random.default_rng(7)
    y = np.arange(30) % 3
    X = generator.integers(0, 60, (30, 12))
    X[np.arange(30)[:, None], y[:, None] * 4 + np.arange(4)] += 180
    return {"X": X.astype(np.uint8), "y": y.astype(np.int64)}
