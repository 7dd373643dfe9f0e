"""How often the tests that try something at random do so."""

from __future__ import annotations

import os

REPEATS = int(os.environ.get("MNN_TEST_REPEATS", "1"))
"""A larger number searches longer: ``MNN_TEST_REPEATS=40 scripts/test -k "damaged or killed"``."""
