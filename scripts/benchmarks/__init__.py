"""The benchmarks: jobs in `jobs.py`, contenders in `contenders.py`, timing in `harness.py`."""
