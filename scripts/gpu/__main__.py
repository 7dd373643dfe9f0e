"""One check in its own process: its findings so far are in a file, whatever happens next.

python -m scripts.gpu CHECK FILE DEVICE [--dry-run]

Ends, with all that it started, when its standard input does: nothing is left on the GPU where
`gpu-check` is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from scripts.benchmarks.device import DRY_RUN


def end_with_parent() -> None:
    """Wait for the end of the standard input, a pipe from `gpu-check`; kill this session."""
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    name, file, device, *dry = sys.argv[1:]
    if os.getpid() == os.getpgrp():
        threading.Thread(target=end_with_parent, daemon=True).start()
    if dry:
        # Read when the checks are imported.
        os.environ[DRY_RUN] = "1"
    from scripts.gpu.outcome import run, write
    from scripts.gpu.plan import PLAN

    run(PLAN[name].check, device, lambda found: write(Path(file), found))


if __name__ == "__main__":
    main()
