"""Tests of the estimators that need scikit-learn 1.7 are skipped with an older version."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mnn_gpu import UsageError


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test for which the estimators say that they need a newer scikit-learn."""
    try:
        return (yield)
    except UsageError as error:
        if "needs scikit-learn 1.7 or newer" not in error.cause:
            raise
        pytest.skip(error.cause)
