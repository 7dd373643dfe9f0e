"""Makes `python -m mnn_gpu` the same as the command `mnn-gpu`."""

import sys

from mnn_gpu.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
