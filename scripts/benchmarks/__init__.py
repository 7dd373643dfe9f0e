"""The benchmarks: `jobs.py` what is measured, `contenders.py` who, `harness.py` how."""
