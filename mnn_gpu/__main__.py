"""`python -m mnn_gpu` is `mnn-gpu`."""

import sys

from mnn_gpu.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
