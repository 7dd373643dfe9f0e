"""One check in a process of its own: what it found so far is in a file, whatever happens next.

python -m scripts.gpu CHECK FILE DEVICE
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.gpu.outcome import run, write
from scripts.gpu.plan import PLAN

if __name__ == "__main__":
    name, file, device = sys.argv[1:]
    run(PLAN[name].check, device, lambda found: write(Path(file), found))
