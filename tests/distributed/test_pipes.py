"""A rank's last output reaches its launcher before the job is aborted."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnn_gpu.distributed.pipes import wait_until_read

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems may not report unread bytes"
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_the_wait_ends_when_all_output_has_been_read(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"the last words")
    read: list[bytes] = []
    thread = threading.Timer(0.1, lambda: read.append(os.read(reader, 100)))
    thread.start()
    wait_until_read(writer, 30)
    thread.join()
    assert read == [b"the last words"]


def test_the_wait_for_a_reader_that_does_not_read_is_limited(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"the last words")
    start = time.monotonic()
    wait_until_read(pipe[1], 0.05)
    assert time.monotonic() - start >= 0.05


def test_there_is_no_wait_for_files_and_closed_descriptors(tmp_path: Path) -> None:
    start = time.monotonic()
    with (tmp_path / "log").open("w+") as file:
        file.write("not read by anyone")
        file.flush()
        file.seek(0)
        descriptor = file.fileno()
        wait_until_read(descriptor, 30)
    wait_until_read(descriptor, 30)
    assert time.monotonic() - start < 15
