"""Jobs whose ranks fail, differ or are interrupted, and their results.

python -m tests.support.failing_ranks KIND FILE ARGUMENTS... runs the failing rank.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benchmarks.harness import ROOT
from tests.support.mpiexec import PROGRAM, command

SMALL = ("train", "--device", "cpu", "--rows", "700", "--holdout", "100", "--epochs", "3", "-q")
ENDLESS = (
    *("train", "--device", "cpu", "--hidden", "128", "64", "--batch-size", "128", "-q"),
    *("--iterations", "10000000", "--report-every", "1000000"),
)
KINDS = ("killed", "exception", "no data")
FAILING_AT = 20
"""Iterations before the second rank fails: few, for busy machines."""
PATIENCE = 60
"""Seconds after which a job is considered to hang."""

DIFFERENCES: dict[str, tuple[tuple[str, ...], str]] = {
    "learning rate": (("--lr", "0.2"), "--learning-rate: None on rank 0, 0.2 on rank 1"),
    "seed": (("--seed", "1"), "--seed: None on rank 0, 1 on rank 1"),
    "epochs": (("--epochs", "2"), "--epochs: 3 on rank 0, 2 on rank 1"),
    "checkpoint every": (
        ("--checkpoint", "kept", "--checkpoint-every", "2"),
        "--checkpoint-every: None on rank 0, '2' on rank 1",
    ),
    "target": (("--target-accuracy", "0.5"), "--target-accuracy: None on rank 0, 0.5 on rank 1"),
    "report every": (("--report-every", "1"), "--report-every: None on rank 0, 1 on rank 1"),
    "layers": (("--hidden", "12"), "--hidden: None on rank 0, [12] on rank 1"),
    "dtype": (("--dtype", "float64"), "--dtype: None on rank 0, 'float64' on rank 1"),
    "sums": (("--fast-reduce",), "--fast-reduce: None on rank 0, True on rank 1"),
    "shards": (("--shards", "4"), "--shards: None on rank 0, 4 on rank 1"),
    "batch size": (("--batch-size", "50"), "--batch-size: None on rank 0, 50 on rank 1"),
    "optimizer": (("--optimizer", "adam"), "--optimizer: None on rank 0, 'adam' on rank 1"),
    "rows": (("--rows", "690"), "--rows: 700 on rank 0, 690 on rank 1"),
    "checkpoint": (("--checkpoint", "kept"), "--checkpoint: None on rank 0, 'kept' on rank 1"),
    "output": (("--out", "other"), "on rank 0, PosixPath('other') on rank 1"),
    "bad option": (("--nonsense",), "error: unrecognized arguments: --nonsense"),
    "help": (("--help",), "call: train on rank 0, --help or --version on rank 1"),
}
"""Additional options of the second rank, and the expected output of the job."""


class Ended(NamedTuple):
    """The result of a job: its status (None if it did not end), seconds and messages."""

    status: int | None
    seconds: float
    said: str

    @property
    def first(self) -> str:
        """The first line that is not empty."""
        return next((line for line in self.said.splitlines() if line.strip()), "")


def ended(
    words: Sequence[str], folder: Path, interrupt_after: float | None = None, timeout: int = 600
) -> Ended:
    """Run a job until it ends or is killed; its ranks wait ``timeout`` seconds for each other."""
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "MNN_RANK_TIMEOUT": str(timeout)},
            start_new_session=True,
        )
        start = time.monotonic()
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            start = time.monotonic()
            # Only the launcher: a terminal would signal the process group, which does not
            # include the ranks.
            process.send_signal(signal.SIGINT)
        try:
            status: int | None = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        seconds = time.monotonic() - start
        said.seek(0)
        return Ended(status, seconds, said.read())


def interrupted(ranks: int, after: float, folder: Path) -> Ended:
    """Run a job and send it SIGINT after some seconds, as Ctrl-C does."""
    return ended(command(ranks, *ENDLESS), folder, interrupt_after=after)


def failing(kind: str, ranks: int) -> Ended:
    """Run a job whose second rank fails; its seconds are counted from the failure."""
    with tempfile.TemporaryDirectory() as name:
        moment = Path(name) / "moment"
        training = (*ENDLESS, "--out", f"{name}/model")
        bad = [sys.executable, "-m", "tests.support.failing_ranks", kind, str(moment)]
        words = [*command(1, *training), ":", "-n", "1", *bad, *training]
        if ranks > 2:
            words += [":", "-n", str(ranks - 2), *PROGRAM, *training]
        job = ended(words, Path(name))
        return job._replace(seconds=time.time() - float(moment.read_text()))


def fail(kind: str, moment: Path, arguments: list[str]) -> int:
    """Run the rank that fails."""
    from mnn_gpu.cli.main import main
    from mnn_gpu.training.run import TrainingRun

    def now() -> None:
        moment.write_text(str(time.time()), encoding="utf-8")

    def killed() -> None:
        now()
        os.kill(os.getpid(), signal.SIGKILL)

    advance = TrainingRun.advance

    def failing_advance(self: Any, *rest: Any) -> Any:
        if self.iteration >= FAILING_AT:
            if kind == "exception":
                now()
                raise ZeroDivisionError("as nobody expects")
            if kind == "killed" and not timers:
                timers.append(threading.Timer(random.random(), killed))
                timers[0].start()
        return advance(self, *rest)

    timers: list[threading.Timer] = []
    TrainingRun.advance = failing_advance  # type: ignore[method-assign, assignment]
    if kind == "no data":
        now()
        arguments = [*arguments, "--data", str(moment.parent / "missing.csv")]
    return main(arguments)


def differing(kind: str, folder: Path) -> Ended:
    """Run a job of two ranks with different options."""
    second = ["-n", "1", *PROGRAM, *SMALL, *DIFFERENCES[kind][0]]
    return ended([*command(1, *SMALL), ":", *second], folder, timeout=PATIENCE // 2)


if __name__ == "__main__":
    sys.exit(fail(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
