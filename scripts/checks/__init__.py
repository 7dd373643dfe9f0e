"""Checks beside the tests: data larger than memory, files of users, tests that are skipped."""
