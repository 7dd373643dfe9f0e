"""The number of threads that a process uses."""

from __future__ import annotations

import pytest

from mnn_gpu import select_backend
from mnn_gpu.utils.threads import LIMITS, available_cores, thread_count


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("limit", ["1", "100000", "0", "", "many", "2,1"])
def test_a_process_uses_its_share_of_the_cores(
    name: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in LIMITS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, limit)
    assert thread_count() == (1 if limit == "1" else available_cores())
    assert select_backend("cpu").threads == thread_count()
