"""A stand-in for Windows, and commands in it; run as a separate program.

What Python lacks there is removed (`fcntl`, `resource`, `os.fork`, signals), `msvcrt` and kernel32
are replaced, an open file can be neither replaced nor removed, the console has the code page 1252.
Paths stay those of this system. The argument is the file for the results, in JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import json
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

MISSING_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
MISSING_IN_OS = (
    *("O_NOFOLLOW", "O_NONBLOCK", "fork", "getuid", "mkfifo", "register_at_fork"),
    *("sched_getaffinity", "set_blocking", "sysconf"),
)
MISSING_SIGNALS = ("ITIMER_REAL", "SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "setitimer")
HANDLERS: list[Callable[[int], Any]] = []
CLOSE_EVENT = 2


def install() -> None:
    """Turn this process into one on Windows, as far as this program can see."""
    from mnn_gpu.utils.blas import _controller

    for name in ("glob", "pandas", "safetensors.numpy", "tempfile"):  # They look at the platform.
        __import__(name)
    _controller()
    _replace_modules()
    for name in MISSING_IN_OS:
        delattr(os, name)
    for name in MISSING_SIGNALS:
        delattr(signal, name)
    signal.SIGBREAK = signal.SIGUSR1  # type: ignore[attr-defined]
    for name in ("replace", "unlink"):
        setattr(os, name, _refusing_open_files(getattr(os, name)))
    sys.platform = "win32"


def _replace_modules() -> None:
    import fcntl

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert count == 1
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if mode else fcntl.LOCK_UN)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    msvcrt: Any = types.ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK, msvcrt.LK_UNLCK = locking, 2, 0
    sys.modules["msvcrt"] = msvcrt
    for name in MISSING_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    kernel = types.SimpleNamespace(
        SetConsoleCtrlHandler=lambda handler, _: HANDLERS.append(handler),
        GlobalMemoryStatusEx=lambda _: 0,
    )
    ctypes.windll = types.SimpleNamespace(kernel32=kernel)  # type: ignore[attr-defined]
    ctypes.WINFUNCTYPE = lambda *_: lambda function: function  # type: ignore[attr-defined]


def _refusing_open_files(function: Callable[..., None]) -> Callable[..., None]:
    def refusing(*paths: str | Path, **more: Any) -> None:
        for path in paths:
            if os.path.realpath(path) in _open_files():
                refused = PermissionError(errno.EACCES, "Access is denied", str(path))
                refused.winerror = 5  # type: ignore[attr-defined]
                raise refused
        function(*paths, **more)

    return refusing


def _open_files() -> set[str]:
    files = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            files.add(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115
    return files


class Failing(io.RawIOBase):
    """A stdout that cannot be written to, until its command is over."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_over = False

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        if self.is_over:  # What is left is written when the stream is deleted.
            return len(text)
        raise OSError(self.number, os.strerror(self.number))


def console(raw: Any) -> io.TextIOWrapper:
    """Return a stream with the code page of a console in Western Europe."""
    return io.TextIOWrapper(raw, "cp1252", errors="strict", newline="\r\n")


def run(*words: str, stdout: Any = None) -> dict[str, Any]:
    """Run `mnn-gpu`; return its exit code and what it printed."""
    from mnn_gpu.cli.main import main

    out, err = console(stdout or io.BytesIO()), console(io.BytesIO())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main(words)
        except SystemExit as stop:
            code = stop.code
    if stdout:
        stdout.raw.is_over = True
    said = "" if stdout else out.buffer.getvalue().decode("cp1252")  # type: ignore[attr-defined]
    err.flush()
    return {"code": code, "out": said, "err": err.buffer.getvalue().decode("cp1252")}  # type: ignore[attr-defined]


def close_console_after_a_checkpoint(folder: str) -> None:
    """Wait for training to begin, then call the program's handler, as Windows does."""
    while not list(Path(folder).glob("checkpoint-*")):
        time.sleep(0.01)
    HANDLERS[0](CLOSE_EVENT)


TRAIN = ("train", "--data", "d?gits.csv", "--hidden", "4", "--iterations", "6", "--holdout", "6")
CLOSED = ("--checkpoint", "night", "--checkpoint-every", "50", "--out", "night.safetensors")
CHECKPOINT = ("--checkpoint", "run", "--checkpoint-every", "2")


def commands() -> dict[str, Any]:
    """Run the main commands in the current folder, which has ``digits.csv`` and others."""
    from mnn_gpu.storage.folder_lock import FolderLock
    from mnn_gpu.utils.signals import raise_on_signals

    raise_on_signals()
    model = "model.safetensors"
    found = {
        "train": run(*TRAIN, *CHECKPOINT),
        "resume": run(*TRAIN, *CHECKPOINT, "--resume"),
        "evaluate": run("evaluate", model, "digits.csv"),
        "predict": run("predict", model, "[a]*.csv", "-o", "labels.csv"),
        "no such pattern": run("predict", model, "none*.csv"),
        "a name outside the code page": run("evaluate", model, "\u6570.csv"),
        "export": run("export", model, "weights.npz"),
        "convert": run("convert", "digits.csv", "converted"),
        "devices": run("devices"),
        "help": run("--help"),
        "closed pipe": run("recipes", stdout=io.BufferedWriter(Failing(errno.EINVAL))),
        "closed pipe of the help": run("--help", stdout=io.BufferedWriter(Failing(errno.EINVAL))),
        "full disk": run("recipes", stdout=io.BufferedWriter(Failing(errno.ENOSPC))),
        "full disk for the help": run(
            "train", "--help-all", stdout=io.BufferedWriter(Failing(errno.ENOSPC))
        ),
    }
    before = sorted(os.listdir("run"))  # noqa: PTH208
    lock = FolderLock(Path("run"))
    found["two runs"] = run(*TRAIN, *CHECKPOINT, "--resume")
    lock.close()
    found["two runs"]["kept"] = sorted(os.listdir("run")) == before  # noqa: PTH208
    with open(model, "rb"):  # noqa: PTH123
        found["open model"] = run(*TRAIN)
    threading.Thread(target=close_console_after_a_checkpoint, args=["night"], daemon=True).start()
    long = [word.replace("6", "1000000") if word == "6" else word for word in TRAIN[:-2]]
    found["closing the console"] = run(*long, *CLOSED)
    return found


if __name__ == "__main__":
    install()
    results = commands()
    Path(sys.argv[1]).write_text(json.dumps(results), encoding="utf-8")
    os._exit(0)  # The thread of the console does not end.
