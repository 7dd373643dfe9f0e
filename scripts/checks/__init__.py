"""Checks that take longer than tests: ranks that fail, data larger than memory, files of users."""
